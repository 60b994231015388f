"""A node whose MongoDB is away, lost, or does not let it in: what clients, operators and load balancers are told."""

from __future__ import annotations

import asyncio
import subprocess
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.e2e.test_mongo import ADA
from tests.support import mongo
from tests.support.nodes import Node, command, running_node
from tests.support.patience import PATIENCE
from tests.support.proxy import proxied

SOON = "serverSelectionTimeoutMS=500&directConnection=true"


def ended(url: str, *options: str) -> subprocess.CompletedProcess[str]:
    return command("serve", "--auth", "none", "--port", "0", "--store", url, *options)


def test_a_wrong_password_ends_the_node_at_once_with_a_line_that_does_not_repeat_it() -> None:
    process, address = mongo.started("--auth")
    try:
        refused = ended(address.replace("//", "//ada:secret@"))
    finally:
        mongo.ended(process)

    assert refused.returncode == 1
    (told,) = refused.stderr.splitlines()
    assert "MongoDB refuses the user or password" in told
    assert "secret" not in refused.stderr


@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_that_does_not_come_in_time_ends_the_node_with_the_reason(workers: int) -> None:
    url = f"mongodb://ada:secret@127.0.0.1:{mongo.free_port()}/x?{SOON}"

    given_up = ended(url, "--store-wait-seconds", "0.1", "--workers", str(workers))

    assert given_up.returncode == 1
    # One of two workers may end before the other is there: nothing is announced then.
    assert workers > 1 or given_up.stdout.startswith("FHIR R4 at http://127.0.0.1:")
    told = [each for each in given_up.stderr.splitlines() if not each.startswith("{")]
    assert len(told) == 1
    assert "MongoDB cannot be reached: 127.0.0.1:" in told[0]
    assert "secret" not in given_up.stderr


def test_a_node_whose_server_is_away_listens_says_so_and_serves_once_it_comes(
    tmp_path: Path,
) -> None:
    port = mongo.free_port()
    url = f"mongodb://127.0.0.1:{port}/x?{SOON}"
    with running_node(url) as node:
        live = httpx2.get(f"{node.origin}/health/live")
        ready = httpx2.get(f"{node.origin}/health/ready")
        away = httpx2.put(f"{node.url}/Patient/ada", json=ADA)
        page = httpx2.get(f"{node.origin}/")
        process, _ = mongo.started(port=port)
        try:
            until_ready(node)
            created = httpx2.put(f"{node.url}/Patient/ada", json=ADA)
        finally:
            mongo.ended(process)
        said = node.log()

    assert [live.status_code, ready.status_code, page.status_code] == [200, 503, 503]
    assert away.status_code == 503
    assert away.headers["retry-after"] == "2"
    assert away.json()["issue"][0]["code"] == "transient"
    assert created.status_code == 201
    assert '"event":"store_awaited"' in said
    assert "Connect call failed" in said


def until_ready(node: Node) -> None:
    until = monotonic() + PATIENCE
    while httpx2.get(f"{node.origin}/health/ready").status_code != 200:
        assert monotonic() < until, "the node does not become ready"


async def test_a_node_whose_server_is_lost_says_so_and_goes_on_when_it_is_back(
    tmp_path: Path,
) -> None:
    with mongo.database(tmp_path) as address:
        parts = urlsplit(address)
        assert parts.hostname
        async with (
            proxied(parts.hostname, parts.port or 27_017) as proxy,
            AsyncExitStack() as stack,
        ):
            url = f"mongodb://127.0.0.1:{proxy.port}{parts.path}?{SOON}"
            opening = running_node(url)
            # In a thread: it waits for the node, which needs the proxy.
            node = await asyncio.to_thread(stack.enter_context, opening)
            client = await stack.enter_async_context(httpx2.AsyncClient(base_url=node.url))
            await asyncio.to_thread(until_ready, node)
            first = await client.put("/Patient/ada", json=ADA)
            proxy.closed = True
            proxy.cut()
            lost = await client.get("/Patient/ada")
            ready = await client.get(f"{node.origin}/health/ready")
            proxy.closed = False
            await asyncio.to_thread(until_ready, node)
            back = await client.put("/Patient/ada", json={**ADA, "active": True})
            history = await client.get("/Patient/ada/_history")

    assert [first.status_code, lost.status_code, ready.status_code] == [201, 503, 503]
    assert lost.headers["retry-after"] == "2"
    assert lost.json()["issue"][0]["code"] == "transient"
    assert back.status_code == 200
    assert len(history.json()["entry"]) == 2
