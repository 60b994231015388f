"""The one way to resources: each statement under the sight of its caller, each row looked up among what is denied.

What an audience is denied is not named in a statement, as it may be very much: the owner classes of the rows that were
found are looked up, some at a time, in the same transaction (docs/decisions/0047-denials-looked-up-on-mongodb.md).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from typing import Any

from fhir_server.fhir.errors import TooCostly, Unavailable
from fhir_server.policy.decision import Audience
from fhir_server.policy.denying import ANY_KIND
from fhir_server.search.telling import TELLING
from fhir_server.storage.mongo.conditions import both
from fhir_server.storage.mongo.documents import HISTORY, RESOURCE, Document
from fhir_server.storage.mongo.schema import Fields
from fhir_server.storage.mongo.sights import Sight
from fhir_server.storage.mongo.statements import AT_ONCE, Statements, together

DENIAL = "denial"

MOST_PASSED = 100_000
"""Rows that may be passed over for one answer, since they are denied."""

MOST_NAMED = 1_000
"""Denied owner classes that a statement names which counts: of more, the owner classes of what matches are looked up."""

FIRST_LOT = 100
"""Rows whose owner classes are looked up together, where nobody knows how many are wanted; then ten times as many."""


JUDGED = {"t": 1, "o": 1, "a": 1}
"""What a row is judged by: its type, its owner class, what it tells of."""


class UnknownAudience(Unavailable):
    """What an audience is denied was not worked out: nothing is shown to it."""


def mark_of(audience: Audience) -> str:
    """Return the id of what stands among the denials where those of an audience are worked out."""
    return str(audience.key)


def denial_of(audience: Audience, owner: int) -> str:
    """Return the id of what an audience is denied of an owner class."""
    return f"{audience.key}.{owner}"


class Door:
    """What one caller sees at the moment of a transaction; raises UnknownAudience, TooCostly, OutOfTime."""

    def __init__(self, statements: Statements, sight: Sight) -> None:
        self.sight = sight
        self._statements = statements
        self._denied: dict[int, frozenset[str]] = {}
        self._told: dict[str, Document | None] = {}
        self._passed = 0

    def current(  # noqa: PLR0913 - the parts of a statement, each by keyword
        self,
        kind: str | None,
        wanted: Document,
        members: Document,
        *,
        order: Fields = (),
        limit: int = 0,
        hint: str | None = None,
    ) -> AsyncGenerator[Document]:
        """Yield current versions of a type (None: of all); `limit` 0: all that are wanted."""
        condition = both(wanted, self.sight.of(kind))
        return self._rows(RESOURCE, condition, members, order=order, limit=limit, hint=hint)

    async def past(
        self,
        kind: str | None,
        wanted: Document,
        members: Document,
        *,
        order: Fields = (),
        limit: int = 0,
    ) -> AsyncGenerator[Document]:
        """Yield past versions; whether the current ones may be seen is not asked."""
        condition = both(wanted, self.sight.of_past(kind))
        bound = 0 if self.sight.visibility.criteria else limit
        number = 0
        rows = self._rows(HISTORY, condition, members, order=order, limit=bound)
        async with aclosing(rows):
            async for each in rows:
                if self.sight.shows(each):
                    yield each
                    number += 1
                    if number == limit:
                        return

    async def count(self, kind: str, wanted: Document, *, hint: str | None = None) -> int:
        """Count the current versions of a type."""
        condition = both(wanted, self.sight.of(kind))
        if self.sight.visibility.audience is None:
            return await self._statements.count(RESOURCE, condition, hint=hint)
        if kind in TELLING:
            rows = self._rows(RESOURCE, condition, {"_id": 1}, order=(), limit=0, hint=hint)
            return sum([1 async for _ in rows])
        few = await self._all_denied()
        if few is not None:
            named = [owner for owner in few if self._is_denied(owner, kind)]
            shown = both(condition, {"o": {"$nin": named}} if named else {})
            return await self._statements.count(RESOURCE, shown, hint=hint)
        return await self._counted_by_owner(kind, condition, hint)

    async def _counted_by_owner(self, kind: str, condition: Document, hint: str | None) -> int:
        number = 0
        groups = self._statements.grouped(RESOURCE, condition, "o", hint=hint)
        async for some in in_lots(groups):
            await self._look_up(each["_id"] for each in some)
            number += sum(each["number"] for each in some if not self._is_denied(each["_id"], kind))
        return number

    async def _rows(  # noqa: PLR0913 - the parts of a statement, each by keyword
        self,
        collection: str,
        condition: Document,
        members: Document,
        *,
        order: Fields,
        limit: int,
        hint: str | None = None,
    ) -> AsyncGenerator[Document]:
        """Yield what satisfies a condition and is not denied: by one statement more than for nobody, or seldom by two."""
        statement: dict[str, Any] = {"order": order, "hint": hint}
        if self.sight.visibility.audience is None:
            async with self._statements.find(
                collection, condition, members, limit=limit, **statement
            ) as cursor:
                async for each in cursor:
                    yield each
            return
        members = {**members, **JUDGED}
        if limit:
            most = limit + limit // 8 + 4
            some = await self._statements.all(
                collection, condition, members, limit=most, **statement
            )
            kept = await self._kept(some)
            if len(kept) >= limit or len(some) < most:
                for each in kept[:limit]:
                    yield each
                return
        async with self._statements.find(collection, condition, members, **statement) as cursor:
            number = 0
            async for some in in_lots(cursor):
                for each in await self._kept(some):
                    yield each
                    number += 1
                    if number == limit:
                        return

    async def _kept(self, rows: Sequence[Document]) -> list[Document]:
        """Return those of these rows that are not denied."""
        await self._look_up(each["o"] for each in rows)
        shown = [each for each in rows if not self._is_denied(each["o"], each["t"])]
        kept = await self._not_telling(shown)
        self._passed += len(rows) - len(kept)
        if self._passed > MOST_PASSED:
            raise TooCostly("Too many resources would be passed over: narrow the search")
        return kept

    async def _not_telling(self, rows: Sequence[Document]) -> list[Document]:
        """Return those of these rows that tell of nothing that is denied; what nobody knows they tell of is."""
        unknown = {each for row in rows for each in row.get("a", ())}
        while unknown := unknown - self._told.keys():
            self._told.update(dict.fromkeys(unknown))
            for some in together(sorted(unknown)):
                wanted = {"_id": {"$in": some}}
                found = await self._statements.all(RESOURCE, wanted, {"_id": 1, **JUDGED})
                self._told.update((each["_id"], each) for each in found)
            there = [each for each in map(self._told.get, unknown) if each is not None]
            await self._look_up(each["o"] for each in there)
            unknown = {each for row in there for each in row.get("a", ())}
        return [each for each in rows if not self._tells(each)]

    def _tells(self, row: Document) -> bool:
        """Tell whether a row tells of something that is denied, or may do so."""
        known: set[str] = set()
        waiting = [row]
        while waiting:
            each = waiting.pop()
            if each["t"] in TELLING and "a" not in each:
                return True
            if each is not row and self._is_denied(each["o"], each["t"]):
                return True
            told = {*each.get("a", ())} - known
            known |= told
            waiting += [one for one in map(self._told.get, told) if one is not None]
        return False

    def _is_denied(self, owner: int, kind: str) -> bool:
        denied = not self._denied[owner].isdisjoint((ANY_KIND, kind))
        return denied and not self.sight.opens(owner, kind)

    async def _look_up(self, owners: Iterable[int]) -> None:
        """Learn what is denied of owner classes that were not asked about before."""
        audience = self.sight.visibility.audience
        assert audience is not None, "nothing is denied to nobody"
        mark = mark_of(audience)
        for some in together(sorted({*owners} - self._denied.keys())):
            ids = [mark, *(denial_of(audience, owner) for owner in some)]
            found = await self._statements.all(DENIAL, {"_id": {"$in": ids}}, limit=len(ids))
            self._learn(found, mark)
            for owner in some:
                self._denied.setdefault(owner, frozenset())

    async def _all_denied(self) -> list[int] | None:
        """Return the owner classes that an audience is denied something of; None: too many to name."""
        audience = self.sight.visibility.audience
        assert audience is not None, "nothing is denied to nobody"
        # One more than may be named, and the mark, tell that there are more.
        most = MOST_NAMED + 2
        found = await self._statements.all(DENIAL, {"a": audience.key}, limit=most)
        if len(found) == most:
            return None
        self._learn(found, mark_of(audience))
        return [each["o"] for each in found if "o" in each]

    def _learn(self, found: Iterable[Document], mark: str) -> None:
        """Take in denials; raise UnknownAudience where the mark is not among them."""
        at = self.sight.visibility.at
        is_marked = False
        for each in found:
            if each["_id"] == mark:
                is_marked = True
                continue
            kinds = (kind for kind, since, until in each["rows"] if since <= at < until)
            self._denied[each["o"]] = frozenset(kinds)
        if not is_marked:
            raise UnknownAudience(
                "What may be shown for this purpose is being worked out; please try again"
            )


async def in_lots(documents: AsyncIterable[Document]) -> AsyncIterator[list[Document]]:
    """Yield documents some at a time: few at first, then as many as a statement names."""
    some: list[Document] = []
    most = FIRST_LOT
    async for each in documents:
        some.append(each)
        if len(some) == most:
            yield some
            some, most = [], AT_ONCE
    if some:
        yield some
