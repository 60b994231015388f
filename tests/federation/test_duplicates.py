"""Duplicates are shown once where that is asked for, whoever holds them, and each is named; nothing else is left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from fhir_server.demonstration.identifiers import nhs_number
from fhir_server.federation import search
from fhir_server.federation.answers import Match
from fhir_server.federation.duplicates import Duplicates, Mode
from fhir_server.federation.search import Federated, federated_search
from fhir_server.federation.transport import Failed
from fhir_server.fhir.errors import TooCostly
from fhir_server.fhir.json import dump
from fhir_server.fhir.resource import Resource
from fhir_server.policy.personal import NHS_NUMBER
from tests.federation.fakes import FakeMember, no_fault
from tests.federation.test_search import (
    SORTS,
    all_pages,
    all_pages_from,
    emitted,
    fails_at,
    observation,
    question,
    values_of,
)

SYSTEM, OTHER = "urn:accession", "urn:other"
BY_IDENTIFIER = Duplicates("identifier", (SYSTEM,))
NUMBER = nhs_number(1)


def match(*identifiers: Resource, kind: str = "Observation", **more: object) -> Match:
    content = dump({"resourceType": kind, "id": "x", "identifier": list(identifiers), **more})
    return Match("https://a.example/x", content, kind, "x")


def an_identifier(system: str, value: object, **more: str) -> Resource:
    return {"system": system, "value": value, **more}


def key(found: Match, *systems: str) -> str | None:
    same = Duplicates("identifier", systems or (SYSTEM, OTHER)).same
    assert same is not None
    return same(found)


@pytest.mark.parametrize(
    "identifier",
    [
        an_identifier("urn:not-trusted", "1"),
        an_identifier(SYSTEM, ""),
        an_identifier(SYSTEM, 1),
        an_identifier(SYSTEM, "1", use="old"),
        {"value": "1"},
        {},
    ],
)
def test_what_identifies_nothing_makes_nothing_the_same(identifier: Resource) -> None:
    assert key(match(identifier)) is None


def test_a_number_that_is_no_nhs_number_makes_nobody_the_same() -> None:
    assert key(match(an_identifier(NHS_NUMBER, "1234567890"), kind="Patient"), NHS_NUMBER) is None
    spaced = f"{NUMBER[:3]} {NUMBER[3:6]} {NUMBER[6:]}"
    plain = match(an_identifier(NHS_NUMBER, NUMBER), kind="Patient")
    written = match(an_identifier(NHS_NUMBER, spaced), kind="Patient")
    assert key(plain, NHS_NUMBER) == key(written, NHS_NUMBER) is not None


def test_each_goes_by_one_identifier_of_the_most_trusted_system() -> None:
    both = match(an_identifier(OTHER, "2"), an_identifier(SYSTEM, "1"))
    assert key(both) == key(match(an_identifier(SYSTEM, "1")))
    assert key(both) != key(match(an_identifier(OTHER, "2")))
    assert key(match(an_identifier(SYSTEM, "1"), kind="Specimen")) != key(both)


def test_without_a_list_the_one_identifier_counts() -> None:
    content = dump({"resourceType": "Composition", "identifier": an_identifier(SYSTEM, "1")})
    assert key(Match("x", content, "Composition", "x")) is not None
    assert key(Match("x", b'{"resourceType":"Composition","identifier":7}', "x", "x")) is None


def shared(random: Random, mode: Mode) -> list[FakeMember]:
    """Return members that hold much of the same."""
    members: list[list[Resource]] = [[] for _ in range(random.randint(2, 8))]
    for number in range(random.randint(5, 40)):
        each = observation(random, number)
        if mode == "identical":
            holding = random.sample(members, random.randint(1, min(3, len(members))))
        else:
            holding = [random.choice(members)]
            if random.random() < 0.8:
                each["identifier"] = [an_identifier(SYSTEM, f"{number % 12}")]
        for part in holding:
            part.append(each)
    found = [FakeMember(f"m{number}", part) for number, part in enumerate(members)]
    for member in found:
        member.largest_page = random.choice((1, 3, 1000))
    return found


def class_of(resource: Resource, mode: Mode) -> str:
    """Return what a resource has in common with its duplicates, reckoned in another way than by the hub."""
    if mode == "identifier" and "identifier" in resource:
        return str(resource["identifier"][0]["value"])
    return f"only {resource['id']}"


def accounted(pages: list[Federated]) -> list[str]:
    """Return the addresses of all that is shown, or named as a duplicate."""
    named = [each.full_url for page in pages for taken in page.taken for each in taken.also]
    return [*emitted(pages), *named, *(each.full_url for page in pages for each in page.left_out)]


@pytest.mark.parametrize("mode", ["identical", "identifier"])
@pytest.mark.parametrize("part", range(2))
async def test_any_partition_shows_each_thing_once_and_names_the_others(
    mode: Mode, part: int
) -> None:
    for seed in range(part * 25, part * 25 + 25):
        random = Random(seed)
        members = shared(random, mode)
        asked = question(f"_count={random.choice((1, 2, 7))}&_sort={random.choice(SORTS[1:])}")
        asked = replace(asked, duplicates=Duplicates(mode, (SYSTEM,)))
        parties = [each.party() for each in members]

        pages = await all_pages(asked, parties)

        held = {
            f"{member.base}/Observation/{each['id']}": each
            for member in members
            for each in member.resources
        }
        found = emitted(pages)
        classes = [class_of(held[each], mode) for each in found]
        assert sorted(classes) == sorted({class_of(each, mode) for each in held.values()})
        assert Counter(accounted(pages)) == Counter([*held])
        whole = await all_pages(
            replace(
                question(f"_count=1000&_sort={_sort(asked.query.applied)}"),
                duplicates=asked.duplicates,
            ),
            parties,
        )
        assert values_of(members, asked.query, found) == values_of(
            members, asked.query, emitted(whole)
        )


def _sort(pairs: tuple[tuple[str, str], ...]) -> str:
    return dict(pairs)["_sort"]


async def test_each_is_shown_where_nobody_asked_for_less() -> None:
    members = shared(Random(1), "identical")
    pages = await all_pages(question("_count=5"), [each.party() for each in members])
    assert len(emitted(pages)) == sum(len(each.resources) for each in members)


async def test_what_was_missing_shows_no_duplicate_when_it_comes() -> None:
    members = shared(Random(2), "identifier")
    members[0].fault = fails_at(0, Failed("error", ""))
    asked = replace(question("_count=4"), duplicates=BY_IDENTIFIER)
    parties = [each.party() for each in members]
    pages = await all_pages(asked, parties)
    members[0].fault = no_fault
    later = await all_pages_from(asked, parties, pages[-1].missing)
    held = {
        f"{member.base}/Observation/{each['id']}": each
        for member in members
        for each in member.resources
    }
    classes = [class_of(held[each], "identifier") for each in emitted([*pages, *later])]
    assert len(classes) == len(set(classes))


async def test_a_total_is_told_of_what_is_shown_or_not_at_all() -> None:
    members = shared(Random(3), "identifier")
    parties = [each.party() for each in members]
    many, few = question("_count=1000&_total=accurate"), question("_count=2&_total=accurate")
    whole = await federated_search(replace(many, duplicates=BY_IDENTIFIER), parties)
    part = await federated_search(replace(few, duplicates=BY_IDENTIFIER), parties)
    assert whole.total.known == len(whole.taken)
    assert (part.total.known, part.total.least) == (None, 2)


async def test_more_than_is_remembered_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MOST_SEEN", 5)
    members = shared(Random(4), "identical")
    asked = replace(question("_count=6"), duplicates=Duplicates("identical"))
    with pytest.raises(TooCostly, match="first 5 matches"):
        await all_pages(asked, [each.party() for each in members])
