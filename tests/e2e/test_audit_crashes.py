"""A server that is killed loses no event that it answered for, and its log stays whole."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
import pytest

from fhir_server.audit.event import Event, decoded
from fhir_server.storage.sqlite.verifying import verified
from fhir_server.storage.upkeep import Broken
from tests.storage.conftest import open_sqlite
from tests.support.nodes import Node, running_node

CLIENTS = 8
ANSWERS = 300
ROUNDS = 3


async def asked_until(node: Node, end: str, round_: int) -> tuple[set[str], set[str]]:
    """Read and write until so much is answered, then end the server; return what was answered of each."""
    read: set[str] = set()
    written: set[str] = set()

    async def ask(client: httpx2.AsyncClient, name: str) -> None:
        number = 0
        try:
            while True:
                number += 1
                given = {"x-request-id": f"{round_}-{name}-{number}"}
                if number % 2:
                    body = {"resourceType": "Patient", "id": name, "active": number % 4 == 1}
                    answer = await client.put(f"/Patient/{name}", json=body, headers=given)
                    written.add(answer.headers["x-request-id"])
                else:
                    answer = await client.get(f"/Patient/{name}", headers=given)
                    read.add(answer.headers["x-request-id"])
                if len(read) + len(written) == ANSWERS:
                    # While the others' requests are on their way.
                    node.process.terminate() if end == "terminate" else node.kill()
        except httpx2.TransportError:
            return

    limits = httpx2.Limits(max_connections=CLIENTS)
    async with httpx2.AsyncClient(base_url=node.url, limits=limits) as client:
        await asyncio.gather(*(ask(client, f"client-{each}") for each in range(CLIENTS)))
    await asyncio.to_thread(node.process.wait, 45)
    return read, written


async def events_in(folder: Path) -> list[Event]:
    async with open_sqlite(folder) as store:
        extent = await store.audit_log.extent()
        return [decoded(each) for each in await store.audit_log.entries(0, extent.last)]


@pytest.mark.parametrize(
    ("audit", "workers", "end", "reads_survive"),
    [
        ("on", 1, "kill", False),
        ("on", 1, "terminate", True),
        ("strict", 1, "kill", True),
        ("strict", 2, "kill", True),
    ],
)
async def test_what_was_answered_is_in_the_log(
    tmp_path: Path, audit: str, workers: int, end: str, *, reads_survive: bool
) -> None:
    read: set[str] = set()
    written: set[str] = set()
    for round_ in range(ROUNDS):
        flags = ("--audit", audit, "--workers", str(workers))
        with running_node(tmp_path / "store.db", *flags) as node:
            more_read, more_written = await asked_until(node, end, round_)
        read |= more_read
        written |= more_written

    found = {each.request_id for each in await events_in(tmp_path)}
    broken = [each for each in verified(tmp_path / "store.db") if isinstance(each, Broken)]

    assert broken == []
    assert written - found == set()
    if reads_survive:
        assert read - found == set()
    assert len(written) >= ROUNDS
