"""The hub's tokens at members: SMART Backend Services, each token for one caller and one purpose.

https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html
The caller's own token is never passed on. What a member gives is kept in memory alone, until shortly before it expires.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlencode

import msgspec

from fhir_server.auth.behalf import Behalf, extensions_of
from fhir_server.auth.server.authentication import ASSERTION_TYPE
from fhir_server.auth.server.signing import SigningKeys
from fhir_server.federation.members import Credentials
from fhir_server.federation.transport import Failed, Reply, Transport

ASSERTED_FOR = 240
"""Seconds that an assertion is good: a member takes five minutes, and its clock may be behind."""
MARGIN = 30
"""Seconds before its end at which a token is not used any more."""
LONGEST_LIFE = 3600
MOST_TOKENS = 10_000

_SECOND = 1_000_000
_FORM = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{1,8192}=*")
_CODES = frozenset(
    {"invalid_client", "invalid_grant", "invalid_request", "invalid_scope", "unauthorized_client"}
)
"""The refusals of RFC 6749, section 5.2, that are passed on: other words are the member's own, for its administrator."""


@dataclass(frozen=True, slots=True)
class Ask:
    """For which token: of what member, as which client, in whose name (None: the hub's own), for which scopes."""

    member: str
    credentials: Credentials
    behalf: Behalf | None
    scopes: tuple[str, ...]


class _Granted(msgspec.Struct, frozen=True):
    access_token: str
    token_type: str
    expires_in: float


class _Refusal(msgspec.Struct, frozen=True):
    error: str


_granted = msgspec.json.Decoder(_Granted).decode
_refusal = msgspec.json.Decoder(_Refusal).decode


@dataclass(slots=True)
class Tokens:
    """Gets tokens, and keeps `most` of them. `clock` gives microseconds, `new_id` what nobody can guess."""

    keys: SigningKeys
    transport: Transport
    clock: Callable[[], int]
    new_id: Callable[[], str]
    most: int = MOST_TOKENS
    _known: dict[Ask, tuple[str, int]] = field(default_factory=dict)
    _turns: dict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    async def token(self, ask: Ask) -> str:
        """Return a token that is good for a while; raise Failed."""
        known = self._good(ask)
        if known is None:
            async with self._turns[ask.member]:
                # Somebody else may have got it meanwhile.
                known = self._good(ask) or await self._get(ask)
        return known

    def forget(self, ask: Ask, token: str) -> None:
        """Use a token no more, unless another has taken its place."""
        if self._known.get(ask, ("", 0))[0] == token:
            del self._known[ask]

    def _good(self, ask: Ask) -> str | None:
        token, until = self._known.get(ask, ("", 0))
        return token if self.clock() < until else None

    async def _get(self, ask: Ask) -> str:
        now = self.clock()
        granted = _checked(await self._asked(ask))
        lasts = min(granted.expires_in, LONGEST_LIFE) - MARGIN
        self._known.pop(ask, None)
        if len(self._known) >= self.most:
            # The one that was got first.
            del self._known[next(iter(self._known))]
        self._known[ask] = granted.access_token, now + int(lasts * _SECOND)
        return granted.access_token

    async def _asked(self, ask: Ask) -> Reply:
        form = urlencode(await self._form(ask)).encode()
        return await self.transport.send("POST", ask.credentials.token_url, _FORM, form)

    async def _form(self, ask: Ask) -> Mapping[str, str]:
        return {
            "grant_type": "client_credentials",
            "scope": " ".join(ask.scopes),
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": await self._assertion(ask),
        }

    async def _assertion(self, ask: Ask) -> str:
        now = self.clock()
        said = {
            "iss": ask.credentials.client_id,
            "sub": ask.credentials.client_id,
            "aud": ask.credentials.token_url,
            "iat": now // _SECOND,
            "exp": now // _SECOND + ASSERTED_FOR,
            "jti": self.new_id(),
        }
        if ask.behalf is not None:
            said["extensions"] = extensions_of(ask.behalf)
        return await self.keys.sign("assertion", said, kind="JWT", now=now)


@dataclass(frozen=True, slots=True)
class Bearing:
    """The way to a member with a token of its own; a token that it does not take any more is got anew, once."""

    transport: Transport
    tokens: Tokens
    ask: Ask

    async def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        """See Transport.get."""
        return await self._tried(lambda token: self.transport.get(url, _with(token, headers)))

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes = b""
    ) -> Reply:
        """See Transport.send."""
        return await self._tried(
            lambda token: self.transport.send(method, url, _with(token, headers), content)
        )

    async def _tried(self, asking: Callable[[str], Awaitable[Reply]]) -> Reply:
        token = await self.tokens.token(self.ask)
        reply = await asking(token)
        if reply.status != HTTPStatus.UNAUTHORIZED:
            return reply
        self.tokens.forget(self.ask, token)
        return await asking(await self.tokens.token(self.ask))


@dataclass(frozen=True, slots=True)
class Refusing:
    """The way to a member that may not be asked for this caller."""

    problem: str

    async def get(self, url: str, headers: Mapping[str, str]) -> Reply:  # noqa: ARG002 - nothing is sent
        """See Transport.get."""
        raise Failed("unauthorised", self.problem, sent=False)

    async def send(
        self,
        method: str,  # noqa: ARG002
        url: str,  # noqa: ARG002
        headers: Mapping[str, str],  # noqa: ARG002
        content: bytes = b"",  # noqa: ARG002
    ) -> Reply:
        """See Transport.send."""
        raise Failed("unauthorised", self.problem, sent=False)


def _with(token: str, headers: Mapping[str, str]) -> Mapping[str, str]:
    return {**headers, "authorization": f"Bearer {token}"}


def _checked(reply: Reply) -> _Granted:
    """Return what a token endpoint gave; raise Failed."""
    if reply.status == HTTPStatus.OK:
        try:
            granted = _granted(reply.content)
        except msgspec.MsgspecError as error:
            raise Failed("error", "its token endpoint gave no token") from error
        if granted.token_type.lower() != "bearer" or not _TOKEN.fullmatch(granted.access_token):
            raise Failed("error", "its token endpoint gave no Bearer token")
        return granted
    if HTTPStatus.BAD_REQUEST <= reply.status < HTTPStatus.TOO_MANY_REQUESTS:
        raise Failed("unauthorised", f"its token endpoint answered {_code(reply)}")
    raise Failed("error", f"its token endpoint answered {reply.status}")


def _code(reply: Reply) -> str:
    try:
        code = _refusal(reply.content).error
    except msgspec.MsgspecError:
        code = ""
    return code if code in _CODES else str(reply.status)
