"""Small values in memory, for tests that would else open a store for each example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Memory:
    """See `fhir_server.storage.keyvalues.KeyValues`; what is compared with it is in tests/storage/test_keyvalues.py."""

    rows: dict[tuple[str, str], tuple[bytes, int | None]] = field(default_factory=dict)

    async def get(self, kind: str, key: str, *, now: int) -> bytes | None:
        """Return a value."""
        value, expires = self.rows.get((kind, key), (None, None))
        return value if expires is None or expires > now else None

    async def items(self, kind: str, *, now: int) -> Sequence[tuple[str, bytes]]:
        """Return keys and values."""
        keys = sorted(key for each, key in self.rows if each == kind)
        found = [(key, await self.get(kind, key, now=now)) for key in keys]
        return [(key, value) for key, value in found if value is not None]

    async def put(
        self,
        kind: str,
        key: str,
        value: bytes,
        *,
        now: int,
        expires: int | None = None,
        durable: bool = True,  # noqa: ARG002 - nothing here outlasts the test
    ) -> None:
        """Set a value."""
        assert now
        self.rows[kind, key] = value, expires

    async def add(
        self, kind: str, key: str, value: bytes, *, now: int, expires: int | None = None
    ) -> bool:
        """Set a value where there is none."""
        if await self.get(kind, key, now=now) is not None:
            return False
        self.rows[kind, key] = value, expires
        return True

    async def replace(
        self, kind: str, key: str, old: bytes, new: bytes, *, now: int, expires: int | None = None
    ) -> bool:
        """Set a value where it still is the old one."""
        if await self.get(kind, key, now=now) != old:
            return False
        self.rows[kind, key] = new, expires
        return True

    async def take(self, kind: str, key: str, *, now: int) -> bytes | None:
        """Return a value and remove it."""
        found = await self.get(kind, key, now=now)
        self.rows.pop((kind, key), None)
        return found

    async def remove(self, kind: str, key: str) -> None:
        """Remove a value."""
        self.rows.pop((kind, key), None)
