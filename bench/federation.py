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
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench import servers
from bench.client import Outcome, hammer, request
from bench.figures import Figure, median, number
from bench.members import Answering, answering
from bench.population import TODAY, remove
from fhir_server.demonstration.generation import platform
from fhir_server.federation.members import Member
from fhir_server.fhir.json import dump
from fhir_server.offline.enrolling import add_members
from fhir_server.rest.federated.reaching import RESERVED
from fhir_server.settings import Settings

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

HURRIED = 8
"""Connections that wait for a page until the deadline."""

ANSWERS = 320
"""Pages that each run of these takes, at least: of fewer the 99th percentile is one answer."""

_NETWORK = "127.0.0.0/8"
_FLAGS = ("--member-networks", _NETWORK, "--audit", "off")
_PAGE = "Observation?code=http://loinc.org%7C8480-6&_count=20"


def federation(folder: Path, seconds: float) -> list[Figure]:
    """Return the figures."""
    return [
        *_over_prepared(folder, seconds),
        *_with_two_that_fail(folder, seconds),
        _over_nodes(folder, seconds),
    ]


def _over_prepared(folder: Path, seconds: float) -> list[Figure]:
    members = [Answering(port, AFTER) for port in servers.free_ports(MEMBERS)]
    with (
        answering(members, folder),
        servers.running(enrolled(folder, [each.base for each in members]), *_FLAGS) as (
            port,
            child,
        ),
    ):
        _check(port, ok=MEMBERS)
        pairs, rates, computed = [], [], []
        for _ in range(ROUNDS):
            direct = _asked(members[0].port, f"/fhir/{_PAGE}", 1, seconds)
            pairs.append((direct, _asked(port, f"/federated/{_PAGE}", 1, seconds)))
            began = servers.processor_seconds(child)
            together = _asked(port, f"/federated/{_PAGE}", 8, seconds)
            computed.append((servers.processor_seconds(child) - began) / together.answers)
            rates.append(together.rate)
    name = f"a page of 20 out of {MEMBERS} members of 20 matches each, one at a time"
    return [
        _added(name, pairs),
        Figure(
            "the same from eight connections, one worker; processor time of the hub for a page",
            f"{number(median(rates))} pages/s; {median(computed) * 1000:.1f} ms",
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

    In the second run the last one answers just before members are waited for no more, so that both have as many pages a second.
    """
    late, rates, answers = [], [], 0
    for ill in (True, False):
        first, *ports = servers.free_ports(MEMBERS)
        last = Answering(first, 10.0 if ill else DEADLINE - RESERVED - 0.05)
        others = [Answering(port, AFTER) for port in ports]
        well, dying = (others[1:], others[:1]) if ill else (others, [])
        with answering([*well, last, *dying], folder):
            store = enrolled(folder, [each.base for each in (*well, last, *dying)])
        with answering([*well, last], folder), servers.running(store, *_FLAGS) as (port, _):
            _beside_each_other(port, seconds)
            found, rate = _beside_each_other(port, ANSWERS * DEADLINE / HURRIED)
            _check(port, ok=MEMBERS - (2 if ill else 0))
            late.append(_at(found, 99) - DEADLINE * 1000)
            rates.append(rate)
            answers = answers or len(found.latencies)
    ratio = rates[0] / rates[1]
    return [
        Figure(
            f"one of {MEMBERS} dead, one that takes 10 s, deadline {DEADLINE:.1f} s: p99 after the deadline",
            f"{late[0]:.1f} ms, of {answers} pages", "", "", f"≤ {LATE:.0f} ms", late[0] <= LATE,
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
        first = both.submit(hammer, port, pages, connections=HURRIED, seconds=seconds)
        second = both.submit(hammer, port, reads, connections=2, seconds=seconds)
        return first.result(), second.result().rate


def _over_nodes(folder: Path, seconds: float) -> Figure:
    target = "Observation?_count=20"
    with ExitStack() as stack:
        ports = [stack.enter_context(_filled(folder / f"node-{each}.db")) for each in range(NODES)]
        bases = [f"http://127.0.0.1:{each}/fhir" for each in ports]
        port, _ = stack.enter_context(servers.running(enrolled(folder, bases), *_FLAGS))
        _check(port, target, ok=NODES)
        pairs = [
            (
                max((_asked(each, f"/fhir/{target}", 1, seconds / 4) for each in ports), key=_p95),
                _asked(port, f"/federated/{target}", 1, seconds),
            )
            for _ in range(ROUNDS)
        ]
    return _added(f"a page of 20 out of {NODES} real nodes", pairs)


@contextmanager
def _filled(store: Path) -> Iterator[int]:
    """Serve a node with the synthetic data of a trust; give its port."""
    remove(store)
    source = store.with_suffix(".ndjson")
    source.write_bytes(_trust())
    load = [sys.executable, "-m", "fhir_server", "load", str(source), "--store", f"sqlite:{store}"]
    subprocess.run(load, check=True, cwd=servers.ROOT, capture_output=True)
    with servers.node(f"sqlite:{store}") as port:
        yield port


def _trust() -> bytes:
    return b"\n".join(dump(each) for each in platform(seed=1, patients=100, today=TODAY))


def enrolled(folder: Path, bases: Sequence[str]) -> str:
    """Return the address of a hub's store that has these members, all of whom answer now."""
    remove(folder / "hub.db")
    store = f"sqlite:{folder / 'hub.db'}"
    settings = Settings(store=store, member_networks=(_NETWORK,))
    names = [f"m{place:02}" for place in range(len(bases))]
    members = [Member(name, name, base) for name, base in zip(names, bases, strict=True)]
    asyncio.run(add_members(settings, members))
    return store


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
