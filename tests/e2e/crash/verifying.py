"""Hold what a server has after a crash against what it acknowledged before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

import httpx2
import msgspec

from tests.e2e.crash.ledger import Acknowledged, Address, digest
from tests.e2e.crash.writing import pair_of
from tests.support.patience import PATIENCE

AT_ONCE = 8
_PAGE = 1000


class _Link(msgspec.Struct):
    relation: str
    url: str


class _Response(msgspec.Struct):
    etag: str


class _Entry(msgspec.Struct):
    response: _Response
    resource: msgspec.Raw = msgspec.Raw(b"")


class _History(msgspec.Struct):
    entry: list[_Entry] = []
    link: list[_Link] = []


_histories = msgspec.json.Decoder(_History)


async def problems_with(
    url: str,
    writes: Iterable[Acknowledged],
    highest: Mapping[Address, int],
    writers: Sequence[str],
) -> list[str]:
    """Return all in which a server differs from what it acknowledged."""
    turns = asyncio.Semaphore(AT_ONCE)
    async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE) as client:

        async def looked_at(looking: AsyncIterator[str]) -> list[str]:
            async with turns:
                return [problem async for problem in looking]

        found = await asyncio.gather(
            *(looked_at(_version(client, each)) for each in writes),
            *(looked_at(_history(client, *each)) for each in highest.items()),
            *(looked_at(_pair(client, *pair_of(each))) for each in writers),
        )
    return [problem for each in found for problem in each]


async def _version(client: httpx2.AsyncClient, write: Acknowledged) -> AsyncIterator[str]:
    answer = await client.get(f"/{write.address}/_history/{write.version}")
    told = f"{write.address} version {write.version}"
    if write.digest is None:
        if answer.status_code != 410:
            yield f"{told}: acknowledged as deleted, read with {answer.status_code}"
    elif answer.status_code != 200:
        yield f"{told}: acknowledged, read with {answer.status_code}"
    elif digest(answer.content) != write.digest:
        yield f"{told}: acknowledged with other bytes"


async def _history(
    client: httpx2.AsyncClient, address: Address, highest: int
) -> AsyncIterator[str]:
    entries = [each async for each in _entries(client, address)]
    versions = [int(each.response.etag[3:-1]) for each in entries]
    if versions != list(range(len(versions), 0, -1)):
        yield f"{address}: its history is {versions}"
    elif len(versions) < highest:
        yield f"{address}: version {highest} was acknowledged, {len(versions)} is current"
    current = await client.get(f"/{address}")
    newest = bytes(entries[0].resource) if entries else b""
    if (current.content if current.is_success else b"") != newest:
        yield f"{address}: its current version is not the newest of its history"


async def _entries(client: httpx2.AsyncClient, address: Address) -> AsyncIterator[_Entry]:
    following: str | None = f"/{address}/_history?_count={_PAGE}"
    while following:
        answer = await client.get(following)
        page = _histories.decode(answer.content if answer.is_success else b"{}")
        for entry in page.entry:
            yield entry
        following = next((each.url for each in page.link if each.relation == "next"), None)


async def _pair(client: httpx2.AsyncClient, left: Address, right: Address) -> AsyncIterator[str]:
    versions = [(await client.get(f"/{each}")).headers.get("etag") for each in (left, right)]
    if versions[0] != versions[1]:
        yield f"{left} and {right}, written in transactions alone, have versions {versions}"
