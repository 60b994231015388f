"""What the server acknowledged, kept where no crash of the server reaches it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NewType

Address = NewType("Address", str)
"""`Type/id`."""


def digest(body: bytes) -> bytes:
    """Return what stands for a body in the ledger."""
    return sha256(body).digest()


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """One write that was answered with success; `digest` is that of the body, None for a deletion."""

    address: Address
    version: int
    digest: bytes | None


class TwiceAcknowledged(AssertionError):
    """Two writes were acknowledged as the same version."""


@dataclass(slots=True)
class Ledger:
    """Acknowledged writes, in the order of their acknowledgement."""

    writes: dict[tuple[Address, int], Acknowledged] = field(default_factory=dict)
    highest: dict[Address, int] = field(default_factory=dict)

    def add(self, write: Acknowledged) -> None:
        """Keep a write; raise TwiceAcknowledged if its version was given to another.

        The same bytes twice are one version: an update that changes nothing makes none.
        """
        if self.writes.setdefault((write.address, write.version), write) != write:
            raise TwiceAcknowledged(f"{write.address} version {write.version}")
        self.highest[write.address] = max(write.version, self.highest.get(write.address, 0))

    def since(self, number: int) -> Iterator[Acknowledged]:
        """Yield the writes after the first `number` ones."""
        for position, write in enumerate(self.writes.values()):
            if position >= number:
                yield write

    def highest_of(self, writes: Iterable[Acknowledged]) -> Mapping[Address, int]:
        """Return the highest acknowledged version of each resource in some writes."""
        return {write.address: self.highest[write.address] for write in writes}
