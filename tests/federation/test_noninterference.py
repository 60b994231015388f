"""What a hub leaves out makes no difference: answers are those of members that never held it, byte for byte."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import count
from random import Random

import pytest

from fhir_server.federation.answers import Match, MemberPage
from fhir_server.federation.cursors import packed_cursor, unpacked_cursor
from fhir_server.federation.joining import joined
from fhir_server.federation.search import (
    Federated,
    Party,
    Question,
    federated_count,
    federated_search,
)
from fhir_server.federation.sparing import Shapes
from fhir_server.fhir.json import dump
from fhir_server.fhir.resource import Resource
from fhir_server.rest.federated.pages import Shown, page_bytes
from fhir_server.rest.projection import Projector
from fhir_server.search.parsing import Query, parse_query
from tests.federation.trusts import Trusts, random_trusts
from tests.search.support import DEFINITIONS

SEARCHES = (
    "Patient?",
    "Patient?_sort=birthdate",
    "Patient?birthdate=ge1951&_sort=-birthdate",
    "Patient?_total=accurate",
    "Patient?_summary=count",
    "Patient?identifier=9990000018,9990000026",
    "Patient?_id=p0,p1,p2",
    "Observation?",
    "Observation?_sort=date",
    "Observation?_sort=-date&_include=Observation:subject",
    "Observation?code=8480-6&_total=accurate",
    "Observation?subject=Patient/p0",
    "Observation?status=final&_summary=count",
    "Observation?date=ge2024-01-02",
    "Patient?_has:Observation:subject:code=8480-6",
    "Patient?_has:Observation:patient:status=final&_sort=birthdate",
    "Patient?_has:Observation:subject:date=ge2024-01-02&_summary=count",
    "Organization?",
    "Organization?_summary=count",
)
HEADERS = {"accept": "application/fhir+json"}
SCRIPTS = 72
MILLISECONDS = count()
"""A time for each account, none of them twice."""


async def answers(trusts: Trusts, script: Sequence[str]) -> list[bytes]:
    """Return all pages of all searches, and what a read of each address comes to."""
    found = [page for asked in script for page in await pages(trusts, asked)]
    return found + await reads(trusts)


async def pages(trusts: Trusts, asked: str) -> list[bytes]:
    kind, _, criteria = asked.partition("?")
    pairs = tuple(tuple(each.split("=", 1)) for each in criteria.split("&") if each)
    query = parse_query(kind, pairs, DEFINITIONS, now=0)  # type: ignore[arg-type]
    until = asyncio.get_running_loop().time() + 60
    question = Question(query, kind, DEFINITIONS, HEADERS, 0, until)
    parties = await joined(
        question, [each.party(trusts.judge()) for each in trusts.members], Shapes(lambda: 0)
    )
    if query.only_count:
        return [written(asked, await federated_count(question, parties))]
    return [written(asked, each) for each in await followed(question, query, parties)]


async def followed(question: Question, query: Query, parties: Sequence[Party]) -> list[Federated]:
    found = [await federated_search(question, parties)]
    while (cursor := found[-1].cursor) is not None:
        assert len(found[-1].taken) == query.count, "only the last page is not full"
        assert len(found) < 100, "it goes on for ever"
        kept = unpacked_cursor(packed_cursor(cursor))
        found.append(await federated_search(question, parties, kept))
    return found


def written(asked: str, found: Federated) -> bytes:
    """Return a page as a client gets it, whatever time each member took, but for the name of the next page."""
    for each in found.accounts:
        each.milliseconds = next(MILLISECONDS)
    address, projector = f"https://hub.example/federated/{asked}", Projector(DEFINITIONS)
    shown = Shown("a-page", 0, address, (), projector, None, b"a key", cleared=True)
    following = None if found.cursor is None else "next"
    missing = None if found.missing is None else "missing"
    return page_bytes(shown, found, following=following, missing=missing)


async def reads(trusts: Trusts) -> list[bytes]:
    """Return what is read at each address that there could be: nothing where it is hidden, or absent."""
    until = asyncio.get_running_loop().time() + 60
    found = []
    for member in trusts.members:
        clearing = member.party(trusts.judge()).clearing
        assert clearing is not None
        held = {
            f"{kind}/{each.record.id}": member.resources[each.rid]
            for kind, found_there in member.candidates.items()
            for each in found_there
        }
        for name in (
            *(f"Patient/p{each}" for each in range(6)),
            *(f"Observation/o{each}" for each in range(12)),
        ):
            page = await clearing.cleared(one(member.base, name, held), until=until)
            found.append(b"".join(each.resource for each in page.matches))
    return found


def one(base: str, name: str, held: Mapping[str, Resource]) -> MemberPage:
    kind, _, logical_id = name.partition("/")
    resource = held.get(name)
    matches = (
        () if resource is None else (Match(f"{base}/{name}", dump(resource), kind, logical_id),)
    )
    return MemberPage(matches, (), None, None, frozenset(), warned=False)


def a_script(random: Random) -> list[str]:
    counts = (1, 2, 3, 50)
    chosen = random.sample(SEARCHES, 4)
    return [
        each if "_summary" in each else f"{each}&_count={random.choice(counts)}".replace("?&", "?")
        for each in chosen
    ]


async def check(seed: int) -> bool:
    """Compare the answers with those of the erased copy; tell whether anything was hidden."""
    random = Random(seed)
    trusts = random_trusts(random)
    script = a_script(random)
    erased = trusts.erased()
    assert await answers(trusts, script) == await answers(erased, script), f"seed {seed}: {script}"
    held = [sum(len(each.resources) for each in one.members) for one in (trusts, erased)]
    return held[0] > held[1]


@pytest.mark.parametrize("part", range(6))
async def test_answers_are_those_of_members_without_what_is_hidden(part: int) -> None:
    several = SCRIPTS // 6
    hid = [await check(seed) for seed in range(part * several, (part + 1) * several)]
    assert sum(hid) > several // 2, "most of the cases hide something"
