"""Sign-in with a name and a password: slow for who guesses, and telling nothing of who is known here.

https://cheatsheetseries.owasp.org/cheatsheets/Authentication_Cheat_Sheet.html
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fhir_server.auth.server.limiter import Limiter
from fhir_server.auth.server.users import User, Users

MINUTE = 60_000_000
PER_NAME = 10
PER_ADDRESS = 100
"""Of a hospital, many come from one address."""

_TOLD_APART = 200
"""Characters of a name."""


@dataclass(frozen=True, slots=True)
class TooOften:
    """Nobody was looked up: too many attempts failed; the next is looked at in so many seconds."""

    seconds: int


@dataclass(frozen=True, slots=True)
class SignIn:
    """Knows people by name and password, as often as the limits permit."""

    users: Users
    names: Limiter = field(default_factory=lambda: Limiter(PER_NAME, 5 * MINUTE))
    addresses: Limiter = field(default_factory=lambda: Limiter(PER_ADDRESS, 5 * MINUTE))

    async def attempt(
        self, name: str, password: str, *, address: str, now: int
    ) -> User | TooOften | None:
        """Return who that is; None for an unknown name as for a wrong password."""
        # As much as tells names apart: what is counted is kept.
        key = name.casefold()[:_TOLD_APART]
        wait = max(self.names.wait([key], now=now), self.addresses.wait([address], now=now))
        if wait:
            return TooOften(wait)
        # Counted before it is looked at, so that many at a time are no more than one after another.
        self.names.failed([key], now=now)
        user = await self.users.verify(name, password, now=now)
        if user is None:
            self.addresses.failed([address], now=now)
        else:
            self.names.succeeded(key)
        return user
