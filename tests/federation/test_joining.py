"""Chains that lead to other members are followed by identifiers, in turns, and what is missing is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest

from fhir_server.federation.cursors import packed_cursor, unpacked_cursor
from fhir_server.federation.joined import MOST, TOGETHER
from fhir_server.federation.joining import joined
from fhir_server.federation.persons import PersonIndex
from fhir_server.federation.search import Federated, Party, federated_count, federated_search
from fhir_server.federation.sparing import Shapes, tell_as_of
from fhir_server.federation.totals import Total
from fhir_server.federation.transport import Failed
from fhir_server.fhir.resource import Resource
from fhir_server.policy.person_marks import mark_of
from fhir_server.policy.personal import NHS_NUMBER
from tests.federation.fakes import FakeMember
from tests.federation.test_search import fails_at, question

SMITHS = "subject:Patient.family=smith"


def person(number: int, *identifiers: Resource, family: str = "Smith") -> Resource:
    """Return a Patient with an NHS number, and whatever else it is known by."""
    known = {"system": NHS_NUMBER, "value": f"999{number:07}"}
    return {
        "resourceType": "Patient",
        "id": f"p{number}",
        "name": [{"family": family}],
        "identifier": [known, *identifiers],
    }


def result(number: int, of: int) -> Resource:
    """Return an Observation of somebody whose record is elsewhere."""
    who = {"system": NHS_NUMBER, "value": f"999{of:07}"}
    return {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": "final",
        "code": {"text": "x"},
        "effectiveDateTime": f"2024-01-{1 + number % 28:02}",
        "subject": {"identifier": who},
    }


def patients(people: Sequence[Resource], name: str = "gp") -> FakeMember:
    return FakeMember(
        name, people, type="Patient", declared=frozenset({"family", "identifier", "_id"})
    )


async def asked(query: str, members: Sequence[FakeMember]) -> list[Federated]:
    """Return all pages; each is asked by a cursor that was kept."""
    asking = question(query)
    parties: Sequence[Party] = [each.party() for each in members]
    pages = [await federated_search(asking, await joined(asking, parties, Shapes(lambda: 0)))]
    while (cursor := pages[-1].cursor) is not None:
        pages.append(
            await federated_search(asking, parties, unpacked_cursor(packed_cursor(cursor)))
        )
    return pages


def found(pages: Sequence[Federated]) -> list[str]:
    return [each.match.id for page in pages for each in page.taken]


def turns(member: FakeMember) -> list[list[str]]:
    """Return the identifiers of each request that a member was sent."""
    pairs = [dict(parse_qsl(urlsplit(each).query)) for each in member.asked]
    return [each["subject:identifier"].split(",") for each in pairs if "subject:identifier" in each]


async def test_results_at_a_laboratory_are_found_by_a_name_that_another_member_knows() -> None:
    gp = patients([person(1), person(2, family="Jones"), person(3)])
    laboratory = FakeMember("lab", [result(0, 1), result(1, 2), result(2, 3), result(3, 9)])

    pages = await asked(f"{SMITHS}&_sort=date", [gp, laboratory])

    assert found(pages) == ["o0", "o2"]
    assert {each.member: each.state for each in pages[0].accounts} == {
        "gp": "unsupported",
        "lab": "ok",
    }


async def test_nobody_is_known_elsewhere_by_a_number_of_one_hospital_or_one_that_is_old() -> None:
    local = {"system": "https://trust.example/mrn", "value": "1"}
    old = {"system": NHS_NUMBER, "value": "9990000009", "use": "old"}
    laboratory = FakeMember("lab", [result(0, 1)])

    await asked(SMITHS, [patients([person(1, local, old)]), laboratory])

    assert turns(laboratory) == [[f"{NHS_NUMBER}|9990000001"]]


async def test_many_are_asked_for_in_turns_and_stand_in_one_order_over_all_pages() -> None:
    people = TOGETHER * 2 + 10
    gp = patients([person(each) for each in range(people)])
    laboratory = FakeMember("lab", [result(each, each) for each in range(people)], largest_page=7)

    pages = await asked(f"{SMITHS}&_sort=date&_count=40", [gp, laboratory])

    assert sorted(found(pages)) == sorted(f"o{each}" for each in range(people))
    dates = [int(each[1:]) % 28 for each in found(pages)]
    assert dates == sorted(dates)
    assert max(len(each) for each in turns(laboratory)) == TOGETHER


async def test_what_is_cut_is_told_on_every_page() -> None:
    gp = patients([person(each) for each in range(MOST + 40)])
    laboratory = FakeMember("lab", [result(each, each) for each in range(30)])

    pages = await asked(f"{SMITHS}&_count=10", [gp, laboratory])

    for page in pages:
        (account,) = [each for each in page.accounts if each.member == "lab"]
        assert account.state == "partial"
        assert "followed in part" in account.problem
    assert pages[0].total.known is None


async def test_a_member_that_could_not_be_asked_who_is_meant_is_told() -> None:
    broken = patients([person(2)], "other")
    broken.fault = fails_at(0, Failed("timeout", ""))
    laboratory = FakeMember("lab", [result(0, 1), result(1, 2)])

    pages = await asked(SMITHS, [patients([person(1)]), broken, laboratory])

    (account,) = [each for each in pages[0].accounts if each.member == "lab"]
    assert found(pages) == ["o0"]
    assert (account.state, "other timeout" in account.problem) == ("partial", True)


async def test_a_chain_that_leads_nowhere_asks_nobody() -> None:
    laboratory = FakeMember("lab", [result(0, 1)])

    pages = await asked("subject:Patient.family=nobody", [patients([person(1)]), laboratory])

    assert (found(pages), laboratory.asked) == ([], [])
    assert {each.member: each.state for each in pages[0].accounts}["lab"] == "ok"


async def test_where_nobody_can_tell_who_is_meant_the_member_is_asked_as_it_was() -> None:
    laboratory = FakeMember("lab", [result(0, 1)])
    asking = question(SMITHS)
    parties = [laboratory.party()]

    assert await joined(asking, parties, Shapes(lambda: 0)) == parties


@pytest.mark.parametrize("people", [3, TOGETHER + 1, TOGETHER * 3])
async def test_a_total_is_told_however_many_requests_tell_it(people: int) -> None:
    laboratory = FakeMember("lab", [result(each, each) for each in range(people)])
    members = [patients([person(each) for each in range(people)]), laboratory]
    asking = question(f"{SMITHS}&_summary=count")

    counted = await federated_count(
        asking, (await joined(asking, [each.party() for each in members], Shapes(lambda: 0)))[1:]
    )
    parties = (
        await joined(question(SMITHS), [each.party() for each in members], Shapes(lambda: 0))
    )[1:]
    page = await federated_search(question(f"{SMITHS}&_count=2"), parties)

    assert (counted.total.known, page.total.known) == (people, people)


async def test_of_a_chain_that_was_cut_is_told_how_many_there_are_at_least() -> None:
    gp = patients([person(each) for each in range(MOST + 40)])
    laboratory = FakeMember("lab", [result(each, each) for each in range(MOST + 40)])
    asking = question(f"{SMITHS}&_count=10")

    page = await federated_search(
        asking, await joined(asking, [gp.party(), laboratory.party()], Shapes(lambda: 0))
    )

    assert page.total == Total(MOST, exact=False)


async def test_who_is_meant_by_a_number_is_asked_of_those_who_know_it() -> None:
    number = f"{NHS_NUMBER}|9990000001"
    gp, other = patients([person(1)]), patients([person(2)], "other")
    laboratory = FakeMember("lab", [result(0, 1), result(1, 2)])
    asking = question(f"subject:Patient.identifier={number}")
    located = [
        replace(each.party(), persons=index_of(as_of, told))
        for each, as_of, told in ((gp, 7, "9990000001"), (other, 5, "9990000002"))
    ]
    parties = await joined(asking, [*located, laboratory.party()], Shapes(lambda: 7))
    page = await federated_search(asking, parties)
    tell_as_of(page.accounts, parties)

    assert found([page]) == ["o0"]
    assert ["9990000001" in url for url in (*gp.asked, *other.asked)] == [True, False]
    assert {each.member: each.persons_as_of for each in page.accounts}["lab"] == 5


def index_of(as_of: int, *numbers: str) -> PersonIndex:
    key = b"k" * 32
    return PersonIndex(as_of, key, b"".join(sorted(mark_of(key, each) for each in numbers)))
