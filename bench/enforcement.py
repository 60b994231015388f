"""What obeying opt-outs costs: a page with the look at denials, in turn with the same page without it."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path

from bench import servers
from bench.core import DEFINITIONS
from bench.figures import Figure, median, number
from bench.place import SQLITE, opened
from fhir_server.demonstration.bulk.patients import patient_key
from fhir_server.demonstration.identifiers import nhs_number
from fhir_server.fhir.resource import Key
from fhir_server.policy.decision import Audience
from fhir_server.policy.visibility import Visibility
from fhir_server.rules import enforcement
from fhir_server.search.expression import Plan
from fhir_server.search.parsing import parse_query
from fhir_server.search.record import IndexRecord
from fhir_server.storage.contract import Draft, Put, Store
from fhir_server.wiring import clock

PAIRS = 15_000
PAIRS_OVER_A_NETWORK = 1_000
SECONDS = 60.0
"""What the pairs of one figure may take, from the tenth on: a slow server answers fewer of them."""

LEAST = 10
SHARE = 20
"""One in so many people here is on the register, among the 900,000 numbers that are never issued."""

CODES = ("http://snomed.info/sct|999791000000106", "http://snomed.info/sct|75367002")
WITHOUT = Visibility.everything("bench")
FOR_RESEARCH = Audience("HRESCH", frozenset({"https://fhir.nhs.uk/Id/ods-organization-code|X99"}))


def of_the_store(address: str, folder: Path, numbers: int) -> list[Figure]:
    """Load a register, of so many numbers that are elsewhere, while another process writes; then compare pages."""
    return asyncio.run(_of_the_store(address, folder, numbers))


async def _of_the_store(address: str, folder: Path, numbers: int) -> list[Figure]:
    pairs = PAIRS if address.startswith(SQLITE) else PAIRS_OVER_A_NETWORK
    async with opened(address, enforcement()) as store:
        people = (await store.extent("Patient")).count
        bound = WITHOUT.of_audience(FOR_RESEARCH, at=clock())
        first = await _beside_writes(store, _load(address, _register(folder, people, 0, numbers)))
        admitted = await _beside_writes(store, store.count(bound, Plan(frozenset({"Basic"}))))
        second = await _beside_writes(store, _load(address, _register(folder, people, 1, numbers)))
        for_one = await _compared(store, [_of_person(each) for each in not_denied(people)], pairs)
        for_all = await _compared(store, [_plan([("code", code)]) for code in CODES], pairs)
    return [
        _waited(f"a register loaded, every 20th of {people:,} people here on it", *first),
        _waited("a new audience worked out", *admitted),
        _waited("another register, every 20th removed and another 20th added", *second),
        _figure("a page of a patient's observations", *for_one),
        _figure("a page of everybody's observations, one in twenty denied", *for_all),
    ]


def _register(folder: Path, people: int, first: int, numbers: int) -> Path:
    """Return a register of every 20th of the people here, from the first on, and of some who are elsewhere."""
    register = folder / "register.txt"
    chosen = (*range(first, people, SHARE), *range(people, numbers))
    register.write_text("".join(f"{nhs_number(each)}\n" for each in chosen))
    return register


async def _load(address: str, register: Path) -> None:
    """Load a register by its command, in a process of its own."""
    day = (datetime.fromtimestamp(clock() / 1e6, UTC) - timedelta(days=1)).date().isoformat()
    arguments = ["-m", "fhir_server", "optout", "load", str(register), "--as-of", day]
    child = await asyncio.create_subprocess_exec(
        sys.executable, *arguments,
        cwd=servers.ROOT, env=servers.environment_of(address), stdout=subprocess.DEVNULL,
    )  # fmt: skip
    if await child.wait():
        raise RuntimeError("the register was not loaded")


async def _beside_writes(store: Store, work: object) -> tuple[float, list[float]]:
    """Return how long work takes, and how long each of the writes beside it."""
    waits: list[float] = []
    generation = (await store.stamp()).generation
    task = asyncio.ensure_future(work)  # type: ignore[call-overload]
    began = time.perf_counter()
    for count in cycle(range(1_000)):
        if task.done():
            break
        start = time.perf_counter()
        await store.write([_written(count, generation)], atomic=False)
        waits.append(time.perf_counter() - start)
        await asyncio.sleep(0.001)
    await task
    return time.perf_counter() - began, waits


def _written(count: int, generation: int) -> Put:
    record = IndexRecord("bench", (), (), (), 0, (), ())
    content = b'"language":"%d-%d"' % (count, time.perf_counter_ns())
    return Put(Draft(Key("Basic", "bench"), b"", content, record, generation))


def not_denied(people: int) -> Sequence[int]:
    """Return people whom neither register has."""
    return [each for each in range(1, min(people, 4_000)) if each % SHARE > 1]


def _of_person(person: int) -> Plan:
    return _plan([("patient", f"Patient/{patient_key(person)}"), ("code", CODES[person % 2])])


def _plan(pairs: Sequence[tuple[str, str]]) -> Plan:
    return parse_query("Observation", pairs, DEFINITIONS, now=0).plan


async def _compared(
    store: Store, plans: Sequence[Plan], pairs: int
) -> tuple[list[float], list[float]]:
    """Return the seconds of pages without and with, taken in turn after a warm-up."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for plan in plans:
        for sight in (WITHOUT, WITHOUT.of_audience(FOR_RESEARCH, at=clock())):
            await store.search(sight, plan, None, 20)
    until = time.perf_counter() + SECONDS
    for count, plan in zip(range(pairs), cycle(plans), strict=False):
        if count >= LEAST and time.perf_counter() > until:
            break
        sights = (WITHOUT, WITHOUT.of_audience(FOR_RESEARCH, at=clock()))
        for turn in (0, 1) if count % 2 else (1, 0):
            start = time.perf_counter()
            await store.search(sights[turn], plan, None, 20)
            seconds[turn].append(time.perf_counter() - start)
    return seconds


def _figure(name: str, without: Sequence[float], enforced: Sequence[float]) -> Figure:
    p50 = median(enforced) / median(without)
    p99 = _p99(enforced) / _p99(without)
    return Figure(
        f"{name}, in the store: p50, p99{of_fewer(len(without), PAIRS)}",
        f"{median(enforced) * 1e6:.1f} µs, {_p99(enforced) * 1e6:.0f} µs",
        f"{median(without) * 1e6:.1f} µs, {_p99(without) * 1e6:.0f} µs",
        f"{p50 - 1:+.1%}, {p99 - 1:+.1%}",
        "≤ 5 %, ≤ 10 %",
        p50 <= 1.05 and p99 <= 1.10,
    )


def of_fewer(pages: int, wanted: int) -> str:
    """Return what a figure is to say of its pages, where there was time for a tenth of them at most."""
    return f" of {pages} pages" if pages * 10 <= wanted else ""


def _p99(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=100)[98]


def _waited(name: str, seconds: float, waits: Sequence[float]) -> Figure:
    longest = max(waits, default=0.0)
    return Figure(
        f"{name}; the longest that another writer waits",
        f"{number(seconds)} s; {longest * 1000:.0f} ms",
        "", "", "; ≤ 100 ms", longest <= 0.1,
    )  # fmt: skip
