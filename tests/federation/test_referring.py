"""`_has` over members: who is referred to at another one is found by NHS number, and what is missing is told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest

from fhir_server.demonstration.identifiers import nhs_number
from fhir_server.federation import referring
from fhir_server.federation.cursors import packed_cursor, unpacked_cursor
from fhir_server.federation.joining import joined
from fhir_server.federation.lines import Line
from fhir_server.federation.search import (
    Federated,
    Party,
    Question,
    federated_count,
    federated_search,
)
from fhir_server.federation.sparing import Shapes
from fhir_server.federation.tokens import Refusing
from fhir_server.fhir.resource import Resource
from fhir_server.search.parsing import parse_query
from tests.federation.trusts import CARE, CODES, Trust, Trusts
from tests.rest.trusting import a_patient, an_observation, identifier
from tests.search.support import DEFINITIONS

PRESSURE = "_has:Observation:subject:code=8480-6"
OTHER = {"coding": [{"system": "http://loinc.org", "code": "9279-1"}]}


def trust(name: str, *resources: Resource, declared: frozenset[str] = CODES) -> Trust:
    return Trust(name, resources, 3, declared)


def question(asked: str) -> Question:
    pairs = tuple(tuple(each.split("=", 1)) for each in asked.split("&"))
    query = parse_query("Patient", pairs, DEFINITIONS, now=0)  # type: ignore[arg-type]
    until = asyncio.get_running_loop().time() + 60
    return Question(query, "Patient", DEFINITIONS, {"accept": "application/fhir+json"}, 0, until)


def parties(trusts: Sequence[Trust], *, cleared: bool = False) -> list[Party]:
    judge = Trusts(trusts, {}, CARE).judge()
    found = [each.party(judge) for each in trusts]
    return found if cleared else [replace(each, clearing=None) for each in found]


async def asked(query: str, members: Sequence[Party]) -> list[Federated]:
    """Return all pages; each is asked by a cursor that was kept."""
    asking = question(query)
    pages = [await federated_search(asking, await joined(asking, members, Shapes(lambda: 0)))]
    while (cursor := pages[-1].cursor) is not None:
        kept = unpacked_cursor(packed_cursor(cursor))
        pages.append(await federated_search(asking, members, kept))
    return pages


def found(pages: Sequence[Federated]) -> set[str]:
    return {f"{each.member}/{each.match.id}" for page in pages for each in page.taken}


def told(pages: Sequence[Federated], member: str) -> tuple[str, str]:
    """Return what became of a member, the same on each page."""
    accounts = {
        (each.state, each.problem)
        for page in pages
        for each in page.accounts
        if each.member == member
    }
    (account,) = accounts
    return account


@pytest.mark.parametrize("cleared", [False, True])
async def test_a_patient_is_found_by_what_another_member_has_of_the_same_person(
    *, cleared: bool
) -> None:
    gp = trust("gp", a_patient("ada", 0), a_patient("bob", 1))
    hospital = trust("hospital", a_patient("x", 0), an_observation("o", "x"))

    pages = await asked(PRESSURE, parties([gp, hospital], cleared=cleared))

    assert found(pages) == {"gp/ada", "hospital/x"}
    assert (told(pages, "gp"), pages[0].total.known) == (("ok", ""), 2)


async def test_a_number_in_the_reference_itself_will_do() -> None:
    observation = an_observation("o", "x") | {"subject": {"identifier": identifier(0)}}
    pages = await asked(
        PRESSURE, parties([trust("gp", a_patient("ada", 0)), trust("lab", observation)])
    )
    assert found(pages) == {"gp/ada"}


@pytest.mark.parametrize(
    "number",
    [
        identifier(0, "03"),
        identifier(0) | {"use": "old"},
        {"system": "https://trust.example/mrn", "value": nhs_number(0)},
    ],
)
async def test_nobody_is_found_by_a_number_that_is_not_verified_old_or_another(
    number: Resource,
) -> None:
    other = trust("b", a_patient("x", identifier=[number]), an_observation("o", "x"))
    pages = await asked(PRESSURE, parties([trust("a", a_patient("ada", 0)), other]))
    assert found(pages) == {"b/x"}


async def test_who_has_no_number_is_found_where_both_are_unless_the_hub_has_to_decide() -> None:
    both = trust("both", a_patient("x"), an_observation("o", "x"))
    gp = trust("gp", a_patient("ada", 0))

    open_to_all = await asked(PRESSURE, parties([both, gp]))
    decided = await asked(PRESSURE, parties([both, gp], cleared=True))

    assert (found(open_to_all), told(open_to_all, "both")) == ({"both/x"}, ("ok", ""))
    assert found(decided) == set()
    state, problem = told(decided, "both")
    assert (state, "1 that match name somebody who has no verified" in problem) == ("partial", True)


async def test_one_that_cannot_tell_who_is_meant_is_told_of_all_that_hold_patients() -> None:
    gp, laboratory = parties([trust("gp", a_patient("ada", 0)), trust("lab")])
    members = [gp, replace(laboratory, line=Line(laboratory.line.member, Refusing(""), lambda: 0))]

    pages = await asked(PRESSURE, members)

    state, problem = told(pages, "gp")
    assert (state, "lab unauthorised" in problem) == ("partial", True)
    assert pages[-1].total.known is None


async def test_of_too_many_each_member_tells_its_own_page_by_page_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(referring, "MOST_SOURCES", 4)
    people = [a_patient(f"p{each}", each) for each in range(9)]
    busy = trust("busy", *people, *(an_observation(f"o{each}", f"p{each}") for each in range(9)))
    gp = trust("gp", a_patient("ada", 8))

    pages = await asked(f"{PRESSURE}&_count=2", parties([busy, gp]))

    assert found(pages) == {f"busy/p{each}" for each in range(9)}
    assert {told(pages, each)[0] for each in ("busy", "gp")} == {"partial"}
    assert "over 4 match" in told(pages, "gp")[1]


async def test_a_member_that_cannot_be_asked_for_numbers_says_so() -> None:
    deaf = trust("deaf", a_patient("ada", 0), declared=CODES - {"identifier"})
    hospital = trust("hospital", a_patient("x", 0), an_observation("o", "x"))
    pages = await asked(PRESSURE, parties([deaf, hospital]))
    assert found(pages) == {"hospital/x"}
    assert "does not declare identifier" in told(pages, "deaf")[1]


async def test_several_of_them_have_to_hold_of_the_same_person() -> None:
    gp = trust("gp", a_patient("ada", 0), a_patient("bob", 1))
    one = trust(
        "one",
        a_patient("x", 0),
        a_patient("y", 1),
        an_observation("o", "x"),
        an_observation("p", "y"),
    )
    two = trust("two", a_patient("z", 0), an_observation("q", "z", code=OTHER))
    query = f"{PRESSURE}&_has:Observation:subject:code=9279-1"
    pages = await asked(query, parties([gp, one, two]))
    assert found(pages) == {"gp/ada", "one/x", "two/z"}


async def test_one_member_alone_is_asked_as_it_was() -> None:
    members = parties([trust("gp", a_patient("ada", 0))])
    assert await joined(question(PRESSURE), members, Shapes(lambda: 0)) == members


def random_trusts(random: Random) -> list[Trust]:
    """Return members that know some of the same people, and have Observations of them."""
    found = []
    for name in ("a", "b", "c")[: random.randint(2, 3)]:
        people = random.sample(range(5), random.randint(0, 5))
        held: list[Resource] = [
            a_patient(f"p{each}", random.choice((each, each, None))) for each in people
        ]
        held += [
            an_observation(
                f"o{each}",
                f"p{random.choice(people)}",
                code=random.choice((OTHER, an_observation("", "")["code"])),
            )
            for each in range(random.randint(0, 4))
            if people
        ]
        declared = CODES - frozenset(random.sample(("code", "status"), random.randint(0, 1)))
        found.append(Trust(name, held, random.choice((1, 3, 100)), declared))
    return found


def whole(trusts: Sequence[Trust]) -> set[str]:
    """Return who is found where all is on one server, and people with the same number are one."""
    people = {
        f"{each.name}/{one['id']}": next(
            (i["value"] for i in one.get("identifier", ())), f"{each.name}/{one['id']}"
        )
        for each in trusts
        for one in each.resources
        if one["resourceType"] == "Patient"
    }
    meant = {
        people[f"{each.name}/{one['subject']['reference'].rpartition('/')[2]}"]
        for each in trusts
        for one in each.resources
        if one["resourceType"] == "Observation" and one["code"] != OTHER
    }
    return {name for name, person in people.items() if person in meant}


@pytest.mark.parametrize("part", range(4))
async def test_what_is_found_is_what_one_server_finds_however_people_are_spread(part: int) -> None:
    for seed in range(part * 25, part * 25 + 25):
        random = Random(seed)
        trusts = random_trusts(random)
        members = parties(trusts)
        expected = whole(trusts)

        pages = await asked(f"{PRESSURE}&_count={random.choice((1, 2, 20))}", members)
        asking = question(PRESSURE)
        counted = await federated_count(asking, await joined(asking, members, Shapes(lambda: 0)))

        partial = any(each.state != "ok" for each in pages[0].accounts)
        assert found(pages) <= expected
        assert found(pages) == expected or partial, seed
        assert counted.total.known == (None if partial else len(expected)), seed
