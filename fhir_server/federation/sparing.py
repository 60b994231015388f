"""Members that are not asked, since they have nobody whom a search names; and nobody can tell that they were not.

Hidden and absent are to look the same: who may not see somebody must not learn who has them, by a status, a total or the
time that a page takes. So a member is left unasked only where it was asked the same lately, of nobody: in the place of
each number one that it does not know. What it answered then is what it would answer now, and takes as long.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from random import Random
from secrets import SystemRandom

from fhir_server.federation.accounts import Account
from fhir_server.federation.answers import BadAnswer, member_page
from fhir_server.federation.lines import Line
from fhir_server.federation.members import Member
from fhir_server.federation.persons import PersonIndex
from fhir_server.federation.search import Party, Question
from fhir_server.federation.subjects import Naming, namings
from fhir_server.federation.tokens import Ask, Bearing, Refusing
from fhir_server.federation.transport import Reply
from fhir_server.federation.watching import NoWatch, Watch

SECOND = 1_000_000
FRESH = 60 * SECOND
"""Microseconds since a question was asked of nobody, in which it need not be asked again."""

LAPSED = 900 * SECOND
"""Microseconds after which it is not known any more how long it takes."""

ENOUGH = 8
"""Answers of which the time is known, before one is not asked for."""

REMEMBERED = 32
MOST_SHAPES = 2_000
LARGEST = 16 * 1024
"""Bytes of an answer about nobody that is remembered."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A question but for whom it names: to whom, in whose name but for the person, at which address."""

    member: Member
    ask: Ask | None
    url: str


@dataclass(slots=True)
class Known:
    """What was answered about nobody: the last reply, when that was, and how long the last ones took (us).

    `doubted`: somebody was not answered well since.
    """

    reply: Reply
    moment: int
    doubted: bool = False
    taken: deque[int] = field(default_factory=lambda: deque(maxlen=REMEMBERED))


@dataclass(slots=True)
class Shapes:
    """The questions that were asked of nobody lately, the latest last; `clock` gives microseconds."""

    clock: Callable[[], int]
    watch: Watch = field(default_factory=NoWatch)
    random: Random = field(default_factory=SystemRandom)
    enough: int = ENOUGH
    _known: dict[Shape, Known] = field(default_factory=dict)

    def known(self, shape: Shape) -> Known | None:
        """Return what a question is answered with, None where it has to be asked."""
        found = self._known.get(shape)
        if found is None or found.doubted or len(found.taken) < self.enough:
            return None
        return found if 0 <= self.clock() - found.moment < FRESH else None

    def learn(self, shape: Shape, reply: Reply, took: int) -> None:
        """Remember an answer about nobody, and the microseconds that it took."""
        now, known = self.clock(), self._known.pop(shape, None)
        if known is None or now - known.moment > LAPSED:
            known = Known(reply, now)
        known.reply, known.moment, known.doubted = reply, now, False
        known.taken.append(took)
        if len(self._known) >= MOST_SHAPES:
            del self._known[next(iter(self._known))]
        self._known[shape] = known

    def doubt(self, shape: Shape) -> None:
        """Have it asked again before it counts; how long it takes is still known."""
        if shape in self._known:
            self._known[shape].doubted = True

    def seconds(self, known: Known) -> float:
        """Return how long an answer might take: something between two that came."""
        first, second = (self.random.choice(known.taken) for _ in range(2))
        return self.random.uniform(first, second) / SECOND

    def nobody(self, index: PersonIndex) -> str:
        """Return a number that a member does not know; those that begin with 999 are never issued."""
        while index.holds(number := f"999{self.random.randrange(10**7):07}"):
            pass
        return number


@dataclass(frozen=True, slots=True)
class Sparing:
    """The way of one search to one member, which `holds` somebody of each that it names, or is asked about nobody."""

    line: Line
    index: PersonIndex
    numbers: frozenset[str]
    holds: bool
    resource_type: str
    shapes: Shapes

    async def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        """Return what is at a URL, or would be; raise Failed."""
        shape = Shape(self.line.member, self._ask, self._with(url, dict.fromkeys(self.numbers, "")))
        if self.holds:
            return await self._watched(shape, url, headers)
        await self._admitted()
        known = self.shapes.known(shape)
        if known is not None and not self.line.breaker.failures:
            await asyncio.sleep(self.shapes.seconds(known))
            if not self.line.breaker.failures:
                self.shapes.watch.spared(self.line.member.id)
                return known.reply
        return await self._of_nobody(shape, url, headers)

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes = b""
    ) -> Reply:
        """See Transport.send."""
        return await self.line.transport.send(method, url, headers, content)

    async def _of_nobody(self, shape: Shape, url: str, headers: Mapping[str, str]) -> Reply:
        """Ask about nobody, and take the answer for that about who is not there; where it is more, ask what was asked."""
        names = {each: self.shapes.nobody(self.index) for each in sorted(self.numbers)}
        asked, began = self._with(url, names), self.shapes.clock()
        reply = await self._watched(shape, asked, headers)
        took = self.shapes.clock() - began
        if reply.status != HTTPStatus.OK:
            return reply
        try:
            page = member_page(
                reply.content,
                asked=asked,
                base=self.line.member.base,
                resource_type=self.resource_type,
            )
        except BadAnswer:
            return reply
        if page.matches or page.included or page.next or page.total:
            return await self._watched(shape, url, headers)
        if not page.warned and len(reply.content) <= LARGEST:
            self.shapes.learn(shape, reply, took)
        return reply

    async def _watched(self, shape: Shape, url: str, headers: Mapping[str, str]) -> Reply:
        """Ask; what is not answered well is doubted, so that it is told of those who would not be asked as well."""
        well = False
        try:
            reply = await self.line.transport.get(url, headers)
            well = reply.status == HTTPStatus.OK
        finally:
            if not well:
                self.shapes.doubt(shape)
        return reply

    async def _admitted(self) -> None:
        """Get the token that would be needed; raise Failed as whoever is asked does."""
        if isinstance(self.line.transport, Bearing):
            await self.line.transport.tokens.token(self.line.transport.ask)

    @property
    def _ask(self) -> Ask | None:
        if not isinstance(self.line.transport, Bearing):
            return None
        ask = self.line.transport.ask
        behalf = None if ask.behalf is None else replace(ask.behalf, subject="")
        return replace(ask, behalf=behalf)

    def _with(self, url: str, names: Mapping[str, str]) -> str:
        """Return a URL with other names in its query."""
        address, mark, query = url.partition("?")
        for number, name in names.items():
            query = query.replace(number, name)
        return address + mark + query


def spared(question: Question, parties: Sequence[Party], shapes: Shapes) -> Sequence[Party]:
    """Return the members, those that told whom they know on a way by which they are asked about nobody else.

    For the first page: how one goes on only those know who were asked for it.
    """
    names = namings(question.query, question.resource_type, question.definitions)
    return [_spared(question, each, names, shapes) for each in parties] if names else parties


def tell_as_of(accounts: Iterable[Account], parties: Iterable[Party]) -> None:
    """Have each account of a member that may have been spared say as of when it is known whom it knows."""
    known = as_of(parties)
    for each in accounts:
        each.persons_as_of = known.get(each.member, each.persons_as_of)


def as_of(parties: Iterable[Party]) -> Mapping[str, int]:
    """Return the moment (us) of what is gone by, by member: of itself, or of those by whom its part was found out."""
    found: dict[str, int] = {}
    for each in parties:
        way = each.line.transport
        if isinstance(way, Sparing):
            found[each.line.member.id] = way.index.as_of
        elif each.joined is not None and each.joined.persons_as_of is not None:
            found[each.line.member.id] = each.joined.persons_as_of
    return found


def _spared(question: Question, party: Party, names: Sequence[Naming], shapes: Shapes) -> Party:
    index, line, kind = party.persons, party.line, question.resource_type
    declared = [each for each in names if party.capabilities.knows(kind, each.code)]
    if index is None or not declared:
        return party
    if party.joined is not None or isinstance(line.transport, Refusing):
        return party
    holds = all(any(map(index.holds, each.numbers)) for each in declared)
    numbers = frozenset[str]().union(*(each.numbers for each in declared))
    return replace(party, line=line.through(Sparing(line, index, numbers, holds, kind, shapes)))
