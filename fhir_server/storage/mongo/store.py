"""The MongoDB store: what reads several documents together does so in a transaction, and so of one moment."""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Mapping,
    Sequence,
)
from typing import TypeVar

from pymongo.asynchronous.database import AsyncDatabase

from fhir_server.fhir.errors import TooCostly
from fhir_server.fhir.resource import Key, Stored
from fhir_server.policy.decision import Audience, Decision, Person
from fhir_server.policy.visibility import Visibility
from fhir_server.search.advice import advice
from fhir_server.search.expression import Plan
from fhir_server.search.ordering import completed
from fhir_server.storage.contract import OptOuts, ToldOf, WriteOp, WriteResult
from fhir_server.storage.explanation import Explanation
from fhir_server.storage.mongo import containing, reading
from fhir_server.storage.mongo.auditing import MongoAuditLog
from fhir_server.storage.mongo.documents import Document
from fhir_server.storage.mongo.door import UnknownAudience
from fhir_server.storage.mongo.enforcing import Enforcing
from fhir_server.storage.mongo.explaining import explained
from fhir_server.storage.mongo.failures import OutOfTime, answered
from fhir_server.storage.mongo.failures import reading as problems
from fhir_server.storage.mongo.identifying import identifiers
from fhir_server.storage.mongo.moments import Moments, Transactions
from fhir_server.storage.mongo.orders import is_served
from fhir_server.storage.mongo.reading import Reader
from fhir_server.storage.mongo.registering import replace_register
from fhir_server.storage.mongo.remembering import MongoKeyValues, secret_of
from fhir_server.storage.mongo.schema import REGISTER, STATE, STORE
from fhir_server.storage.mongo.searching import Searcher
from fhir_server.storage.mongo.sights import Sight, sight_of
from fhir_server.storage.mongo.statements import Statements
from fhir_server.storage.mongo.writer import Writer
from fhir_server.storage.pages import (
    Change,
    Count,
    HistoryPage,
    HistoryScope,
    Page,
    Part,
    Position,
    Row,
)
from fhir_server.storage.parameters import Catalogue, Extent, Stamp

CHUNK = 500
"""Documents that a scan or the change feed reads at a time."""

T = TypeVar("T")


class MongoStore:
    """A Store on MongoDB: see `fhir_server.storage.contract.Store`."""

    def __init__(
        self,
        database: AsyncDatabase[Document],
        moments: Moments,
        writer: Writer,
        *,
        seconds: float,
    ) -> None:
        self._database = database
        self._moments = moments
        self._writer = writer
        self._seconds = seconds
        self._key_values = MongoKeyValues(database)
        self._audit_log = MongoAuditLog(database, writer.log)

    @property
    def has_transactions(self) -> bool:
        """See Store.has_transactions."""
        return isinstance(self._moments, Transactions)

    @property
    def key_values(self) -> MongoKeyValues:
        """See Store.key_values."""
        return self._key_values

    @property
    def audit_log(self) -> MongoAuditLog:
        """See Store.audit_log."""
        return self._audit_log

    async def read(self, sight: Visibility, key: Key, version: int | None = None) -> Stored | None:
        """See Store.read."""
        if not sight.permits_type(key.type):
            return None
        if version is None:
            return await self._reading(sight, lambda each: each.current(key))
        return await self._reading(sight, lambda each: each.version(key, version))

    async def read_many(self, sight: Visibility, keys: Sequence[Key]) -> Sequence[Row]:
        """See Store.read_many."""
        return await self._reading(sight, lambda each: each.many(keys))

    async def search(
        self,
        sight: Visibility,
        plan: Plan,
        after: Position | None,
        limit: int,
        *,
        records: bool = True,  # noqa: ARG002 - they come with the rest
    ) -> Page:
        """See Store.search."""
        return await self._searching(
            sight,
            plan,
            lambda each: containing.page(each, plan, after, limit),
            lambda: advice(plan),
        )

    async def count(self, sight: Visibility, plan: Plan) -> Count:
        """See Store.count."""
        return await self._searching(
            sight,
            plan,
            lambda each: containing.count(each, plan),
            lambda: advice(plan, counted=True),
        )

    async def explain(
        self, sight: Visibility, plan: Plan, after: Position | None, limit: int
    ) -> Explanation:
        """See Store.explain."""
        async with answered(self._seconds):
            return await explained(self._statements(), Sight(sight), plan, after, limit)

    async def history(
        self, sight: Visibility, scope: HistoryScope, after: Position | None, limit: int
    ) -> HistoryPage:
        """See Store.history."""
        return await self._reading(sight, lambda each: each.history(scope, after, limit))

    async def write(
        self, ops: Sequence[WriteOp], *, atomic: bool, told: ToldOf | None = None
    ) -> Sequence[WriteResult]:
        """See Store.write."""
        return await self._writer.write(ops, atomic=atomic, told=told)

    async def now(self) -> int:
        """See Store.now."""
        async with answered(self._seconds):
            return await reading.latest_moment(self._statements())

    async def scan(self, sight: Visibility, part: Part, as_of: int) -> AsyncIterator[Stored]:
        """See Store.scan."""
        start: int | None = part.low
        while start is not None:
            rest = Part(part.type, start, part.high)
            rows, start = await self._reading(
                sight,
                lambda each, rest=rest: each.as_of(rest, as_of, CHUNK),  # type: ignore[misc]
            )
            for row in rows:
                yield row

    async def changes(self, after: int) -> AsyncIterator[Change]:
        """See Store.changes."""
        while True:
            async with answered(self._seconds):
                found = await reading.changes(self._statements(), after, CHUNK)
            for change in found:
                yield change
            if len(found) < CHUNK:
                return
            after = found[-1].token

    def identifiers(self, sight: Visibility, kind: str, system: str) -> AsyncGenerator[str, None]:
        """See Store.identifiers."""
        assert sight.is_unlimited, "nobody is told whose they are"
        return identifiers(self._moments, kind, system)

    async def replace_opt_outs(self, numbers: Collection[str], *, as_of: int) -> OptOuts:
        """See Store.replace_opt_outs."""
        mark = self._enforcing.marks.of
        return await replace_register(self._database, self._writer.do, mark, numbers, as_of)

    async def opt_outs(self) -> OptOuts | None:
        """See Store.opt_outs."""
        async with answered(self._seconds):
            found = await self._statements().one(STATE, {"_id": REGISTER})
        return None if found is None else OptOuts(found["as_of"], found["number"])

    async def people(self, numbers: Collection[str]) -> Mapping[str, Person]:
        """See Store.people."""
        with problems():
            return await self._moments.read(
                lambda each: self._enforcing.people(each, numbers), seconds=self._seconds
            )

    async def decision(self, key: Key, audience: Audience, *, at: int) -> Decision | None:
        """See Store.decision."""
        with problems():
            return await self._moments.read(
                lambda each: self._enforcing.decided(each, key, audience, at=at),
                seconds=self._seconds,
            )

    async def stamp(self) -> Stamp:
        """See Store.stamp."""
        async with answered(self._seconds):
            state = await self._statements().one(STATE, {"_id": STORE})
        assert state is not None, "the state is made with the collections"
        return Stamp(state["revision"], state["generation"], state["latest_parameter"])

    async def catalogue(self) -> Catalogue:
        """See Store.catalogue."""
        with problems():
            return await self._moments.read(reading.catalogue, seconds=self._seconds)

    async def extent(self, resource_type: str) -> Extent:
        """See Store.extent."""
        async with answered(self._seconds):
            return await reading.extent_of(self._statements(), resource_type)

    async def walk(
        self, sight: Visibility, resource_type: str, *, after: str, highest: int, limit: int
    ) -> Sequence[Stored]:
        """See Store.walk."""
        return await self._reading(
            sight, lambda each: each.following(resource_type, after, highest, limit)
        )

    async def secret(self, name: str) -> bytes:
        """See Store.secret."""
        async with answered(self._seconds):
            return await secret_of(self._database, name)

    @property
    def _enforcing(self) -> Enforcing:
        assert self._writer.enforcing is not None, "a store without enforcement decides nothing"
        return self._writer.enforcing

    def _statements(self) -> Statements:
        return self._moments.statements(seconds=self._seconds)

    async def _reading(self, sight: Visibility, work: Callable[[Reader], Awaitable[T]]) -> T:
        """Read by a few statements: of one moment where an audience's denials are among them."""
        try:
            with problems():
                if sight.audience is None and sight.criteria is None:
                    async with answered(self._seconds):
                        return await work(Reader(self._statements(), Sight(sight)))
                return await self._of_one_moment(
                    sight, lambda statements, seen: work(Reader(statements, seen))
                )
        except OutOfTime:
            raise TooCostly(
                f"It took longer than {self._seconds:g} seconds: "
                "ask for the history of a type or of one resource, or for a later _since"
            ) from None

    async def _searching(
        self,
        sight: Visibility,
        plan: Plan,
        work: Callable[[Searcher], Awaitable[T]],
        told: Callable[[], str],
    ) -> T:
        try:
            with problems():
                if sight.audience is None and sight.criteria is None and _is_simple(plan):
                    async with answered(self._seconds):
                        return await work(Searcher(self._statements(), Sight(sight)))
                return await self._of_one_moment(
                    sight, lambda statements, seen: work(Searcher(statements, seen))
                )
        except OutOfTime:
            raise TooCostly(
                f"The search took longer than {self._seconds:g} seconds: {told()}"
            ) from None

    async def _of_one_moment(
        self, sight: Visibility, work: Callable[[Statements, Sight], Awaitable[T]]
    ) -> T:
        """Read within a transaction; an audience that is new here is first made known."""
        try:
            return await self._within_a_transaction(sight, work)
        except UnknownAudience:
            audience = sight.audience
            if audience is None or self._writer.enforcing is None:
                raise
        await self._writer.do(lambda denials: denials.admit(audience))
        return await self._within_a_transaction(sight, work)

    async def _within_a_transaction(
        self, sight: Visibility, work: Callable[[Statements, Sight], Awaitable[T]]
    ) -> T:
        async def seen(statements: Statements) -> T:
            opened = sight
            if sight.emergency and self._writer.enforcing is not None:
                opened = await self._writer.enforcing.opened(statements, sight)
            return await work(statements, await sight_of(statements, opened))

        return await self._moments.read(seen, seconds=self._seconds)


def _is_simple(plan: Plan) -> bool:
    """Tell whether one statement answers a plan: what it shows is of one moment then."""
    one = plan.types is not None and len(plan.types) == 1
    alone = not plan.is_of_several and plan.contained is None
    return one and alone and is_served(completed(plan.sort))
