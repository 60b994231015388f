"""Clients that want the same thing at the same moment, over HTTP, against one process and several."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from tests.support.nodes import Node, running_node

JSON = {"Content-Type": "application/fhir+json"}


@pytest.fixture(scope="module", params=[1, 4], ids=["one-process", "four-processes"])
def node(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Node]:
    store = tmp_path_factory.mktemp("races") / "node.db"
    with running_node(store, "--workers", str(request.param)) as running:
        yield running
        assert running.failures() == []


@asynccontextmanager
async def clients(node: Node, number: int) -> AsyncIterator[Sequence[httpx2.AsyncClient]]:
    """Return clients with a connection each, so that workers share them out."""
    opened = [httpx2.AsyncClient(base_url=node.url) for _ in range(number)]
    # Each connects before the race, so that it is one.
    await asyncio.gather(*(each.get("/Patient/nobody") for each in opened))
    try:
        yield opened
    finally:
        await asyncio.gather(*(each.aclose() for each in opened))


async def at_once(
    requests: Sequence[Coroutine[Any, Any, httpx2.Response]],
) -> Sequence[httpx2.Response]:
    return await asyncio.gather(*requests)


def a_counter(count: int) -> dict[str, Any]:
    return {
        "resourceType": "Basic",
        "id": "counter",
        "code": {"text": "counter"},
        "identifier": [{"system": "urn:count", "value": str(count)}],
    }


async def test_of_64_equal_conditional_creates_one_creates(node: Node) -> None:
    patient = {
        "resourceType": "Patient",
        "identifier": [{"system": "urn:race", "value": "one"}],
    }
    condition = {"If-None-Exist": f"identifier={quote('urn:race|one')}"}

    async with clients(node, 64) as racers:
        answers = await at_once(
            [each.post("/Patient", json=patient, headers=JSON | condition) for each in racers]
        )
        found = await racers[0].get("/Patient", params={"identifier": "urn:race|one"})

    assert Counter(each.status_code for each in answers) == {201: 1, 200: 63}
    assert len({each.json()["id"] for each in answers}) == 1
    assert len(found.json()["entry"]) == 1


async def test_of_writers_that_expect_the_same_version_one_wins(node: Node) -> None:
    address = "/Patient/if-match"
    patient = {"resourceType": "Patient", "id": "if-match"}

    async with clients(node, 8) as racers:
        await racers[0].put(address, json=patient, headers=JSON)
        for version in range(1, 21):
            answers = await at_once(
                [
                    each.put(
                        address,
                        json=patient | {"birthDate": f"{1900 + version}-01-{number + 1:02}"},
                        headers=JSON | {"If-Match": f'W/"{version}"'},
                    )
                    for number, each in enumerate(racers)
                ]
            )
            assert Counter(each.status_code for each in answers) == {200: 1, 412: 7}
        history = await racers[0].get(f"{address}/_history?_count=100")

    versions = [each["resource"]["meta"]["versionId"] for each in history.json()["entry"]]
    assert versions == [str(number) for number in range(21, 0, -1)]


async def test_no_increment_of_a_counter_is_lost(node: Node) -> None:
    increments, racers_number = 5, 16

    async def increment(client: httpx2.AsyncClient) -> None:
        done = 0
        while done < increments:
            read = await client.get("/Basic/counter")
            count = int(read.json()["identifier"][0]["value"])
            expected = JSON | {"If-Match": read.headers["etag"]}
            wrote = await client.put("/Basic/counter", json=a_counter(count + 1), headers=expected)
            assert wrote.status_code in {200, 412}, wrote.text
            done += wrote.status_code == 200

    async with clients(node, racers_number) as racers:
        await racers[0].put("/Basic/counter", json=a_counter(0), headers=JSON)
        await asyncio.gather(*(increment(each) for each in racers))
        read = await racers[0].get("/Basic/counter")

    assert read.json()["identifier"][0]["value"] == str(increments * racers_number)
    assert read.headers["etag"] == f'W/"{increments * racers_number + 1}"'


async def test_of_transactions_that_race_for_a_slot_one_books_it(node: Node) -> None:
    def booking(number: int) -> dict[str, Any]:
        busy = {"resourceType": "Basic", "id": "slot", "code": {"text": f"busy {number}"}}
        appointment = {
            "resourceType": "Basic",
            "code": {"text": "appointment"},
            "identifier": [{"system": "urn:booking", "value": str(number)}],
        }
        return {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [
                {
                    "resource": busy,
                    "request": {"method": "PUT", "url": "Basic/slot", "ifMatch": 'W/"1"'},
                },
                {"resource": appointment, "request": {"method": "POST", "url": "Basic"}},
            ],
        }

    async with clients(node, 16) as racers:
        free = {"resourceType": "Basic", "id": "slot", "code": {"text": "free"}}
        await racers[0].put("/Basic/slot", json=free, headers=JSON)
        answers = await at_once(
            [
                each.post("", json=booking(number), headers=JSON)
                for number, each in enumerate(racers)
            ]
        )
        booked = await racers[0].get("/Basic", params={"identifier": "urn:booking|"})

    assert Counter(each.status_code for each in answers) == {200: 1, 412: 15}
    assert len(booked.json()["entry"]) == 1


async def test_mixed_readers_and_writers_are_all_answered(node: Node) -> None:
    async def work(client: httpx2.AsyncClient, number: int) -> list[int]:
        address = f"/Patient/mixed-{number % 4}"
        patient = {"resourceType": "Patient", "id": f"mixed-{number % 4}"}
        answers = []
        for turn in range(10):
            dated = patient | {"birthDate": f"19{number:02}-01-{turn + 1:02}"}
            answers.append(await client.put(address, json=dated, headers=JSON))
            answers.append(await client.get(address))
            answers.append(await client.get("/Patient", params={"_count": "5", "_sort": "-_id"}))
            answers.append(await client.get(f"{address}/_history", params={"_count": "3"}))
        return [each.status_code for each in answers]

    async with clients(node, 24) as racers:
        codes = await asyncio.gather(*(work(each, number) for number, each in enumerate(racers)))

    assert {code for each in codes for code in each} <= {200, 201}
