"""A federated search is that of one server which holds it all; what a member does not give is told, never lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random

import pytest

from fhir_server.federation.cursors import FederatedCursor, packed_cursor, unpacked_cursor
from fhir_server.federation.search import (
    Federated,
    Party,
    Question,
    federated_count,
    federated_search,
)
from fhir_server.federation.totals import Total
from fhir_server.federation.transport import Failed, Reply
from fhir_server.fhir.json import dump, parse
from fhir_server.fhir.resource import Resource
from fhir_server.search.declaring import Abilities
from fhir_server.search.matching import ordered, sort_key
from fhir_server.search.ordering import Order, completed
from fhir_server.search.parsing import Query, parse_query
from tests.federation.fakes import HEADERS, FakeMember, Fault, no_fault
from tests.search.support import DEFINITIONS

DATES = ("2024", "2024-02", "2024-02-03", "2024-02-03T10:00:00Z", "2025-01-01", "2023-12-31")
SORTS = ("", "date", "-date", "code", "-code,date", "value-quantity", "-_id", "status,-date")
ABILITIES = (
    Abilities(),
    Abilities(),
    Abilities(most=2),
    Abilities(modifiers={"token": frozenset({"text"})}),
    Abilities(most=4, sortable=frozenset({"date", "token"})),
    Abilities(sortable=frozenset()),
)
"""What members tell of their searches; half of them tell nothing of how they sort."""

CRITERIA = (
    "",
    "code=a",
    "date=ge2024-02",
    "code=a,b&date=le2024-12-31",
    "value-quantity=gt2",
    "status:not=final",
)


def observation(random: Random, number: int) -> Resource:
    """Return an Observation that shares its dates and codes with many others."""
    found: Resource = {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": random.choice(("final", "preliminary")),
        "code": {"coding": [{"system": "http://a.example", "code": random.choice("abc")}]},
    }
    if random.random() < 0.8:
        found["effectiveDateTime"] = random.choice(DATES)
    if random.random() < 0.5:
        found["valueQuantity"] = {"value": random.randint(0, 5)}
    return found


def question(asked: str, *, seconds: float = 60.0) -> Question:
    pairs = [tuple(each.split("=", 1)) for each in asked.split("&") if each]
    query = parse_query("Observation", pairs, DEFINITIONS, now=0)  # type: ignore[arg-type]
    until = asyncio.get_running_loop().time() + seconds
    return Question(
        query, "Observation", DEFINITIONS, {"accept": "application/fhir+json"}, 0, until
    )


async def all_pages(asked: Question, parties: Sequence[Party]) -> list[Federated]:
    pages = [await federated_search(asked, parties)]
    while (cursor := pages[-1].cursor) is not None:
        assert len(pages) < 300, "it goes on for ever"
        # Through its bytes, as between two requests.
        pages.append(await federated_search(asked, parties, unpacked_cursor(packed_cursor(cursor))))
    return pages


def emitted(pages: Sequence[Federated]) -> list[str]:
    return [each.match.full_url for page in pages for each in page.taken]


def values_of(
    members: Sequence[FakeMember], query: Query, addresses: Sequence[str]
) -> list[object]:
    keys = completed(query.plan.sort)
    records = {
        f"{member.base}/Observation/{resource['id']}": candidate.record
        for member in members
        for resource, candidate in zip(member.resources, member.candidates, strict=True)
    }
    return [tuple(sort_key(records[each], key, updated=0) for key in keys) for each in addresses]


def expected(members: Sequence[FakeMember], query: Query) -> list[object]:
    """Return the sort values of what one server with all of it would list."""
    candidates = [each for member in members for each in member.candidates]
    keys = completed(query.plan.sort)
    found = ordered(candidates, query.plan)
    return [tuple(sort_key(each.record, key, updated=0) for key in keys) for each in found]


def split(random: Random, number: int, members: int) -> list[FakeMember]:
    """Return members that hold some resources each, under ids that they may share."""
    parts: list[list[Resource]] = [[] for _ in range(members)]
    for each in range(number):
        random.choice(parts).append(observation(random, each))
    return [FakeMember(f"m{each}", part) for each, part in enumerate(parts)]


def fails_at(number: int, failure: Failed) -> Fault:
    """Return a fault of every request from that one on."""

    def fault(asked: int) -> Reply | None:
        if asked >= number:
            raise failure
        return None

    return fault


async def check_loss(seed: int) -> None:
    """Some members fail at some of their pages: what is shown is right as far as it goes, and what is not is told."""
    random = Random(seed)
    members = split(random, random.randint(10, 60), random.randint(2, 8))
    failed = random.sample(members, random.randint(1, len(members) - 1))
    for each in failed:
        failure = Failed("error", "it answered 500")
        each.fault, each.largest_page = (
            fails_at(random.randint(0, 3), failure),
            random.choice((1, 4)),
        )
    asked = question(f"_count={random.choice((2, 5, 50))}&_sort={random.choice(SORTS[1:])}")
    parties = [each.party() for each in members]
    pages = await all_pages(asked, parties)
    frozen: set[str] = set()
    for page in pages:
        gone = {each.member for each in page.accounts if each.frozen}
        assert gone >= frozen, "who was given up stays given up, and is told on each page"
        frozen = gone
        assert not (page.total.exact and gone)
        assert page.total.least <= sum(len(each.resources) for each in members)
    assert frozen <= {each.name for each in failed}
    found = emitted(pages)
    whole = [each for each in members if each.name not in frozen]
    shown = [each for each in found if any(each.startswith(member.base) for member in whole)]
    assert values_of(whole, asked.query, shown) == expected(whole, asked.query)
    assert values_of(members, asked.query, found) == in_order(
        values_of(members, asked.query, found), asked.query
    )
    await check_retry(asked, members, parties, pages)


async def check_retry(
    asked: Question, members: Sequence[FakeMember], parties: Sequence[Party], pages: list[Federated]
) -> None:
    """What was missing comes when the members are well again, and nothing of it twice."""
    for each in members:
        each.fault = no_fault
    found = emitted(pages)
    missing = pages[-1].missing
    if missing is not None:
        later = [await federated_search(asked, parties, missing)]
        while (cursor := later[-1].cursor) is not None:
            later.append(await federated_search(asked, parties, cursor))
        found += emitted(later)
    assert len(set(found)) == len(found)
    assert sorted(found) == sorted(
        f"{each.base}/Observation/{resource['id']}"
        for each in members
        for resource in each.resources
    )


def in_order(values: list[object], query: Query) -> list[object]:
    keys = completed(query.plan.sort)
    return sorted(values, key=lambda each: Order(keys, each))  # type: ignore[arg-type]


async def check_partition(seed: int) -> None:
    random = Random(seed)
    members = split(random, random.randint(0, 60), random.randint(1, 20))
    for each in members:
        each.declared = frozenset(random.sample(sorted(each.declared), random.randint(3, 7)))
        each.largest_page = random.choice((1, 3, 1000))
        each.abilities = random.choice(ABILITIES)
    parts = [random.choice(CRITERIA), f"_count={random.choice((1, 2, 5, 20))}"]
    if sort := random.choice(SORTS):
        parts.append(f"_sort={sort}")
    asked = question("&".join(each for each in parts if each))
    pages = await all_pages(asked, [each.party() for each in members])
    found = emitted(pages)
    assert len(set(found)) == len(found)
    assert {each.state for page in pages for each in page.accounts} <= {"ok"}, pages[-1].accounts
    assert values_of(members, asked.query, found) == expected(members, asked.query)
    assert all(len(page.taken) == asked.query.count for page in pages[:-2])
    await check_totals([each.total for each in pages], len(found), parts[0], members)


async def check_totals(
    told: Sequence[Total], number: int, criteria: str, members: Sequence[FakeMember]
) -> None:
    """A total is right on each page that has one, and there is never less than was said."""
    assert {each.known for each in told} <= {number, None}
    assert max(each.least for each in told) <= number
    assert told[-1].known == number
    count = await federated_count(question(criteria), [each.party() for each in members])
    assert count.total.known == number


@pytest.mark.parametrize("part", range(10))
async def test_any_partition_gives_what_one_server_gives(part: int) -> None:
    for seed in range(part * 60, part * 60 + 60):
        await check_partition(seed)


@pytest.mark.parametrize("part", range(5))
async def test_what_failed_is_told_on_every_page_and_the_rest_is_whole(part: int) -> None:
    for seed in range(part * 60, part * 60 + 60):
        await check_loss(seed)


async def test_a_member_that_keeps_no_order_is_found_out() -> None:
    members = split(Random(3), 40, 2)
    reversed_page = parse(members[0].page(f"{members[0].base}/Observation?_count=50&_sort=date"))
    reversed_page["entry"].reverse()
    members[0].fault = lambda _: Reply(200, HEADERS, dump(reversed_page))
    asked = question("_sort=date&_count=100")
    (page,) = await all_pages(asked, [each.party() for each in members])
    assert [each.state for each in page.accounts] == ["order-violation", "ok"]
    assert page.total.known is None
    assert {each.member for each in page.taken} == {"m0", "m1"}


async def test_a_member_known_to_keep_no_order_is_put_in_order_here() -> None:
    members = split(Random(4), 40, 2)
    shuffled = FakeMember("m0", members[0].resources, largest_page=3)
    shuffled.ignores_sort = True
    asked = question("_sort=-date&_count=7")
    pages = await all_pages(asked, [shuffled.party(sorted=False), members[1].party()])
    assert values_of(members, asked.query, emitted(pages)) == expected(members, asked.query)


@pytest.mark.parametrize(
    ("abilities", "asked", "sent", "unsent"),
    [
        (Abilities(most=7), "_count=50", "_count=7", "_count=50"),
        (Abilities(sortable=frozenset({"token"})), "_sort=date", "Observation?_count", "_sort"),
        (Abilities(sortable=frozenset({"date"})), "_sort=date", "_sort=date", "?_count"),
        (Abilities(sortable=frozenset({"date"})), "_sort=date,status", "?_count", "_sort"),
        (Abilities(modifiers={"token": frozenset()}), "status:not=final", "?_sort", "status"),
        (Abilities(modifiers={"token": frozenset({"not"})}), "status:not=final", "status:not", "!"),
        (Abilities(modifiers={"string": frozenset()}), "status:not=final", "status:not", "!"),
    ],
)
async def test_a_member_is_asked_nothing_that_it_says_it_cannot_do(
    abilities: Abilities, asked: str, sent: str, unsent: str
) -> None:
    (member,) = split(Random(12), 20, 1)
    member.abilities = abilities
    await all_pages(question(asked), [member.party()])
    assert all(sent in each and unsent not in each for each in member.asked), member.asked


async def test_a_member_without_order_that_has_too_much_is_left_out_by_name() -> None:
    members = split(Random(5), 1100, 1)
    members[0].largest_page = 400
    (page,) = await all_pages(question("_sort=date"), [members[0].party(sorted=False)])
    assert [each.state for each in page.accounts] == ["unsupported"]
    assert "1000 matches" in page.accounts[0].problem


async def test_pages_that_lead_in_a_circle_end() -> None:
    (member,) = split(Random(6), 12, 1)
    first = member.page(f"{member.base}/Observation?_count=5&_sort=_id")
    member.fault = lambda _: Reply(200, HEADERS, first)
    (page,) = await all_pages(question("_sort=_id&_count=50"), [member.party()])
    assert [each.state for each in page.accounts] == ["error"]
    assert len(page.taken) == 5


async def test_a_total_is_told_where_every_member_told_its_own() -> None:
    members = split(Random(7), 40, 3)
    asked = question("_count=5&_total=accurate")
    page = await federated_search(asked, [each.party() for each in members])
    assert page.total.known == 40


async def test_a_total_is_told_on_each_page_that_follows() -> None:
    members = split(Random(7), 40, 3)
    pages = await all_pages(question("_count=7"), [each.party() for each in members])
    assert [each.total.known for each in pages] == [40] * 6


async def test_the_rest_of_a_search_has_no_total_of_the_whole() -> None:
    members = split(Random(7), 40, 2)
    members[0].fault, members[0].largest_page = fails_at(1, Failed("timeout", "")), 2
    asked, parties = question("_count=50"), [each.party() for each in members]
    page = await federated_search(asked, parties)
    held = len(members[1].resources)
    # What it said of itself counts no more, since it was given up.
    assert page.total == Total(held + 2, exact=False)

    members[0].fault, members[0].largest_page = no_fault, 100
    rest = await federated_search(asked, parties, page.missing)

    assert len(page.taken) + len(rest.taken) == 40
    assert rest.total == Total(len(rest.taken), exact=False)


async def test_no_total_is_told_where_the_hub_looks_at_what_members_do_not() -> None:
    members = split(Random(7), 40, 3)
    members[1].declared = frozenset({"date"})
    asked = question("_count=5&_total=accurate&code=a")
    page = await federated_search(asked, [each.party() for each in members])
    assert page.total.known is None


async def test_a_count_is_the_sum_of_all_or_what_there_is_at_least() -> None:
    members = split(Random(8), 40, 3)
    asked = question("_summary=count&code=a")
    page = await federated_count(asked, [each.party() for each in members])
    assert page.total.known == len(expected(members, asked.query))
    members[2].fault = fails_at(0, Failed("timeout", ""))
    page = await federated_count(asked, [each.party() for each in members])
    told = len(expected(members[:2], asked.query))
    assert page.total == Total(told, exact=False)
    assert [each.state for each in page.accounts] == ["ok", "ok", "timeout"]


@pytest.mark.parametrize(
    "asked", ["subject:Patient.name=x", "code=a&_has:Provenance:target:agent=x"]
)
async def test_what_a_member_cannot_be_asked_is_told(asked: str) -> None:
    (member,) = split(Random(9), 10, 1)
    member.declared, member.left_out = frozenset({"date"}), "_has:Provenance:target:agent"
    (page,) = await all_pages(question(asked), [member.party()])
    assert [each.state for each in page.accounts] == ["unsupported"]
    assert page.taken == []
    assert page.missing is None


async def test_a_resource_deleted_between_two_pages_makes_no_other_vanish() -> None:
    members = split(Random(10), 24, 2)
    asked = question("_sort=_id&_count=4")
    first = await federated_search(asked, [each.party() for each in members])
    shown = emitted([first])
    gone = next(each for each in shown if each.startswith(members[0].base))
    left = [each for each in members[0].resources if not gone.endswith("/" + each["id"])]
    changed = [FakeMember("m0", left), members[1]]
    pages = await all_pages_from(asked, [each.party() for each in changed], first.cursor)
    assert sorted(shown + emitted(pages)) == sorted(
        f"{each.base}/Observation/{resource['id']}"
        for each in members
        for resource in each.resources
    )


async def all_pages_from(
    asked: Question, parties: Sequence[Party], cursor: FederatedCursor | None
) -> list[Federated]:
    pages = []
    while cursor is not None:
        pages.append(await federated_search(asked, parties, cursor))
        cursor = pages[-1].cursor
    return pages
