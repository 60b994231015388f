"""Members that have nobody whom a search names are not asked: no page tells, and nobody else is told whom it was about."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from random import Random

import pytest

from fhir_server.demonstration.identifiers import nhs_number
from fhir_server.federation.cursors import packed_cursor, unpacked_cursor
from fhir_server.federation.search import (
    Federated,
    Party,
    Question,
    federated_count,
    federated_search,
)
from fhir_server.federation.sparing import Shapes, spared, tell_as_of
from fhir_server.fhir.resource import Resource
from fhir_server.policy.personal import NHS_NUMBER
from fhir_server.rest.federated.pages import Shown, page_bytes
from fhir_server.rest.projection import Projector
from fhir_server.search.parsing import parse_query
from tests.federation.trusts import AS_OF, PEOPLE, Trust, Trusts, random_trusts
from tests.rest.trusting import a_patient, an_observation
from tests.search.support import DEFINITIONS

HEADERS = {"accept": "application/fhir+json"}
NAMING = (
    "Patient?identifier={}",
    "Patient?identifier={}&_sort=-birthdate",
    "Patient?identifier={}&_summary=count",
    "Patient?identifier={}&_total=accurate&birthdate=ge1951",
    "Patient?identifier={0}&identifier={0}",
    "Observation?subject:Patient.identifier={}",
    "Observation?patient:Patient.identifier={}&_sort=-date&_include=Observation:subject",
    "Observation?subject:Patient.identifier={}&status=final&_count=2",
    "Observation?subject:Patient.identifier={}&_summary=count",
)
"""Searches that name people by number; all declared by each of the members."""

CASES = 40
MILLISECONDS = count()
"""A time for each account, none of them twice."""


@dataclass
class Counting:
    """Counts who was not asked."""

    unasked: list[str] = field(default_factory=list)

    def began(self, member: str) -> None:
        """Take no note."""

    def ended(self, member: str, status: str, seconds: float) -> None:
        """Take no note."""

    def spared(self, member: str) -> None:
        """Take note."""
        self.unasked.append(member)


def shapes(random: Random, enough: int = 1) -> Shapes:
    return Shapes(lambda: AS_OF, Counting(), random, enough)


def question_of(asked: str) -> Question:
    kind, _, criteria = asked.partition("?")
    pairs = tuple(tuple(each.split("=", 1)) for each in criteria.split("&") if each)
    query = parse_query(kind, pairs, DEFINITIONS, now=0)  # type: ignore[arg-type]
    until = asyncio.get_running_loop().time() + 60
    return Question(query, kind, DEFINITIONS, HEADERS, 0, until)


async def pages(trusts: Trusts, asked: str, known: Shapes | None) -> list[Federated]:
    """Return all pages of a search, as the hub's base asks for them: with what is known of shapes, or of nobody."""
    question = question_of(asked)
    parties: Sequence[Party] = [each.party(trusts.judge()) for each in trusts.members]
    if known is not None:
        own = zip(parties, trusts.members, strict=True)
        located = [replace(party, persons=trust.index()) for party, trust in own]
        first = spared(question, located, known)
    else:
        first = parties
    if question.query.only_count:
        found = [await federated_count(question, first)]
    else:
        found = [await federated_search(question, first)]
        tell_as_of(found[0].accounts, first)
        while (cursor := found[-1].cursor) is not None:
            kept = unpacked_cursor(packed_cursor(cursor))
            found.append(await federated_search(question, parties, kept))
    tell_as_of(found[0].accounts, first)
    return found


def written(asked: str, found: Federated, *, as_of: bool = True) -> bytes:
    """Return a page as a client gets it, whatever time each member took, but for the name of the next page."""
    for each in found.accounts:
        each.milliseconds = next(MILLISECONDS)
        each.persons_as_of = each.persons_as_of if as_of else None
    address, projector = f"https://hub.example/federated/{asked}", Projector(DEFINITIONS)
    shown = Shown("a-page", 0, address, (), projector, None, bytes(32), cleared=True)
    following = None if found.cursor is None else "next"
    missing = None if found.missing is None else "missing"
    return page_bytes(shown, found, following=following, missing=missing)


def inside(number: int, name: str) -> Resource:
    """Return an Observation about a Patient that stands within it."""
    return an_observation(name, "x") | {
        "contained": [a_patient("p", number)],
        "subject": {"reference": "#p"},
    }


def with_some_inside(random: Random, trusts: Trusts) -> Trusts:
    """Return members some of whom know people within other resources alone."""
    members = [
        replace_resources(each, [*each.resources, inside(random.randrange(PEOPLE), "inside")])
        if random.random() < 0.5
        else each
        for each in trusts.members
    ]
    return Trusts(members, trusts.denied, trusts.purpose)


def replace_resources(trust: Trust, resources: Sequence[Resource]) -> Trust:
    return Trust(trust.name, resources, trust.largest_page, trust.declared, trust.denying)


def naming(random: Random) -> tuple[str, list[str]]:
    """Return a search that names one or two people, and their numbers."""
    numbers = [nhs_number(each) for each in random.sample(range(PEOPLE + 2), random.randint(1, 2))]
    values = ",".join(f"{NHS_NUMBER}|{each}" for each in numbers)
    return random.choice(NAMING).format(values), numbers


def holders(trusts: Trusts, numbers: Sequence[str]) -> set[str]:
    return {each.name for each in trusts.members if any(map(each.index().holds, numbers))}


def asked_since(trusts: Trusts, before: Mapping[str, int]) -> dict[str, list[str]]:
    return {each.name: each.asked[before[each.name] :] for each in trusts.members}


@pytest.mark.parametrize("part", range(4))
async def test_pages_are_those_of_asking_everyone_and_only_who_has_somebody_is_asked(
    part: int,
) -> None:
    for seed in range(part * CASES, (part + 1) * CASES):
        random = Random(seed)
        trusts = with_some_inside(random, random_trusts(random))
        asked, numbers = naming(random)
        known = shapes(random)
        expected = [written(asked, each) for each in await pages(trusts, asked, None)]
        for turn in range(3):
            before = {each.name: len(each.asked) for each in trusts.members}
            found = await pages(trusts, asked, known)

            assert all(
                account.persons_as_of == AS_OF for page in found for account in page.accounts
            ), asked
            got = [written(asked, each, as_of=False) for each in found]
            assert got == expected, f"seed {seed}: {asked}"
            requests = asked_since(trusts, before)
            have = holders(trusts, numbers)
            for name, urls in requests.items():
                if name not in have:
                    told = [url for url in urls for number in numbers if number in url]
                    assert not told, f"seed {seed}: {name} was told of somebody it does not know"
            if turn:
                asked_there = {name for name, urls in requests.items() if urls}
                assert asked_there == have, f"seed {seed}: {asked}"


@pytest.mark.parametrize("part", range(2))
async def test_who_is_hidden_is_as_who_is_not_there_byte_for_byte(part: int) -> None:
    hid = 0
    for seed in range(part * CASES, (part + 1) * CASES):
        random = Random(seed)
        trusts = random_trusts(random)
        erased = trusts.erased()
        asked, _ = naming(random)
        of_both = []
        for each in (trusts, erased):
            known = shapes(Random(seed))
            of_both.append(
                [
                    [written(asked, page) for page in await pages(each, asked, known)]
                    for _ in range(3)
                ]
            )
        assert of_both[0] == of_both[1], f"seed {seed}: {asked}"
        hid += [len(each.asked) for each in trusts.members] != [
            len(each.asked) for each in erased.members
        ]
    assert hid > 5, "some of the cases hide somebody from whom a member is asked because of it"
