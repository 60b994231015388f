"""What the hub adds to its members, and what one that is dead and one that hangs do to the others.

Twenty members that answer prepared bytes share one process, so that two cores are left for the hub and who asks it;
then some real nodes, where all share both cores.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench import servers
from bench.client import Outcome, hammer, request
from bench.figures import Figure, median, number
from bench.members import STATEMENT, Answering, answering
from bench.population import TODAY, remove
from fhir_server.demonstration.generation import platform
from fhir_server.federation.members import Member
from fhir_server.federation.registry import Registry
from fhir_server.fhir.json import dump
from fhir_server.fhir.resource import Resource
from fhir_server.settings import Settings
from fhir_server.wiring import clock, opened_store

MEMBERS = 20
AFTER = 0.02
"""Seconds after which a member answers."""

ROUNDS = 5
NODES = 4
PROMISED = 25.0
"""Milliseconds that the hub may add, at p95."""

DEADLINE = 0.5
LATE = 50.0
"""Milliseconds after the deadline within which the answer is there, at p99."""

_PAGE = "Observation?code=http://loinc.org%7C8480-6&_count=20"


def federation(folder: Path, seconds: float) -> list[Figure]:
    """Return the figures."""
    return [
        *_over_prepared(folder, seconds),
        *_with_two_that_fail(folder, seconds),
        _over_nodes(folder, seconds),
    ]


def _over_prepared(folder: Path, seconds: float) -> list[Figure]:
    members = [Answering(servers.free_port(), AFTER) for _ in range(MEMBERS)]
    with (
        answering(members, folder),
        hub(folder, {each.base: STATEMENT for each in members}) as port,
    ):
        _check(port, ok=MEMBERS)
        added, rates = [], []
        for _ in range(ROUNDS):
            direct = _asked(members[0].port, f"/fhir/{_PAGE}", 1, seconds)
            added.append((direct, _asked(port, f"/federated/{_PAGE}", 1, seconds)))
            rates.append(_asked(port, f"/federated/{_PAGE}", 8, seconds).rate)
    name = f"a page of 20 out of {MEMBERS} members of 20 matches each, one at a time"
    return [
        _added(name, [(direct, hub) for direct, hub in added]),
        Figure(
            "the same from eight connections, one worker",
            f"{number(median(rates))} pages/s; {number(median(rates) * MEMBERS)} answers of members/s",
            "", "", "", kept=True,
        ),
    ]  # fmt: skip


def _added(name: str, pairs: Sequence[tuple[Outcome, Outcome]]) -> Figure:
    """Return what the hub adds to the slowest member: the median of the rounds."""
    p50 = median([_at(hub, 50) - _at(direct, 50) for direct, hub in pairs])
    p95 = median([_at(hub, 95) - _at(direct, 95) for direct, hub in pairs])
    slowest = median([_at(direct, 95) for direct, _ in pairs])
    return Figure(
        f"{name}: what the hub adds to the slowest, p50; p95",
        f"{p50:.1f} ms; {p95:.1f} ms",
        f"{slowest:.1f} ms", "", f"; < {PROMISED:.0f} ms", p95 < PROMISED,
    )  # fmt: skip


def _with_two_that_fail(folder: Path, seconds: float) -> list[Figure]:
    """One that is dead and one that answers after ten seconds, beside eighteen; then all of them well.

    In the second run the last one answers just before the deadline, so that both have as many pages a second.
    """
    late, rates = [], []
    for ill in (True, False):
        well = [Answering(servers.free_port(), AFTER) for _ in range(MEMBERS - (2 if ill else 1))]
        last = Answering(servers.free_port(), 10.0 if ill else DEADLINE - 0.05)
        members = {each.base: STATEMENT for each in (*well, last)}
        if ill:
            members[f"http://127.0.0.1:{servers.free_port()}/fhir"] = STATEMENT
        with answering([*well, last], folder), hub(folder, members) as port:
            found, rate = _beside_each_other(port, max(seconds, 4.0))
            _check(port, ok=MEMBERS - (2 if ill else 0))
            late.append(_at(found, 99) - DEADLINE * 1000)
            rates.append(rate)
    ratio = rates[0] / rates[1]
    return [
        Figure(
            f"one of {MEMBERS} dead, one that takes 10 s, deadline {DEADLINE:.1f} s: p99 after the deadline",
            f"{late[0]:.1f} ms", "", "", f"≤ {LATE:.0f} ms", late[0] <= LATE,
        ),
        Figure(
            "reads of another member meanwhile; the same where all are well",
            f"{number(rates[0])}/s", f"{number(rates[1])}/s", f"{ratio:.0%}", "≥ 95 %", ratio >= 0.95,
        ),
    ]  # fmt: skip


def _beside_each_other(port: int, seconds: float) -> tuple[Outcome, float]:
    """Return what came of pages that wait for the last member, and how many reads of another there were a second."""
    hurried = [f"X-Request-Deadline: {DEADLINE}"]
    pages = [request("GET", f"/federated/{_PAGE}", headers=hurried)]
    # Whatever it is asked for, a member answers the first of its matches; another id would be refused.
    entries = _bundle(port)["entry"]
    first_of = next(each for each in entries if each["extension"][0]["valueString"] == "m00")
    reads = [request("GET", f"/federated/m00/Observation/{first_of['resource']['id']}")]
    with ThreadPoolExecutor(2) as both:
        first = both.submit(hammer, port, pages, connections=4, seconds=seconds)
        second = both.submit(hammer, port, reads, connections=2, seconds=seconds)
        return first.result(), second.result().rate


def _over_nodes(folder: Path, seconds: float) -> Figure:
    target = "Observation?_count=20"
    with ExitStack() as stack:
        ports = [stack.enter_context(_filled(folder / f"node-{each}.db")) for each in range(NODES)]
        members = {f"http://127.0.0.1:{each}/fhir": _statement(each) for each in ports}
        port = stack.enter_context(hub(folder, members))
        _check(port, target, ok=NODES)
        pairs = [
            (
                max((_asked(each, f"/fhir/{target}", 1, seconds / 4) for each in ports), key=_p95),
                _asked(port, f"/federated/{target}", 1, seconds),
            )
            for _ in range(ROUNDS)
        ]
    return _added(f"a page of 20 out of {NODES} real nodes", pairs)


def _statement(port: int) -> Resource:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/fhir/metadata") as answer:
        found: Resource = json.load(answer)
    return found


@contextmanager
def _filled(store: Path) -> Iterator[int]:
    """Serve a node with the synthetic data of a trust; give its port."""
    remove(store)
    source = store.with_suffix(".ndjson")
    source.write_bytes(_trust())
    load = [sys.executable, "-m", "fhir_server", "load", str(source), "--store", f"sqlite:{store}"]
    subprocess.run(load, check=True, cwd=servers.ROOT, capture_output=True)
    with servers.node(store) as port:
        yield port


def _trust() -> bytes:
    return b"\n".join(dump(each) for each in platform(seed=1, patients=100, today=TODAY))


@contextmanager
def hub(folder: Path, members: Mapping[str, Resource]) -> Iterator[int]:
    """Run a hub of members, told as their bases and what they declare; give its port."""
    store = folder / "hub.db"
    remove(store)
    asyncio.run(_enrol(store, members))
    with servers.node(store, networks="127.0.0.0/8") as port:
        yield port


async def _enrol(store: Path, members: Mapping[str, Resource]) -> None:
    async with opened_store(Settings(store=f"sqlite:{store}")) as opened:
        registry = Registry(opened.key_values)
        for place, (base, statement) in enumerate(members.items()):
            member = Member(f"m{place:02}", f"m{place:02}", base)
            await registry.add(member, statement, now=clock())


def _bundle(port: int, target: str = _PAGE) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/federated/{target}") as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def _check(port: int, target: str = _PAGE, *, ok: int) -> None:
    """Raise RuntimeError unless so many members answer, with a full page."""
    bundle = _bundle(port, target)
    *matches, outcome = bundle["entry"]
    told = [each["extension"][1]["valueCode"] for each in outcome["resource"]["extension"]]
    if (len(matches), told.count("ok")) != (20, ok):
        raise RuntimeError(f"{len(matches)} matches of members that are {', '.join(told)}")


def _asked(port: int, target: str, connections: int, seconds: float) -> Outcome:
    return hammer(port, [request("GET", target)], connections=connections, seconds=seconds)


def _at(outcome: Outcome, percent: int) -> float:
    """Return a percentile in milliseconds; raise RuntimeError where something was not answered."""
    if outcome.errors or len(outcome.latencies) < 2:
        raise RuntimeError(f"{outcome.errors} of {outcome.answers} answers were errors")
    return statistics.quantiles(outcome.latencies, n=100)[percent - 1] * 1000


def _p95(outcome: Outcome) -> float:
    return _at(outcome, 95)
