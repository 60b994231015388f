"""SIGTERM while clients write, and Ctrl-C twice: what is in flight is finished, what was answered is kept."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.support.commands import typed
from tests.support.nodes import Node, running_node
from tests.support.patience import PATIENCE

IN_FLIGHT = 200


def a_transaction(number: int) -> dict[str, Any]:
    """Return two updates that are done together or not at all."""
    entries = [
        {
            "resource": {"resourceType": "Patient", "id": f"{side}-{number}", "active": True},
            "request": {"method": "PUT", "url": f"Patient/{side}-{number}"},
        }
        for side in ("left", "right")
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


async def stopped_amid_writes(node: Node) -> Mapping[int, int]:
    """Stop a node while each client has a transaction in flight; return the statuses of those answered."""
    answered: dict[int, int] = {}
    one_is_answered = asyncio.Event()

    async def write(client: httpx2.AsyncClient, number: int) -> None:
        with contextlib.suppress(httpx2.TransportError):
            answer = await client.post("", json=a_transaction(number), headers=headers)
            answered[number] = answer.status_code
            one_is_answered.set()

    headers = {"Content-Type": "application/fhir+json"}
    limits = httpx2.Limits(max_connections=IN_FLIGHT)
    async with (
        httpx2.AsyncClient(base_url=node.url, limits=limits) as client,
        asyncio.TaskGroup() as group,
    ):
        for number in range(IN_FLIGHT):
            group.create_task(write(client, number))
        await one_is_answered.wait()
        node.process.terminate()
    return answered


async def found_on(node: Node) -> Mapping[int, set[str]]:
    """Return which sides of each transaction a node has."""
    found: dict[int, set[str]] = {number: set() for number in range(IN_FLIGHT)}
    async with httpx2.AsyncClient() as client:
        following: str | None = f"{node.url}/Patient?_count=1000"
        while following:
            page = (await client.get(following)).json()
            for entry in page.get("entry", ()):
                side, _, number = entry["resource"]["id"].partition("-")
                found[int(number)].add(side)
            following = next(
                (each["url"] for each in page["link"] if each["relation"] == "next"), None
            )
    return found


@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_was_answered_before_the_end_is_there_after_it(workers: str, tmp_path: Path) -> None:
    store = tmp_path / "node.db"
    with running_node(store, "--workers", workers) as node:
        answered = asyncio.run(stopped_amid_writes(node))
        status = node.process.wait(PATIENCE)

    with running_node(store) as node:
        found = asyncio.run(found_on(node))

    assert status == 0
    assert set(answered.values()) <= {200, 503}
    done = {number for number, code in answered.items() if code == 200}
    assert done
    assert {number for number in done if found[number] != {"left", "right"}} == set()
    assert {len(sides) for sides in found.values()} <= {0, 2}
    checked = typed("check", "--store", f"sqlite:{store}")
    assert checked.returncode == 0, checked.stdout + checked.stderr


UNFINISHED = (
    b"PUT /fhir/Patient/a HTTP/1.1\r\nHost: a\r\nContent-Type: application/fhir+json\r\n"
    b"Content-Length: 1000\r\n\r\n{"
)


def wait_until_nobody_listens(address: tuple[str, int]) -> None:
    """Return once the address takes no connection any more; it is asked again without end, as the test has one."""
    with contextlib.suppress(ConnectionError):
        while True:
            socket.create_connection(address, PATIENCE).close()


def test_a_second_ctrl_c_cuts_off_what_is_in_flight_and_ends_without_a_word(tmp_path: Path) -> None:
    store = tmp_path / "node.db"
    with running_node(store) as node:
        parts = urlsplit(node.url)
        address = (parts.hostname or "", parts.port or 0)
        with socket.create_connection(address, PATIENCE) as client:
            client.sendall(UNFINISHED)
            httpx2.get(f"{node.url}/metadata").raise_for_status()
            node.process.send_signal(signal.SIGINT)
            wait_until_nobody_listens(address)
            node.process.send_signal(signal.SIGINT)
            status = node.process.wait(PATIENCE)
        log = node.log()

    assert status == 130
    assert "Traceback" not in log
    assert "Error" not in log
    # SQLite takes it away when the store is closed.
    assert not store.with_name("node.db-wal").exists()
