"""People who sign in with a password that this store can check: for demonstrations and small sites.

Passwords are kept as scrypt hashes; a trust's own identity provider is the better place for them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import scrypt
from hmac import compare_digest

import msgspec

from fhir_server.auth.server.users import User
from fhir_server.fhir.resource import LOGICAL_ID
from fhir_server.storage.keyvalues import KeyValues

KIND = "account"
SHORTEST = 12
"""Characters of a password; https://pages.nist.gov/800-63-4/sp800-63b.html asks for length, not for kinds of them."""
LONGEST = 1024

_COST, _BLOCK, _PARALLEL = 1 << 14, 8, 5
"""16 MB and a fifth of a second: https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html."""
_AT_ONCE = 2
_SALT = 16


class _Account(msgspec.Struct, frozen=True):
    user: User
    salt: bytes
    hash: bytes


class BadAccount(ValueError):
    """What cannot be an account; the message tells what would work."""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Account).decode


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts of a store, by sign-in name without regard to case; see `users.Users`."""

    values: KeyValues
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    async def verify(self, name: str, password: str, *, now: int) -> User | None:
        """See Users.verify."""
        found = await self.values.get(KIND, _key(name), now=now)
        account = None if found is None else _decode(found)
        # For an unknown name the same work, so that the time tells nothing.
        salt = bytes(_SALT) if account is None else account.salt
        async with self._turns:
            given = await asyncio.to_thread(_hashed, password[:LONGEST], salt)
        good = compare_digest(given, b"" if account is None else account.hash)
        return account.user if account is not None and good else None

    async def add(self, name: str, password: str, user: User, *, now: int) -> bool:
        """Add an account unless the name is taken; tell whether it was free. Raise BadAccount."""
        check(name, password, user)
        salt = os.urandom(_SALT)
        hashed = await asyncio.to_thread(_hashed, password, salt)
        return await self.values.add(
            KIND, _key(name), _encode(_Account(user, salt, hashed)), now=now
        )

    async def find(self, name: str, *, now: int) -> User | None:
        """Return whose account that is, without a password: for those who review access."""
        found = await self.values.get(KIND, _key(name), now=now)
        return None if found is None else _decode(found).user

    async def all(self, *, now: int) -> Sequence[tuple[str, User]]:
        """Return names and users in the order of names."""
        return [(name, _decode(row).user) for name, row in await self.values.items(KIND, now=now)]

    async def remove(self, name: str, *, now: int) -> User | None:
        """Forget an account and return whose it was, None where there is none."""
        found = await self.values.take(KIND, _key(name), now=now)
        return None if found is None else _decode(found).user


def check(name: str, password: str, user: User) -> None:
    """Raise BadAccount for what cannot be one."""
    if not _key(name):
        raise BadAccount("an account has a name")
    if not SHORTEST <= len(password) <= LONGEST:
        raise BadAccount(f"a password has {SHORTEST} characters or more")
    if user.patients is None and not user.purposes:
        raise BadAccount("who may choose any patient needs purposes of use, such as TREAT")
    own = user.fhir_user
    if own is not None and (own.count("/") != 1 or not LOGICAL_ID.match(own.partition("/")[2])):
        raise BadAccount(f"{own} is no record of a person, as Practitioner/ada is")
    if any(not LOGICAL_ID.match(each) for each in user.patients or ()):
        raise BadAccount("patients are named by their ids")


def _key(name: str) -> str:
    return name.strip().casefold()


def _hashed(password: str, salt: bytes) -> bytes:
    return scrypt(
        password.encode(), salt=salt, n=_COST, r=_BLOCK, p=_PARALLEL, maxmem=64 * 1024 * 1024
    )
