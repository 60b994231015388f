"""Sign-in with a name and a password: slow for who guesses, and telling nothing of who is known here.

https://cheatsheetseries.owasp.org/cheatsheets/Authentication_Cheat_Sheet.html
"""

from __future__ import annotations

from dataclasses import dataclass

from fhir_server.auth.server.limiter import Limiter
from fhir_server.auth.server.users import User, Users
from fhir_server.storage.keyvalues import KeyValues

MINUTE = 60_000_000
PER_NAME = 10
PER_ADDRESS = 100
"""Of a hospital, many come from one address."""

_NAMES = Limiter("name", PER_NAME, 5 * MINUTE)
_ADDRESSES = Limiter("address of people", PER_ADDRESS, 5 * MINUTE)


@dataclass(frozen=True, slots=True)
class TooOften:
    """Nobody was looked up: too many attempts failed; the next is looked at in so many seconds."""

    seconds: int


@dataclass(frozen=True, slots=True)
class SignIn:
    """Knows people by name and password, as often as the limits permit over all processes that share the `values`."""

    users: Users
    values: KeyValues

    async def attempt(
        self, name: str, password: str, *, address: str, now: int
    ) -> User | TooOften | None:
        """Return who that is; None for an unknown name as for a wrong password."""
        key = name.casefold()
        wait = await _ADDRESSES.wait(self.values, address, now=now)
        # Counted before it is looked at, so that many at a time are no more than one after another.
        wait = wait or await _NAMES.take(self.values, key, now=now)
        if wait:
            return TooOften(wait)
        user = await self.users.verify(name, password, now=now)
        if user is None:
            await _ADDRESSES.take(self.values, address, now=now)
        else:
            await _NAMES.forget(self.values, key, now=now)
        return user
