"""The scrub: index equals re-extraction, one current version, gapless history. Writes nothing.

A few hundred resources are read of one moment; nodes may go on meanwhile.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from dataclasses import dataclass

from pymongo.asynchronous.database import AsyncDatabase

from fhir_server.fhir.errors import Unavailable
from fhir_server.policy.decision import Enforcement
from fhir_server.policy.labels import labels_of
from fhir_server.search.record import IndexRecord, unpacked
from fhir_server.storage.mongo.denials import Denials
from fhir_server.storage.mongo.documents import HISTORY, RESOURCE, Document, indexed
from fhir_server.storage.mongo.enforcing import Enforcing
from fhir_server.storage.mongo.failures import OutOfTime
from fhir_server.storage.mongo.intents import is_unfinished
from fhir_server.storage.mongo.moments import WRITING_SECONDS, Moments
from fhir_server.storage.mongo.schema import STATE, STORE, index_problems, store_state
from fhir_server.storage.mongo.statements import Statements
from fhir_server.storage.mongo.verifying import links
from fhir_server.storage.mongo.workspace import Workspace
from fhir_server.storage.upkeep import Broken, Extract, Finding, Progress

TOGETHER = 200

MEMBERS = {
    "d": "primary date",
    "c": "compartments",
    "k": "postings",
    "u": "terms",
    "r": "ranges",
    "p": "elements",
}
"""What a document is found by, as people call it."""


async def scrub(
    database: AsyncDatabase[Document],
    moments: Moments,
    extract: Extract,
    *,
    unsettled: Collection[str],
    enforcement: Enforcement,
) -> AsyncIterator[Progress | Finding]:
    """See Upkeep.scrub."""
    state = await store_state(database, single_writes=not moments.sees_own_changes)
    if await is_unfinished(database, state):
        yield Finding(
            f"write {state['tick']}",
            "it was begun and is not finished: the next node that starts or writes does so",
        )
        return
    async for problem in index_problems(database):
        yield Finding("database", problem)
    work = _Scrub(database, moments, extract, unsettled, state["revision"])
    total = await database[RESOURCE].count_documents({})
    done, last, past = 0, 0, 0
    while rows := await work.some(last):
        for row in rows:
            for problem in row.problems:
                yield Finding(row.subject, problem)
        done, last = done + len(rows), rows[-1].rid
        past += sum(row.version - 1 for row in rows)
        yield Progress(done, total)
    for each in await _of_all(moments, past, state, Enforcing(enforcement, key=b"")):
        yield each
    async for step in links(database):
        if isinstance(step, Broken):
            yield Finding("audit log", step.problem)


@dataclass(frozen=True, slots=True)
class _Checked:
    rid: int
    subject: str
    version: int
    problems: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Around:
    """What else is known of the same moment: owner classes by number, past versions by surrogate id, axes."""

    owners: dict[int, Document]
    past: dict[int, Document]
    axes: Collection[str]


@dataclass(frozen=True, slots=True)
class _Scrub:
    database: AsyncDatabase[Document]
    moments: Moments
    extract: Extract
    unsettled: Collection[str]
    revision: int

    async def some(self, last: int) -> Sequence[_Checked]:
        """Check the resources that follow, of one moment; raise Unavailable where the parameters have changed."""

        async def read(statements: Statements) -> tuple[list[Document], _Around]:
            state = await statements.one(STATE, {"_id": STORE})
            if state is None or state["revision"] != self.revision:
                raise Unavailable(
                    "The search parameters have changed meanwhile; please run it again"
                )
            rows = await statements.all(
                RESOURCE, {"n": {"$gt": last}}, order=(("n", 1),), limit=TOGETHER
            )
            return rows, await _around(statements, rows)

        rows, around = await self.moments.read(read, seconds=WRITING_SECONDS)
        return [self._checked(each, around) for each in rows]

    def _checked(self, row: Document, around: _Around) -> _Checked:
        problems = [*_versions(row, around.past.get(row["n"]))]
        if not row["x"]:
            problems += self._index(row, around)
        return _Checked(row["n"], f"{row['t']}/{row['i']}", row["v"], problems)

    def _index(self, row: Document, around: _Around) -> Iterator[str]:
        """Yield the differences between what is indexed and what the body says."""
        kept = unpacked(row["z"])
        if row["t"] not in self.unsettled and self.extract(row["b"]) != kept:
            yield "the index record is not that of the body: run fhir-server reindex"
        expected = indexed(row["t"], kept)
        if row.get("a") != expected.get("a"):
            yield "what it tells of is not that of the index record: run fhir-server reindex"
        for member, name in MEMBERS.items():
            if row.get(member) != expected[member]:
                yield f"{name} other than in the index record"
        if _patients(around.owners.get(row["o"])) != _told(kept):
            yield "the owner class is not that of the index record"
        for axis in {each["a"] for each in expected["r"] if "\x1f" in each["a"]} - {*around.axes}:
            yield f"the axis {axis!r} is not listed"


async def _around(statements: Statements, rows: Sequence[Document]) -> _Around:
    owners = await statements.all("owner", {"n": {"$in": sorted({e["o"] for e in rows})}})
    rids = [each["n"] for each in rows if each["v"] > 1]
    past: dict[int, Document] = {}
    cursor = statements.find(HISTORY, {"n": {"$in": rids}}, {"n": 1, "v": 1})
    async for each in cursor:
        seen = past.setdefault(each["n"], {"count": 0, "first": each["v"], "last": each["v"]})
        seen["count"] += 1
        seen["first"], seen["last"] = min(seen["first"], each["v"]), max(seen["last"], each["v"])
    axes = await statements.distinct("axis", "_id", {})
    return _Around({each["n"]: each for each in owners}, past, frozenset(axes))


def _versions(row: Document, past: Document | None) -> Iterator[str]:
    version = row["v"]
    expected = {"count": version - 1, "first": 1, "last": version - 1} if version > 1 else None
    if past != expected:
        found = "{count} ({first} to {last})".format_map(past) if past else "none"
        yield f"the current version is {version}, the history holds {found}"


def _patients(owner: Document | None) -> tuple[list[str], ...] | None:
    return None if owner is None else (owner["members"], owner["mentions"], owner["labels"])


def _told(record: IndexRecord) -> tuple[list[str], ...]:
    return list(record.compartments), list(record.people), list(labels_of(record))


async def _of_all(
    moments: Moments, past: int, before: Document, enforcing: Enforcing
) -> list[Finding]:
    """Return what is wrong with the counts, and with the denials."""

    async def read(statements: Statements) -> list[Finding]:
        counted = await _counts(statements, past, before)
        denials = Denials(Workspace(statements), enforcing)
        return counted + [Finding("collection denial", each) for each in await denials.wrong()]

    try:
        return await moments.read(read, seconds=WRITING_SECONDS)
    except OutOfTime:
        raise Unavailable(
            f"What is denied cannot be checked within {WRITING_SECONDS:g} seconds"
        ) from None


async def _counts(statements: Statements, past: int, before: Document) -> list[Finding]:
    """Return what is wrong with the numbers that were given, and with that of past versions."""
    found: list[Finding] = []
    state = await statements.one(STATE, {"_id": STORE}) or before
    for member, name, collection in (
        ("moment", "m", RESOURCE),
        ("rid", "n", RESOURCE),
        ("owner", "n", "owner"),
    ):
        latest = await statements.all(collection, {}, {name: 1}, order=((name, -1),), limit=1)
        if latest and latest[0][name] > state[member]:
            problem = f"{member} is {state[member]}, and {latest[0][name]} was given"
            found.append(Finding("collection state", problem))
    number = await statements.count(HISTORY, {})
    # Where somebody wrote meanwhile, what was counted before is no longer so.
    if number != past and state.get("tick") == before.get("tick"):
        problem = f"{number} past versions where the current ones have {past}"
        found.append(Finding("collection history", problem))
    return found
