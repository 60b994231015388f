"""What the criteria of scopes leave out is as if it were absent: each store, each way to read."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from fhir_server.fhir.json import members
from fhir_server.fhir.resource import Key, Resource
from fhir_server.policy.criteria import Criteria
from fhir_server.policy.visibility import Visibility
from fhir_server.search.expression import HasRange, HasTerm, Limit, Not, Plan, PointsTo, Predicate
from fhir_server.search.record import NO_DATE, SEPARATOR, IndexRecord, Range, reference_term
from fhir_server.search.sortable import sortable
from fhir_server.storage.contract import (
    Delete,
    Draft,
    Expect,
    Expectation,
    Put,
    Refused,
    Store,
    Unchanged,
)
from fhir_server.storage.pages import HistoryScope, Part
from tests.storage.test_contract import EVERYTHING, LARGE

OPEN = HasTerm(f"status=open{SEPARATOR}")
WHOLE = Part(None, 0, LARGE)


def extract(resource: Resource) -> IndexRecord:
    """Return a record that says what the body says."""
    terms = tuple(sorted(each.replace("|", SEPARATOR) for each in resource["terms"]))
    ranges = tuple(Range("amount\x1fmg", each, each) for each in resource.get("mg", ()))
    return IndexRecord(resource["id"], terms, ranges, (), NO_DATE, (), ())


def put(kind: str, name: str, *terms: str, mg: tuple[str, ...] = ()) -> Put:
    resource = {"resourceType": kind, "id": name, "terms": list(terms), "mg": list(mg)}
    rest = members({"terms": list(terms), "mg": list(mg)})
    return Put(Draft(Key(kind, name), b"", rest, extract(resource)))


def bound(predicate: Predicate) -> Visibility:
    return replace(EVERYTHING, criteria=Criteria((("Observation", predicate),), extract))


async def fill(store: Store) -> None:
    of_a = reference_term("part", "Observation/a")
    of_b = reference_term("part", "Observation/b")
    await store.write(
        [
            put("Observation", "a", "status=open|", mg=(sortable(Decimal(5)),)),
            put("Observation", "b", "status=shut|", mg=(sortable(Decimal(6)),)),
            put("Observation", "c", "status=shut|"),
            put("Flag", "of-a", of_a),
            put("Flag", "of-b", of_b),
        ],
        atomic=True,
    )


async def found(store: Store, sight: Visibility, plan: Plan) -> list[str]:
    page = await store.search(sight, plan, None, 10)
    assert (await store.count(sight, plan)).number == len(page.rows)
    return sorted(str(row.stored.key) for row in page.rows)


async def test_each_way_to_read_obeys(store: Store) -> None:
    await fill(store)
    sight = bound(OPEN)
    keys = [Key("Observation", each) for each in "abc"]

    assert await found(store, sight, Plan(frozenset({"Observation"}))) == ["Observation/a"]
    assert await found(store, sight, Plan(None)) == ["Flag/of-a", "Flag/of-b", "Observation/a"]
    assert [bool(await store.read(sight, each)) for each in keys] == [True, False, False]
    assert [bool(await store.read(sight, each, 1)) for each in keys] == [True, False, False]
    assert len(await store.read_many(sight, keys)) == 1
    history = await store.history(sight, HistoryScope("Observation"), None, 10)
    assert [each.key.id for each in history.versions] == ["a"]
    scanned = [each.key.id async for each in store.scan(sight, WHOLE, await store.now())]
    assert scanned == ["a", "of-a", "of-b"]
    walked = await store.walk(sight, "Observation", after="", highest=LARGE, limit=9)
    assert [each.key.id for each in walked] == ["a"]


async def test_joins_and_preconditions_see_no_more(store: Store) -> None:
    await fill(store)
    sight = bound(OPEN)
    shut = PointsTo("part", "Observation", Not(OPEN))
    flags = Plan(frozenset({"Flag"}), shut)
    expectation = Expectation(sight, Plan(frozenset({"Observation"}), Not(OPEN)), frozenset())

    (blind,) = await store.write([Expect(expectation)], atomic=True)
    (sighted,) = await store.write([Expect(replace(expectation, sight=EVERYTHING))], atomic=True)

    assert await found(store, sight, flags) == []
    assert await found(store, EVERYTHING, flags) == ["Flag/of-b"]
    assert blind == Unchanged(None)
    assert isinstance(sighted, Refused)


async def test_past_versions_and_deletions_are_told_by_what_they_say(store: Store) -> None:
    await store.write([put("Observation", "a", "status=shut|")], atomic=True)
    before = await store.now()
    await store.write([put("Observation", "a", "status=open|")], atomic=True)
    sight = bound(OPEN)
    history = await store.history(sight, HistoryScope("Observation", "a"), None, 10)
    scanned = [each async for each in store.scan(sight, WHOLE, before)]
    past = await store.read(sight, Key("Observation", "a"), 1)
    await store.write([Delete(Key("Observation", "a"))], atomic=True)
    after = await store.history(sight, HistoryScope("Observation", "a"), None, 10)

    assert [each.version for each in history.versions] == [2]
    assert scanned == []
    assert past is None
    assert await store.read(sight, Key("Observation", "a")) is None
    assert after.versions == ()


async def test_criteria_in_another_unit_and_negative_ones_hold(store: Store) -> None:
    await fill(store)
    in_grams = HasRange("amount\x1f", (Limit("low", ">=", sortable(Decimal(6))),), unit="mg")
    kinds = Plan(frozenset({"Observation"}))

    assert await found(store, bound(in_grams), kinds) == ["Observation/b"]
    assert await found(store, bound(Not(OPEN)), kinds) == ["Observation/b", "Observation/c"]
    await store.write([Delete(Key("Observation", "c"))], atomic=True)
    assert await store.read(bound(Not(OPEN)), Key("Observation", "c")) is None
