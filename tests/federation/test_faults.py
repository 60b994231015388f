"""Members over real sockets that do everything wrong in a search: each ends as what it is, and the others are whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from fhir_server.federation.answers import MOST_ENTRIES, BadAnswer, member_page
from fhir_server.federation.destinations import Destinations, networks_of
from fhir_server.federation.http import HttpTransport
from fhir_server.federation.hub import declared
from fhir_server.federation.lines import Line
from fhir_server.federation.members import Capabilities, Member, capabilities_of
from fhir_server.federation.pools import Pools
from fhir_server.federation.search import Federated, Party, federated_search
from fhir_server.fhir.json import dump
from fhir_server.fhir.resource import Resource
from tests.federation.fakes import CODES
from tests.federation.test_http import (
    JSON,
    LARGEST,
    TALKS,
    Talk,
    answering,
    silence,
    slow_loris,
)
from tests.federation.test_search import question
from tests.search.support import EXTRACTOR

OK = "HTTP/1.1 200 OK"
GOOD = 3
FOREIGN = (
    "http://127.0.0.1:1/fhir/Observation?page=2",
    "//other.example/fhir?page=2",
    "http://other.example/fhir/Observation",
    "http://127.0.0.1@other.example/fhir/Observation?page=2",
    "http://127.0.0.1.other.example/fhir/Observation?page=2",
    "/admin?page=2",
    "/fhirevil/Observation?page=2",
    "../admin?page=2",
    "%2e%2e/%2e%2e/admin?page=2",
    "?page=2#elsewhere",
    "file:///etc/passwd",
)
"""Next pages that no search may lead to."""


def an_observation(number: int, **more: Any) -> Resource:
    return {
        "resourceType": "Observation",
        "id": f"o{number}",
        "effectiveDateTime": f"2024-01-{28 - number:02}",
        **more,
    }


def bundle(*resources: Resource, following: str | None = None, **more: Any) -> bytes:
    links = [] if following is None else [{"relation": "next", "url": following}]
    entries = [{"resource": each} for each in resources]
    told = {"resourceType": "Bundle", "type": "searchset", "link": links, "entry": entries}
    return dump(told | more)


def pages(*bodies: bytes) -> Talk:
    """Return who answers each request with the next of these, and the last for ever."""
    asked: list[int] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = bodies[min(len(asked), len(bodies) - 1)]
        asked.append(1)
        await answering(OK, JSON, body=body)(reader, writer)

    return talk


TWO = bundle(an_observation(0), an_observation(1), following="?page=2")
BROKEN: Mapping[str, tuple[Talk, str, str]] = {
    **TALKS,
    "slow loris": (slow_loris, "timeout", ""),
    "silence": (silence, "timeout", ""),
    "no JSON": (answering(OK, JSON, body=b"<html>"), "error", "no Bundle"),
    "deep": (answering(OK, JSON, body=b'{"entry":' * 9_000), "error", "no Bundle"),
    "another type": (pages(b'{"resourceType":"Patient","type":"searchset"}'), "error", "searchset"),
    "a history": (pages(bundle(type="history")), "error", "searchset"),
    "without an id": (pages(bundle({"resourceType": "Observation"})), "error", "no id"),
    "what was not asked for": (
        pages(bundle({"resourceType": "Patient", "id": "x"})),
        "error",
        "not all of the type",
    ),
    "unreadable": (pages(bundle(an_observation(0, meta=5))), "error", "be read"),
    "the page itself": (
        pages(bundle(an_observation(0), following="?_sort=-date&_count=50")),
        "error",
        "the page itself",
    ),
    "a loop": (
        pages(TWO, bundle(an_observation(2), following="?page=1"), TWO),
        "error",
        "repeats",
    ),
    "a page that leads to itself": (pages(TWO), "error", "the page itself"),
    "pages that repeat": (
        pages(TWO, bundle(an_observation(1), following="?page=3")),
        "error",
        "repeats",
    ),
    "wrong order": (
        pages(bundle(an_observation(5), an_observation(1))),
        "order-violation",
        "",
    ),
    "wrong order on the next page": (
        pages(bundle(an_observation(5), following="?page=2"), bundle(an_observation(1))),
        "order-violation",
        "",
    ),
    "empty pages for ever": (
        pages(*(bundle(following=f"?page={each}") for each in range(80))),
        "error",
        "more than 50",
    ),
    **{
        f"next at {each}": (pages(bundle(following=each)), "error", "another address")
        for each in FOREIGN
    },
}


@asynccontextmanager
async def server(talk: Talk) -> AsyncIterator[str]:
    """Yield the base of a server that talks like this."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/fhir"
    finally:
        listening.close()


@asynccontextmanager
async def transport() -> AsyncIterator[HttpTransport]:
    async with Pools() as connections:
        destinations = Destinations(networks_of(["127.0.0.0/8"]))
        yield HttpTransport(connections, destinations, largest=LARGEST)


async def searched(broken: Talk) -> Federated:
    """Return a page of a search of one that is broken, and of two that are well."""
    well = bundle(*(an_observation(each) for each in range(GOOD)))
    async with AsyncExitStack() as stack:
        reached = await stack.enter_async_context(transport())
        parties = []
        for name, talk in (("a", pages(well)), ("broken", broken), ("z", pages(well))):
            base = await stack.enter_async_context(server(talk))
            member = Member(name, name, base, seconds=0.5 if talk in LATE else 30.0)
            line = Line(member, reached, lambda: 0)
            parties.append(Party(line, Capabilities({"Observation": CODES}), EXTRACTOR))
        return await federated_search(question("_count=50", seconds=60.0), parties)


LATE = (slow_loris, silence)
"""Who is waited for until its time is up."""


@pytest.mark.parametrize("name", BROKEN)
async def test_a_search_tells_each_fault_and_has_all_of_the_others(name: str) -> None:
    talk, state, told = BROKEN[name]

    found = await searched(talk)

    accounts = {each.member: each for each in found.accounts}
    assert [accounts[each].state for each in ("a", "broken", "z")] == ["ok", state, "ok"]
    assert told in accounts["broken"].problem
    for each in ("a", "z"):
        assert len([one for one in found.taken if one.member == each]) == GOOD
    assert not found.total.exact


async def test_a_page_that_changes_between_two_requests_loses_nothing_that_stays() -> None:
    first = bundle(an_observation(0), an_observation(1), an_observation(2))
    changed = bundle(an_observation(1), an_observation(2), an_observation(3))
    async with transport() as reached, server(pages(first, changed)) as base:
        line = Line(Member("m", "m", base, seconds=30.0), reached, lambda: 0)
        party = Party(line, Capabilities({"Observation": CODES}), EXTRACTOR)
        asked = question("_count=2", seconds=60.0)
        begun = await federated_search(asked, [party])
        rest = await federated_search(asked, [party], begun.cursor)
    assert ids(begun) == ["o0", "o1"]
    assert ids(rest) == ["o2", "o3"]


def ids(found: Federated) -> Sequence[str]:
    return [each.match.id for each in found.taken]


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ({"resourceType": "CapabilityStatement", "fhirVersion": "3.0.2"}, "speaks FHIR 3.0.2"),
        ({"resourceType": "CapabilityStatement", "fhirVersion": "5.0.0"}, "not R4"),
        ({"resourceType": "CapabilityStatement"}, "no CapabilityStatement"),
        ({"resourceType": "Patient", "fhirVersion": "4.0.1"}, "no CapabilityStatement"),
    ],
)
async def test_who_speaks_another_version_is_no_member(
    statement: Mapping[str, str], told: str
) -> None:
    async with transport() as reached, server(pages(dump(dict(statement)))) as base:
        answered = await declared(Member("m", "m", base, seconds=30.0), reached, lambda: 0)
    with pytest.raises(ValueError, match=told):
        capabilities_of(answered)


def test_more_entries_than_a_page_may_have_are_refused() -> None:
    resources = [an_observation(each % 28) for each in range(MOST_ENTRIES + 1)]
    base = "http://a.example/fhir"
    with pytest.raises(BadAnswer, match="more than 5000 entries"):
        member_page(bundle(*resources), asked=base, base=base, resource_type="Observation")
