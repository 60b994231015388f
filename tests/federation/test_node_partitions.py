"""Nodes as they are served, and one that holds all they have: asked as one they answer as it does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import httpx2 as httpx

from fhir_server.federation.lines import Line
from fhir_server.federation.members import Member, capabilities_of
from fhir_server.federation.search import Party
from fhir_server.federation.transport import Reply
from fhir_server.fhir.json import dump
from fhir_server.fhir.resource import Resource
from fhir_server.search.indexing import Extractor
from fhir_server.settings import Settings
from fhir_server.wiring import Node, application
from tests.federation.fakes import FakeMember
from tests.federation.test_search import (
    CRITERIA,
    SORTS,
    all_pages,
    emitted,
    expected,
    observation,
    question,
    values_of,
)
from tests.search.support import DEFINITIONS

MEMBERS, RESOURCES, CASES = 20, 80, 20
ORIGIN = "https://{}.example"


class InProcess:
    """A way to an application of this process."""

    def __init__(self, node: Node) -> None:
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(node))

    async def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        """Return what is at a URL."""
        return await self.send("GET", url, headers)

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes = b""
    ) -> Reply:
        """Return what a request is answered."""
        found = await self._client.request(method, url, headers=dict(headers), content=content)
        return Reply(found.status_code, dict(found.headers), found.content)


@asynccontextmanager
async def started(node: Node) -> AsyncIterator[Node]:
    """Keep a node open from start-up to shutdown."""
    said: asyncio.Queue[str] = asyncio.Queue()
    told: asyncio.Queue[str] = asyncio.Queue()

    async def receive() -> dict[str, Any]:
        return {"type": await told.get()}

    async def send(message: Any) -> None:
        await said.put(message["type"])

    living = asyncio.create_task(node({"type": "lifespan"}, receive, send))
    await told.put("lifespan.startup")
    assert await said.get() == "lifespan.startup.complete"
    yield node
    await told.put("lifespan.shutdown")
    await living


async def filled(name: str, node: Node, resources: Sequence[Resource]) -> Party:
    """Return a node that holds these as a member, by what it declares itself."""
    way, base = InProcess(node), f"{ORIGIN.format(name)}/fhir"
    entries = [
        {"resource": each, "request": {"method": "PUT", "url": f"Observation/{each['id']}"}}
        for each in resources
    ]
    bundle = dump({"resourceType": "Bundle", "type": "transaction", "entry": entries})
    sent = {"content-type": "application/fhir+json"}
    if entries:
        assert (await way.send("POST", base, sent, bundle)).status == 200
    declared = httpx.Response(200, content=(await way.get(f"{base}/metadata", {})).content).json()
    line = Line(Member(name, name, base, seconds=60.0), way, lambda: 0)
    return Party(line, capabilities_of(declared), Extractor(DEFINITIONS, base_url=base))


async def test_any_of_them_together_answer_as_one_server_with_all_they_have(tmp_path: Path) -> None:
    random = Random(20)
    parts: list[list[Resource]] = [[] for _ in range(MEMBERS)]
    for each in range(RESOURCES):
        random.choice(parts).append(observation(random, each))
    async with AsyncExitStack() as stack:
        members: list[tuple[Party, FakeMember]] = []
        for number, part in enumerate(parts):
            settings = Settings(store=f"sqlite:{tmp_path / str(number)}", auth="none")
            node = await stack.enter_async_context(started(application(settings)))
            name = f"m{number}"
            members.append((await filled(name, node, part), FakeMember(name, part)))
        for case in range(CASES):
            await check(Random(case), members)


async def check(random: Random, members: Sequence[tuple[Party, FakeMember]]) -> None:
    """Ask some of the members, and compare with what the oracle finds in all that they hold."""
    chosen = random.sample(members, random.randint(1, MEMBERS))
    parts = [random.choice(CRITERIA), f"_count={random.choice((3, 7, 50))}"]
    parts += [f"_sort={sort}" for sort in [random.choice(SORTS)] if sort]
    asked = question("&".join(filter(None, parts)))

    pages = await all_pages(asked, [party for party, _ in chosen])

    fakes = [fake for _, fake in chosen]
    found = emitted(pages)
    assert {each.state for page in pages for each in page.accounts} == {"ok"}, pages[-1].accounts
    assert len(set(found)) == len(found)
    assert values_of(fakes, asked.query, found) == expected(fakes, asked.query)
    assert pages[-1].total.known == len(found)
