"""The hub: the members as they stand in the register, a line to each, and the cursors that it gives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import urlsplit

import msgspec

from fhir_server.federation.answers import is_below
from fhir_server.federation.cursors import FederatedCursor, packed_cursor, unpacked_cursor
from fhir_server.federation.health import Health, Look
from fhir_server.federation.lines import Line
from fhir_server.federation.locating import Locator
from fhir_server.federation.members import Capabilities, Member
from fhir_server.federation.registry import Registered, Registry
from fhir_server.federation.search import Federated, Party
from fhir_server.federation.transport import Failed, Transport
from fhir_server.federation.watching import NoWatch, Watch, Watched
from fhir_server.fhir.errors import BadRequest
from fhir_server.search.indexing import Extractor
from fhir_server.storage.keyvalues import KeyValues

_CURSOR = "federated-cursor"
_DIGEST = sha256().digest_size
DISCOVERY_SECONDS = 10.0

HEADERS: Mapping[str, str] = {"accept": "application/fhir+json", "prefer": "handling=strict"}
"""Go with each request to a member: what it cannot do, it is to say."""


@dataclass(slots=True)
class Hub:
    """`clock` gives microseconds, `new_handle` names that nobody can guess; `lifetime` of cursors in microseconds.

    `locator` says whom members know, None where none is asked.
    """

    registry: Registry
    kept: KeyValues
    transport: Transport
    clock: Callable[[], int]
    new_handle: Callable[[], str]
    lifetime: int
    health: Health
    watch: Watch = field(default_factory=NoWatch)
    locator: Locator | None = None
    _lines: dict[Member, Line] = field(default_factory=dict)
    _known: dict[Registered, Capabilities] = field(default_factory=dict)
    _extractors: dict[str, Extractor] = field(default_factory=dict)

    async def parties(self, like: Extractor, *, now: int) -> Sequence[Party]:
        """Return the members as they stand; their resources are read as the node's own are."""
        known = await self.known_members(now=now)
        return [
            Party(
                self._lines[each.member],
                capabilities,
                self._extractor(each.member.base, like),
                persons=None if self.locator is None else self.locator.index_of(each),
            )
            for each, capabilities in known.items()
        ]

    async def known_members(self, *, now: int) -> Mapping[Registered, Capabilities]:
        """Return the members as they stand, and what they declared, in the order of their ids."""
        registered = await self.registry.registered(now=now)
        self._lines = {
            e.member: self._lines.get(e.member) or self._line(e.member) for e in registered
        }
        self._known = {each: await self._capabilities(each, now=now) for each in registered}
        return self._known

    async def _capabilities(self, registered: Registered, *, now: int) -> Capabilities:
        """Return what a member declares, which is read again when it was asked anew."""
        found = self._known.get(registered)
        return found or await self.registry.capabilities(registered, now=now)

    def line(self, member: str) -> Line | None:
        """Return the line to a member, as it was when the members were last looked up."""
        return next((line for each, line in self._lines.items() if each.id == member), None)

    @property
    def open_members(self) -> Sequence[str]:
        """The members that this process leaves alone, since they failed again and again."""
        now = self.clock()
        return [each.id for each, line in self._lines.items() if line.breaker.is_open(now=now)]

    def saw(self, found: Federated, cursor: FederatedCursor | None) -> None:
        """Remember how the members fared in a page, the one after the cursor."""
        page = 1 if cursor is None else cursor.page + 1
        self.health.saw_page(found.accounts, page, now=self.clock())

    async def check(self, registered: Registered) -> Capabilities:
        """Ask a member anew what it can do, and keep that; raise Failed, or ValueError for what is no R4 server."""
        member, began = registered.member, self.clock()
        look = Look(0, "check", "ok", 0)
        try:
            statement = await declared(member, self.way_to(member), self.clock)
            return await self.registry.learn(registered, statement, now=self.clock())
        except Failed as failure:
            look = msgspec.structs.replace(look, state=failure.state, problem=str(failure))
            raise
        except ValueError as problem:
            look = msgspec.structs.replace(look, state="error", problem=str(problem))
            raise
        finally:
            now = self.clock()
            took = (now - began) // 1000
            self.health.saw(member.id, msgspec.structs.replace(look, moment=now, milliseconds=took))

    def known(self, member: str) -> Capabilities:
        """Return what a member declared, as it was when the members were last looked up."""
        found = (known for each, known in self._known.items() if each.member.id == member)
        return next(found, Capabilities({}))

    async def keep(self, cursor: FederatedCursor, scope: bytes, *, now: int) -> str:
        """Return the handle of a cursor that is good for this scope alone."""
        return await self.keep_place(packed_cursor(cursor), scope, now=now)

    async def cursor(self, handle: str, scope: bytes, *, now: int) -> FederatedCursor:
        """Return what was kept; raise BadRequest for a handle that was not given for this, or is old."""
        return unpacked_cursor(await self.place(handle, scope, now=now))

    async def keep_place(self, place: bytes, scope: bytes, *, now: int) -> str:
        """Return the handle of a place where pages go on, that is good for this scope alone."""
        handle, content = self.new_handle(), sha256(scope).digest() + place
        expires = now + self.lifetime
        # What a power failure loses of it, is asked for anew from the first page: a page does not wait for a disk.
        await self.kept.put(
            _CURSOR, _name(handle), content, now=now, expires=expires, durable=False
        )
        return handle

    async def place(self, handle: str, scope: bytes, *, now: int) -> bytes:
        """Return what was kept; raise BadRequest for a handle that was not given for this, or is old."""
        content = await self.kept.get(_CURSOR, _name(handle), now=now)
        if content is None or content[:_DIGEST] != sha256(scope).digest():
            raise BadRequest(
                "The _cursor is none that this server gave for this query, or has expired; follow the links of a "
                "Bundle as they are, or start again from the first page."
            )
        return content[_DIGEST:]

    def _line(self, member: Member) -> Line:
        return Line(member, self.way_to(member), self.clock)

    def way_to(self, member: Member) -> Transport:
        """Return the way to a member without a token, looked on at."""
        return Watched(self.transport, member.id, self.watch, self.clock)

    def _extractor(self, base: str, like: Extractor) -> Extractor:
        known = self._extractors.get(base)
        if known is None or known.definitions is not like.definitions:
            known = Extractor(like.definitions, zone=like.zone.key, base_url=base)
            self._extractors[base] = known
        return known


async def declared(
    member: Member, transport: Transport, clock: Callable[[], int]
) -> Mapping[str, object]:
    """Return the CapabilityStatement of a member; raise Failed."""
    return await _published(member, "metadata", transport, clock)


async def token_endpoint(member: Member, transport: Transport, clock: Callable[[], int]) -> str:
    """Return where a member says that it gives tokens, which has to be at its own origin; raise Failed.

    https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#using-well-known
    """
    told = await _published(member, ".well-known/smart-configuration", transport, clock)
    url = told.get("token_endpoint")
    if not isinstance(url, str):
        raise Failed("error", "it does not say where it gives tokens: name that by token-url")
    if not is_below(url, "{0.scheme}://{0.netloc}".format(urlsplit(member.base))):
        raise Failed(
            "error",
            f"it gives tokens at another address, {url}: name that by token-url if it is right",
        )
    return url


async def _published(
    member: Member, name: str, transport: Transport, clock: Callable[[], int]
) -> Mapping[str, object]:
    line = Line(msgspec.structs.replace(member, seconds=DISCOVERY_SECONDS), transport, clock)
    until = asyncio.get_running_loop().time() + DISCOVERY_SECONDS
    headers = {"accept": "application/fhir+json, application/json"}
    content = await line.get(f"{member.base}/{name}", headers, until=until)
    try:
        return msgspec.json.decode(content, type=dict[str, object])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Failed("error", f"its {name} is not JSON") from error


def _name(handle: str) -> str:
    """Return the key of a handle: whoever reads the store cannot use it."""
    return sha256(handle.encode()).hexdigest()
