"""What every store promises, on every backend."""

from __future__ import annotations

from dataclasses import replace

import anyio
import msgspec
import pytest

from fhir_server.fhir.errors import OutdatedIndex
from fhir_server.fhir.resource import Key, Stored
from fhir_server.policy.visibility import Visibility
from fhir_server.search.expression import (
    AllOf,
    AnyOf,
    HasAnyTerm,
    HasId,
    HasRange,
    HasTerm,
    HasTermBetween,
    HasTermContaining,
    IsPresent,
    Limit,
    Not,
    Plan,
    Predicate,
    Updated,
)
from fhir_server.search.record import NO_DATE, IndexRecord, Range, prefix_end
from fhir_server.storage.contract import (
    NEVER,
    Delete,
    Draft,
    Expect,
    Expectation,
    Put,
    Refused,
    Store,
    Unchanged,
    WriteOp,
    WriteResult,
    Written,
)
from fhir_server.storage.pages import HistoryScope, Part
from fhir_server.storage.parameters import Catalogue, Reindex, ReplaceCatalogue, Stamp

EVERYTHING = Visibility.everything("test")
ADA = Key("Patient", "ada")
LARGE = 2**60


def a_draft(
    key: Key = ADA,
    *,
    rest: bytes = b'"active":true',
    terms: tuple[str, ...] = (),
    ranges: tuple[Range, ...] = (),
    present: tuple[str, ...] = (),
    primary: int = NO_DATE,
    patients: tuple[str, ...] = (),
) -> Draft:
    record = IndexRecord(key.id, terms, ranges, present, primary, patients, patients)
    return Draft(key, b"", rest, record)


async def put(store: Store, draft: Draft, expected: int | None = None) -> WriteResult:
    return (await store.write([Put(draft, expected=expected)], atomic=True))[0]


async def found(
    store: Store, predicate: Predicate, *, sight: Visibility = EVERYTHING, kind: str = "Patient"
) -> list[str]:
    """Return the ids that match, from pages of two, and check the count against them."""
    plan = Plan(frozenset({kind}), predicate)
    ids: list[str] = []
    after = None
    while True:
        page = await store.search(sight, plan, after, 2)
        ids += [row.stored.key.id for row in page.rows]
        after = page.next
        if after is None:
            break
    assert (await store.count(sight, plan)).number == len(ids)
    return ids


async def test_what_was_never_written_is_absent(store: Store) -> None:
    assert await store.read(EVERYTHING, ADA) is None
    assert await store.read(EVERYTHING, ADA, 1) is None
    assert await store.read_many(EVERYTHING, [ADA]) == []


async def test_the_bytes_come_back_with_id_version_and_moment_inside(store: Store) -> None:
    written = await put(store, a_draft(rest=b'"active":true,"x":1.00'))

    assert isinstance(written, Written)
    assert written.created
    assert await store.read(EVERYTHING, ADA) == written.stored
    body = written.stored.body or b""
    assert body.endswith(b',"active":true,"x":1.00}')
    decoded = msgspec.json.decode(body)
    assert decoded["id"] == "ada"
    assert decoded["meta"]["versionId"] == "1"
    assert decoded["meta"]["lastUpdated"].startswith("2025-06-15T15:06:40.")


async def test_of_two_writers_with_the_same_expectation_one_loses(store: Store) -> None:
    await put(store, a_draft())
    results: list[WriteResult] = []

    async def update(number: int) -> None:
        results.append(await put(store, a_draft(rest=b'"n":%d' % number), expected=1))

    async with anyio.create_task_group() as writers:
        for number in range(30):
            writers.start_soon(update, number)

    assert sum(isinstance(each, Written) for each in results) == 1
    assert results.count(Refused(current=2)) == 29


async def test_of_many_creators_with_one_condition_one_wins(store: Store) -> None:
    plan = Plan(frozenset({"Patient"}), HasTerm("identifier=9990000018\x1f"))
    expectation = Expectation(EVERYTHING, plan, frozenset())
    results: list[WriteResult] = []

    async def create(number: int) -> None:
        draft = a_draft(Key("Patient", f"p{number}"), terms=("identifier=9990000018\x1f",))
        results.extend(await store.write([Put(draft, expectation=expectation)], atomic=True))

    async with anyio.create_task_group() as creators:
        for number in range(64):
            creators.start_soon(create, number)

    winners = [each for each in results if isinstance(each, Written)]
    assert len(winners) == 1
    assert results.count(Refused(matches=(winners[0].stored.key,))) == 63


async def test_equal_content_makes_no_new_version(store: Store) -> None:
    first = await put(store, a_draft())
    again = await put(store, a_draft())

    assert isinstance(first, Written)
    assert again == Unchanged(first.stored)


async def test_versions_rise_and_old_ones_stay_readable(store: Store) -> None:
    for number in range(3):
        await put(store, a_draft(rest=b'"n":%d' % number))

    versions = [await store.read(EVERYTHING, ADA, number) for number in (1, 2, 3)]

    assert [each.version for each in versions if each] == [1, 2, 3]
    moments = [each.moment for each in versions if each]
    assert moments == sorted(set(moments))
    assert versions[0] is not None
    assert versions[0].body is not None
    assert versions[0].body.endswith(b'"n":0}')
    assert await store.read(EVERYTHING, ADA, 4) is None


async def test_a_deletion_is_a_version_and_takes_it_out_of_every_search(store: Store) -> None:
    span = Range("birthdate", 5, 6)
    await put(store, a_draft(terms=("gender=female\x1f",), ranges=(span,)))

    (deleted,) = await store.write([Delete(ADA)], atomic=True)

    assert isinstance(deleted, Written)
    current = await store.read(EVERYTHING, ADA)
    assert current is not None
    assert current.deleted
    assert current.version == 2
    assert await found(store, AllOf(())) == []
    assert await found(store, HasTerm("gender=female\x1f")) == []
    assert await found(store, HasRange("birthdate", (Limit("low", ">=", 0),))) == []
    assert await found(store, HasId(("ada",))) == []
    assert (await store.read_many(EVERYTHING, [ADA])) == []


async def test_deleting_twice_or_what_never_was_changes_nothing(store: Store) -> None:
    assert await store.write([Delete(ADA)], atomic=True) == [Unchanged(None)]
    await put(store, a_draft())
    await store.write([Delete(ADA)], atomic=True)

    (again,) = await store.write([Delete(ADA)], atomic=True)

    assert isinstance(again, Unchanged)
    assert again.stored is not None
    assert again.stored.version == 2


async def test_a_write_after_a_deletion_goes_on_counting(store: Store) -> None:
    await put(store, a_draft())
    await store.write([Delete(ADA)], atomic=True)

    written = await put(store, a_draft(terms=("a=1\x1f",)), expected=0)

    assert isinstance(written, Written)
    assert written.created
    assert written.stored.version == 3
    assert await found(store, HasTerm("a=1\x1f")) == ["ada"]


async def test_what_was_never_written_is_no_more_so_once_it_was_deleted(store: Store) -> None:
    first = await put(store, a_draft(), expected=NEVER)
    there = await put(store, a_draft(terms=("a=1\x1f",)), expected=NEVER)
    await store.write([Delete(ADA)], atomic=True)
    deleted = await put(store, a_draft(terms=("a=1\x1f",)), expected=NEVER)

    assert isinstance(first, Written)
    assert there == Refused(current=1)
    assert deleted == Refused(current=0)
    assert await found(store, HasTerm("a=1\x1f")) == []


async def test_an_atomic_write_with_one_refusal_leaves_nothing(store: Store) -> None:
    ops = [
        Put(a_draft(Key("Patient", "one"), terms=("a=1\x1f",), patients=("one",))),
        Put(a_draft(Key("Patient", "two")), expected=7),
        Put(a_draft(Key("Patient", "three"))),
    ]

    results = await store.write(ops, atomic=True)

    assert results == [Refused(), Refused(current=0), Refused()]
    assert await found(store, AllOf(())) == []
    after = await put(store, a_draft(Key("Patient", "one"), terms=("a=1\x1f",), patients=("one",)))
    assert isinstance(after, Written)
    assert await found(store, HasTerm("a=1\x1f"), sight=EVERYTHING.of_patient("one")) == ["one"]


async def test_a_write_that_is_not_atomic_does_what_it_can(store: Store) -> None:
    ops = [Put(a_draft(Key("Patient", "one")), expected=7), Put(a_draft(Key("Patient", "two")))]

    results = await store.write(ops, atomic=False)

    assert results[0] == Refused(current=0)
    assert isinstance(results[1], Written)


async def test_an_expectation_of_another_match_refuses_the_whole_write(store: Store) -> None:
    await put(store, a_draft(terms=("a=1\x1f",)))
    plan = Plan(frozenset({"Patient"}), HasTerm("a=1\x1f"))
    other = Expectation(EVERYTHING, plan, frozenset({Key("Patient", "other")}))

    ops: list[WriteOp] = [Expect(other), Put(a_draft(Key("Patient", "new")))]
    results = await store.write(ops, atomic=True)

    assert results == [Refused(matches=(ADA,)), Refused()]
    assert await store.read(EVERYTHING, Key("Patient", "new")) is None


async def test_an_operation_sees_those_before_it_in_the_same_write(store: Store) -> None:
    plan = Plan(frozenset({"Patient"}), HasTerm("a=1\x1f"))
    expectation = Expectation(EVERYTHING, plan, frozenset())
    ops = [
        Put(a_draft(Key("Patient", name), terms=("a=1\x1f",)), expectation=expectation)
        for name in ("one", "two")
    ]

    results = await store.write(ops, atomic=False)

    assert isinstance(results[0], Written)
    assert results[1] == Refused(matches=(Key("Patient", "one"),))


PEOPLE = {
    "ann": a_draft(
        Key("Patient", "ann"),
        terms=("code=1\x1fa", "family^smith", "gender=female\x1f"),
        ranges=(Range("birthdate", 10, 19), Range("height", "75", "75")),
        present=("birthdate", "code"),
        primary=30,
        patients=("ann",),
    ),
    "bob": a_draft(
        Key("Patient", "bob"),
        terms=("code=1\x1fb", "family^smithson", "gender=male\x1f"),
        ranges=(Range("birthdate", 20, 20 + 10**12),),
        present=("birthdate", "code"),
        primary=20,
        patients=("bob",),
    ),
    "cas": a_draft(
        Key("Patient", "cas"),
        terms=("code=2\x1fa", "family^jones", "gender=male\x1f"),
        primary=20,
        patients=("ann", "cas"),
    ),
    "dee": a_draft(Key("Patient", "dee"), terms=("code=1\x1fa", "code=1\x1fb"), primary=NO_DATE),
}

SEARCHES: list[tuple[Predicate, list[str]]] = [
    (AllOf(()), ["ann", "cas", "bob", "dee"]),
    (AnyOf(()), []),
    (HasTerm("code=1\x1fa"), ["ann", "dee"]),
    (HasTerm("code=9\x1fa"), []),
    (HasAnyTerm(()), []),
    (HasAnyTerm(("code=1\x1fa", "code=1\x1fb", "code=1\x1fa")), ["ann", "bob", "dee"]),
    (HasAnyTerm(tuple(f"code={n}\x1fa" for n in range(12))), ["ann", "cas", "dee"]),
    (HasTermBetween("family^smith", prefix_end("family^smith")), ["ann", "bob"]),
    (HasTermBetween("code=1\x1f", "code=1 "), ["ann", "bob", "dee"]),
    (HasTermContaining("family^", "mith"), ["ann", "bob"]),
    (HasTermContaining("family^", "family"), []),
    (HasTermContaining("family^", "mith", at_end=True), ["ann"]),
    (HasTermContaining("family^", "xsmith", at_end=True), []),
    (HasRange("birthdate", (Limit("low", ">=", 10), Limit("high", "<", 20))), ["ann"]),
    (HasRange("birthdate", (Limit("high", ">=", 20),)), ["bob"]),
    (HasRange("birthdate", (Limit("low", "<", 21), Limit("high", ">=", 15))), ["ann", "bob"]),
    (HasRange("height", (Limit("low", ">", "74"), Limit("high", "<", "76"))), ["ann"]),
    (HasRange("height", (Limit("low", ">", "75"),)), []),
    (IsPresent("birthdate"), ["ann", "bob"]),
    (Not(IsPresent("birthdate")), ["cas", "dee"]),
    (Not(HasTerm("gender=male\x1f")), ["ann", "dee"]),
    (Not(Not(HasTerm("gender=male\x1f"))), ["cas", "bob"]),
    (AllOf((HasTerm("gender=male\x1f"), HasTerm("code=2\x1fa"))), ["cas"]),
    (AllOf((HasTerm("gender=male\x1f"), IsPresent("code"))), ["bob"]),
    (AnyOf((HasTerm("code=2\x1fa"), HasTerm("family^smith"))), ["ann", "cas"]),
    (AnyOf((HasTerm("code=2\x1fa"), IsPresent("birthdate"))), ["ann", "cas", "bob"]),
    (HasId(("cas", "ann", "zoe")), ["ann", "cas"]),
    (AllOf((HasId(("cas", "ann")), HasTerm("gender=male\x1f"))), ["cas"]),
    (Updated((Limit("low", ">=", 0),)), ["ann", "cas", "bob", "dee"]),
    (Updated((Limit("low", ">=", LARGE),)), []),
    (Not(Updated((Limit("low", ">=", LARGE),))), ["ann", "cas", "bob", "dee"]),
]


@pytest.mark.parametrize(("predicate", "expected"), SEARCHES, ids=[str(e[0]) for e in SEARCHES])
async def test_each_kind_of_predicate_finds_its_matches_in_page_order(
    store: Store, predicate: Predicate, expected: list[str]
) -> None:
    await store.write([Put(each) for each in PEOPLE.values()], atomic=False)

    assert await found(store, predicate) == expected


@pytest.mark.parametrize(("predicate", "expected"), SEARCHES, ids=[str(e[0]) for e in SEARCHES])
async def test_what_is_outside_the_compartment_is_as_if_absent(
    store: Store, predicate: Predicate, expected: list[str]
) -> None:
    await store.write([Put(each) for each in PEOPLE.values()], atomic=False)
    sight = EVERYTHING.of_patient("ann")

    assert await found(store, predicate, sight=sight) == [
        each for each in expected if each in {"ann", "cas"}
    ]
    assert await store.read(sight, Key("Patient", "bob")) is None
    assert await store.read(sight, Key("Patient", "bob"), 1) is None
    assert [
        e.stored.key.id for e in await store.read_many(sight, [d.key for d in PEOPLE.values()])
    ] == [
        "ann",
        "cas",
    ]
    history = await store.history(sight, HistoryScope(), None, 10)
    assert {each.key.id for each in history.versions} == {"ann", "cas"}


async def test_a_type_that_may_not_be_seen_is_as_if_absent(store: Store) -> None:
    await put(store, a_draft(terms=("a=1\x1f",)))
    sight = EVERYTHING.of_types(frozenset({"Observation"}))

    assert await store.read(sight, ADA) is None
    assert await store.read(sight, ADA, 1) is None
    assert await store.read_many(sight, [ADA]) == []
    assert await found(store, HasTerm("a=1\x1f"), sight=sight) == []
    assert (await store.history(sight, HistoryScope(), None, 10)).versions == ()
    assert [each async for each in store.scan(sight, Part(None, 0, LARGE), LARGE)] == []


async def test_the_compartment_bounds_all_but_the_types_that_are_seen_whole(store: Store) -> None:
    ward, theirs, other = (
        a_draft(Key(kind, "x"), terms=("a=1\x1f",), patients=patients)
        for kind, patients in (("Location", ()), ("Observation", ("ann",)), ("Slot", ("bob",)))
    )
    await store.write([Put(each) for each in (ward, theirs, other)], atomic=False)
    sight = replace(EVERYTHING.of_patient("ann"), unbound=frozenset({"Location"}))
    plan = Plan(None, HasTerm("a=1\x1f"))
    seen = {ward.key, theirs.key}

    keys = [ward.key, theirs.key, other.key]
    assert {each for each in keys if await store.read(sight, each)} == seen
    assert {each for each in keys if await store.read(sight, each, 1)} == seen
    assert {each.stored.key for each in await store.read_many(sight, keys)} == seen
    page = await store.search(sight, plan, None, 10)
    assert {each.stored.key for each in page.rows} == seen
    assert (await store.count(sight, plan)).number == 2
    history = await store.history(sight, HistoryScope(), None, 10)
    assert {each.key for each in history.versions} == seen
    assert {each.key async for each in store.scan(sight, Part(None, 0, LARGE), LARGE)} == seen
    met = Expectation(sight, plan, frozenset(seen))
    (answer,) = await store.write([Expect(met)], atomic=True)
    assert answer == Unchanged(None)


async def test_those_that_are_asked_for_come_in_the_order_of_the_keys(store: Store) -> None:
    keys = [Key("Patient", each) for each in ("bob", "ada", "cy")]
    await store.write([Put(a_draft(each)) for each in keys], atomic=False)

    rows = await store.read_many(EVERYTHING, keys)

    assert [each.stored.key for each in rows] == keys


async def test_an_old_version_is_hidden_with_the_current_one(store: Store) -> None:
    await put(store, a_draft(patients=("one",)))
    between = await store.now()
    await put(store, a_draft(rest=b'"n":2', patients=("two",)))
    everything = Part(None, 0, LARGE)

    for patient, numbers in (("one", []), ("two", [2])):
        sight = EVERYTHING.of_patient(patient)
        assert [each for each in (1, 2) if await store.read(sight, ADA, each)] == numbers
        history = await store.history(sight, HistoryScope("Patient", "ada"), None, 10)
        assert [each.version for each in history.versions] == numbers
        assert [each async for each in store.scan(sight, everything, between)] == []


async def test_an_update_changes_what_finds_it(store: Store) -> None:
    await put(store, a_draft(terms=("a=1\x1f", "b=1\x1f"), ranges=(Range("d", 1, 2),)))
    await put(
        store,
        a_draft(rest=b'"n":2', terms=("b=1\x1f", "c=1\x1f"), ranges=(Range("d", 5, 6),)),
    )

    assert await found(store, HasTerm("a=1\x1f")) == []
    assert await found(store, HasTerm("b=1\x1f")) == ["ada"]
    assert await found(store, HasTerm("c=1\x1f")) == ["ada"]
    assert await found(store, HasRange("d", (Limit("low", "<", 3),))) == []
    assert await found(store, HasRange("d", (Limit("low", ">", 3),))) == ["ada"]


async def test_an_update_that_moves_the_resource_leaves_no_old_posting(store: Store) -> None:
    await put(store, a_draft(terms=("a=1\x1f",), primary=10, patients=("one",)))
    await put(store, a_draft(rest=b'"n":2', terms=("a=1\x1f",), primary=20, patients=("two",)))

    assert await found(store, HasTerm("a=1\x1f")) == ["ada"]
    assert await found(store, HasTerm("a=1\x1f"), sight=EVERYTHING.of_patient("one")) == []
    assert await found(store, HasTerm("a=1\x1f"), sight=EVERYTHING.of_patient("two")) == ["ada"]


async def test_history_pages_hold_each_version_once_the_newest_first(store: Store) -> None:
    other = Key("Observation", "o")
    for number in range(4):
        await put(store, a_draft(rest=b'"n":%d' % number))
        await put(store, a_draft(other, rest=b'"n":%d' % number))
    await store.write([Delete(ADA)], atomic=True)

    async def versions(scope: HistoryScope) -> list[tuple[str, int]]:
        seen: list[Stored] = []
        after = None
        while True:
            page = await store.history(EVERYTHING, scope, after, 2)
            seen += page.versions
            after = page.next
            if after is None:
                break
        assert [e.moment for e in seen] == sorted((e.moment for e in seen), reverse=True)
        return [(each.key.id, each.version) for each in seen]

    assert await versions(HistoryScope("Patient", "ada")) == [("ada", n) for n in (5, 4, 3, 2, 1)]
    assert await versions(HistoryScope("Observation")) == [("o", n) for n in (4, 3, 2, 1)]
    assert len(await versions(HistoryScope())) == 9
    third = await store.read(EVERYTHING, ADA, 3)
    assert third is not None
    since = HistoryScope("Patient", "ada", since=third.moment)
    assert await versions(since) == [("ada", 5), ("ada", 4), ("ada", 3)]
    until = HistoryScope("Patient", "ada", until=third.moment)
    assert await versions(until) == [("ada", 3), ("ada", 2), ("ada", 1)]


async def test_a_scan_gives_what_was_current_at_a_moment(store: Store) -> None:
    await put(store, a_draft(Key("Patient", "kept"), rest=b'"n":1'))
    await put(store, a_draft(Key("Patient", "deleted")))
    moment = await store.now()
    await put(store, a_draft(Key("Patient", "kept"), rest=b'"n":2'))
    await put(store, a_draft(Key("Patient", "later")))
    await store.write([Delete(Key("Patient", "deleted"))], atomic=True)
    whole = Part("Patient", 0, LARGE)

    then = [each async for each in store.scan(EVERYTHING, whole, moment)]
    now = [each async for each in store.scan(EVERYTHING, whole, await store.now())]

    assert [(each.key.id, each.version) for each in then] == [("kept", 1), ("deleted", 1)]
    assert [(each.key.id, each.version) for each in now] == [("kept", 2), ("later", 1)]


async def test_the_change_feed_names_every_version_once_in_order(store: Store) -> None:
    await put(store, a_draft(rest=b'"n":1'))
    await put(store, a_draft(rest=b'"n":2'))
    await store.write([Delete(ADA)], atomic=True)

    changes = [each async for each in store.changes(0)]
    later = [each async for each in store.changes(changes[1].token)]

    assert [(each.version, each.deleted) for each in changes] == [(1, False), (2, False), (3, True)]
    assert later == changes[2:]


async def test_a_search_over_several_types_merges_them_in_order(store: Store) -> None:
    for number in range(6):
        kind = ("Patient", "Observation", "Encounter")[number % 3]
        await put(store, a_draft(Key(kind, f"x{number}"), primary=number))

    plan = Plan(frozenset({"Patient", "Observation"}))
    page = await store.search(EVERYTHING, plan, None, 3)
    rest = await store.search(EVERYTHING, plan, page.next, 3)
    everything = await store.search(EVERYTHING, Plan(None), None, 10)

    assert [each.stored.key.id for each in page.rows] == ["x4", "x3", "x1"]
    assert [each.stored.key.id for each in rest.rows] == ["x0"]
    assert len(everything.rows) == 6


async def test_a_search_over_several_types_asks_each_for_what_concerns_it_alone(
    store: Store,
) -> None:
    for kind in ("Patient", "Observation", "Encounter"):
        for name in ("a", "b"):
            await put(store, a_draft(Key(kind, f"{kind}-{name}"), terms=(f"code={name}", "x=1")))

    placed = (("Patient", HasTerm("code=a")), ("Observation", HasTerm("code=b")))
    plan = Plan(frozenset({"Patient", "Observation", "Encounter"}), HasTerm("x=1"), placed=placed)
    page = await store.search(EVERYTHING, plan, None, 10)

    names = {each.stored.key.id for each in page.rows}
    assert names == {"Patient-a", "Observation-b", "Encounter-a", "Encounter-b"}
    assert (await store.count(EVERYTHING, plan)).number == 4


async def test_a_secret_is_made_once(store: Store) -> None:
    first = await store.secret("cursor")

    assert len(first) == 32
    assert await store.secret("cursor") == first
    assert await store.secret("other") != first


async def test_what_was_made_by_outdated_parameters_is_refused_as_a_whole(store: Store) -> None:
    await store.write([ReplaceCatalogue(0, 7, b"seven")], atomic=False)
    plan = Plan(frozenset({"Patient"}), HasTerm("code=a"))
    outdated = Expectation(EVERYTHING, plan, frozenset(), generation=6)
    current = msgspec.structs.replace(a_draft(Key("Patient", "new")), generation=7)

    for op in (Put(a_draft()), Expect(outdated), Delete(ADA, expectation=outdated)):
        with pytest.raises(OutdatedIndex):
            await store.write([Put(current), op], atomic=False)

    assert await store.read(EVERYTHING, current.key) is None
    assert isinstance((await store.write([Put(current)], atomic=True))[0], Written)


async def test_an_outdated_write_takes_none_of_its_group_with_it(store: Store) -> None:
    await store.write([ReplaceCatalogue(0, 1, b"")], atomic=False)
    results: list[WriteResult] = []
    refusals: list[OutdatedIndex] = []

    async def write(number: int) -> None:
        draft = msgspec.structs.replace(
            a_draft(Key("Patient", f"p{number}")), generation=number % 2
        )
        try:
            results.extend(await store.write([Put(draft)], atomic=True))
        except OutdatedIndex as refusal:
            refusals.append(refusal)

    async with anyio.create_task_group() as writers:
        for number in range(20):
            writers.start_soon(write, number)

    assert (len(results), len(refusals)) == (10, 10)
    assert len(await found(store, AllOf(()))) == 10


async def test_a_catalogue_is_replaced_by_one_of_two_who_saw_the_same(store: Store) -> None:
    assert await store.catalogue() == Catalogue(0, 0, b"")

    first = await store.write([ReplaceCatalogue(0, 1, b"mine")], atomic=False)
    second = await store.write([ReplaceCatalogue(0, 1, b"yours")], atomic=False)

    assert (first, second) == ([Unchanged(None)], [Refused()])
    assert await store.catalogue() == Catalogue(1, 1, b"mine")
    assert await store.stamp() == Stamp(1, 1, 0)


async def test_the_stamp_tells_of_each_write_of_a_search_parameter(store: Store) -> None:
    key = Key("SearchParameter", "x")
    stamps = [await store.stamp()]
    await put(store, a_draft())
    assert await store.stamp() == stamps[0]

    for op in (Put(a_draft(key)), Put(a_draft(key, rest=b'"n":2')), Delete(key)):
        await store.write([op], atomic=True)
        stamps.append(await store.stamp())

    assert len(set(stamps)) == 4
    assert stamps == sorted(stamps)


async def test_a_record_is_replaced_only_under_the_version_that_it_was_made_of(
    store: Store,
) -> None:
    before, after = ("code=a",), ("code=b", "code=c")
    for name, rest in (("kept", b'"n":1'), ("changed", b'"n":1'), ("gone", b'"n":1')):
        await put(store, a_draft(Key("Patient", name), rest=rest, terms=before))
    await put(store, a_draft(Key("Patient", "changed"), rest=b'"n":2', terms=("code=d",)))
    await store.write([Delete(Key("Patient", "gone"))], atomic=True)
    read = await store.read(EVERYTHING, Key("Patient", "kept"))

    ops = [
        Reindex(key, 1, a_draft(key, terms=after, primary=5).record, 0)
        for key in (Key("Patient", name) for name in ("kept", "changed", "gone", "absent"))
    ]
    results = await store.write(ops, atomic=False)

    assert results == [Unchanged(None), Refused(2), Refused(0), Refused(0)]
    assert await found(store, HasTerm("code=a")) == []
    assert await found(store, HasTerm("code=b")) == ["kept"]
    assert await found(store, HasTerm("code=d")) == ["changed"]
    assert await store.read(EVERYTHING, Key("Patient", "kept")) == read


async def test_a_walk_gives_a_type_by_id_without_what_was_created_since(store: Store) -> None:
    for name in ("b", "d", "a", "c"):
        await put(store, a_draft(Key("Patient", name), patients=(name,)))
    await put(store, a_draft(Key("Observation", "o")))
    await store.write([Delete(Key("Patient", "d"))], atomic=True)
    extent = await store.extent("Patient")
    await put(store, a_draft(Key("Patient", "bb")))

    async def ids(after: str, limit: int, sight: Visibility = EVERYTHING) -> list[str]:
        walked = await store.walk(
            sight, "Patient", after=after, highest=extent.highest, limit=limit
        )
        return [each.key.id for each in walked]

    assert extent.count == 3
    assert await ids("", 2) == ["a", "b"]
    assert await ids("b", 5) == ["c"]
    assert await ids("", 5, EVERYTHING.of_patient("b")) == ["b"]
    assert await ids("", 5, EVERYTHING.of_types(frozenset({"Observation"}))) == []
