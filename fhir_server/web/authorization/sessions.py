"""Who is signed in, in this browser: a random name in a cookie, the rest kept by the server.

A session ends by itself when nobody did anything for a while, and after a working day in any case.
https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from fhir_server.auth.server.users import User
from fhir_server.storage.keyvalues import KeyValues

MINUTE = 60_000_000
IDLE = 20 * MINUTE
LONGEST = 12 * 60 * MINUTE

_KIND = "session"
_NOTED_EVERY = MINUTE
"""How exactly it is known when somebody did something: a page needs no write."""


class Session(msgspec.Struct, frozen=True):
    """Someone signed in: `authenticated` and `seen` are the moments of the sign-in and of the last page (us)."""

    user: User
    authenticated: int
    seen: int

    @property
    def expires(self) -> int:
        """The moment (us) from which on it is over, if nothing else happens."""
        return min(self.seen + IDLE, self.authenticated + LONGEST)


_DECODER = msgspec.json.Decoder(Session)


@dataclass(frozen=True, slots=True)
class Sessions:
    """Sessions by their names; `key` seals forms, `new_name` gives names that nobody can guess.

    What is kept is the hash of a name: who reads the store can take no session over.
    """

    values: KeyValues
    key: bytes
    new_name: Callable[[], str]

    async def find(self, name: str, *, now: int) -> Session | None:
        """Return a session and note that it is in use; None where nobody is signed in under this name."""
        kept = await self.values.get(_KIND, _hash(name), now=now)
        if kept is None:
            return None
        session = _DECODER.decode(kept)
        if now - session.seen < _NOTED_EVERY:
            return session
        seen = msgspec.structs.replace(session, seen=now)
        # Replaced, not put: a sign-out at the same moment stays one.
        stands = await self.values.replace(
            _KIND, _hash(name), kept, msgspec.json.encode(seen), now=now, expires=seen.expires
        )
        return seen if stands else None

    async def begin(self, user: User, *, now: int, instead_of: str | None) -> str:
        """Return the name of a new session; the one before it is over, so that nobody can have laid it ready."""
        name = self.new_name()
        session = Session(user, now, now)
        await self.values.put(
            _KIND, _hash(name), msgspec.json.encode(session), now=now, expires=session.expires
        )
        if instead_of is not None:
            await self.end(instead_of)
        return name

    async def end(self, name: str) -> None:
        """Sign out."""
        await self.values.remove(_KIND, _hash(name))

    def csrf_token(self, name: str) -> str:
        """Return what proves that a form came from a page of this session."""
        digest = hmac.digest(self.key, name.encode(), "sha256")
        return urlsafe_b64encode(digest).rstrip(b"=").decode()

    def accepts(self, token: str, name: str) -> bool:
        """Tell whether that is the token of this session."""
        return hmac.compare_digest(token.encode(), self.csrf_token(name).encode())


async def end_sessions(values: KeyValues, subject: str, *, now: int) -> None:
    """Sign somebody out everywhere: an account that is gone permits nothing any more."""
    for key, kept in await values.items(_KIND, now=now):
        if _DECODER.decode(kept).user.subject == subject:
            await values.remove(_KIND, key)


def _hash(name: str) -> str:
    return sha256(name.encode()).hexdigest()
