"""What a server must remember besides resources: clients, codes, grants, sessions, replayed assertions.

Small values by kind and key, shared by all processes of a store. A write is durable when it returns, and each
method is one atomic step. What has expired is as absent as what never was, and is swept in passing.
Whoever keeps a secret here keeps its hash, or seals it. `tests/storage/test_keyvalues.py` holds each backend to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class KeyValues(Protocol):
    """Values by kind and key; `now` and `expires` are in microseconds since 1970, no `expires`: for ever."""

    async def get(self, kind: str, key: str, *, now: int) -> bytes | None:
        """Return a value, None where there is none."""
        ...

    async def items(self, kind: str, *, now: int) -> Sequence[tuple[str, bytes]]:
        """Return keys and values of a kind in the order of keys; for kinds that stay small."""
        ...

    async def put(  # noqa: PLR0913 - what, until when, how safely
        self,
        kind: str,
        key: str,
        value: bytes,
        *,
        now: int,
        expires: int | None = None,
        durable: bool = True,
    ) -> None:
        """Set a value, whatever was there.

        Not `durable`: all processes see it when this returns, but a power failure soon after may lose it.
        """
        ...

    async def add(
        self, kind: str, key: str, value: bytes, *, now: int, expires: int | None = None
    ) -> bool:
        """Set a value where there is none, and tell whether that was so: of several who try, one is told yes."""
        ...

    async def replace(  # noqa: PLR0913 - what, by what, until when
        self, kind: str, key: str, old: bytes, new: bytes, *, now: int, expires: int | None = None
    ) -> bool:
        """Set a value where it still is the old one, and tell whether it was."""
        ...

    async def take(self, kind: str, key: str, *, now: int) -> bytes | None:
        """Return a value and remove it: of several who try, one gets it."""
        ...

    async def remove(self, kind: str, key: str) -> None:
        """Remove a value; nothing happens where there is none."""
        ...
