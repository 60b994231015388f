"""Growth: the thirty queries on stores of several sizes, in the same run; a table and a plot of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from math import isnan, nan
from pathlib import Path
from urllib.parse import parse_qsl

from bench import plot
from bench.figures import Figure, median, number
from bench.place import Place, opened
from bench.population import FOLDER, queries
from bench.servers import ROOT
from bench.stores import Loaded, database, store
from fhir_server.conformance.definitions import definitions_in
from fhir_server.demonstration.queries import Query
from fhir_server.fhir.errors import TooCostly
from fhir_server.policy.visibility import Visibility
from fhir_server.search.parsing import Query as Parsed
from fhir_server.search.parsing import parse_query
from fhir_server.storage.contract import Store
from fhir_server.wiring import clock

ROUNDS = 21
SECONDS = 2.0
"""What the rounds of a query at one size may take: a slow server answers fewer of them, one at least."""

SEES = Visibility.everything("bench")
RESULTS = ROOT / "bench" / "results"
OF_MONGODB = FOLDER / "mongodb"
PROMISED = 1.5
MEMORY = 300

Times = dict[str, list[float]]
"""By query: the median seconds at each size, `nan` where it was refused as too costly."""


def growth(sizes: Sequence[int], place: Place) -> list[Figure]:
    """Measure at each size, write `growth.md` and `growth.svg`; return the figures of README."""
    load = store if place.mongo is None else partial(database, place)
    stores = [load(size) for size in sorted(sizes)]
    times = asyncio.run(measure(stores))
    if not answered(times):
        raise RuntimeError("each query was too costly at one of the sizes")
    write(times, stores, RESULTS if place.mongo is None else OF_MONGODB)
    return figures(times, stores)


async def measure(stores: Sequence[Loaded]) -> Times:
    """Return the median seconds of each query; each is asked of one store after the other."""
    definitions = definitions_in(ROOT / "profiles" / "r4")
    asked = zip(*(queries(each.resources) for each in stores), strict=True)
    async with AsyncExitStack() as stack:
        there = [await stack.enter_async_context(opened(each.address)) for each in stores]

        async def seconds(place: int, query: Query) -> float:
            pairs = parse_qsl(query.parameters)
            parsed = parse_query(query.resource_type, pairs, definitions, now=clock())
            return await _median(there[place], parsed)

        return {
            same[0].name: [await seconds(place, query) for place, query in enumerate(same)]
            for same in asked
        }


async def _median(opened: Store, query: Parsed) -> float:
    """Return the median seconds of the rounds, `nan` where one of them is refused."""
    seconds: list[float] = []
    try:
        await _time(opened, query, seconds)
    except TooCostly:
        return nan
    return median(seconds)


async def _time(opened: Store, query: Parsed, seconds: list[float]) -> None:
    while len(seconds) < ROUNDS and sum(seconds) < SECONDS:
        start = time.perf_counter()
        if query.only_count:
            await opened.count(SEES, query.plan)
        else:
            await opened.search(SEES, query.plan, None, query.count)
        seconds.append(time.perf_counter() - start)


def answered(times: Times) -> Times:
    """Return the queries that were answered at each size."""
    return {name: each for name, each in times.items() if not any(map(isnan, each))}


def ratios(times: Times) -> dict[str, float]:
    """Return how many times as long each query takes at the largest size, the worst first."""
    found = {name: each[-1] / each[0] for name, each in answered(times).items()}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def medians(times: Times) -> list[float]:
    """Return the median of the queries at each size."""
    return [median(each) for each in zip(*answered(times).values(), strict=True)]


def figures(times: Times, stores: Sequence[Loaded]) -> list[Figure]:
    """Return what README promises of growth."""
    small, large = stores[0], stores[-1]
    typical, worst = medians(times), next(iter(ratios(times).items()))
    ratio, patient_and_code = typical[-1] / typical[0], times["a patient's HbA1c, newest first"][-1]
    return [
        Figure(
            f"growth from {small.resources:,} to {large.resources:,} resources: p50 of the 30 queries",
            f"{number(typical[-1] * 1e3)} ms",
            f"{number(typical[0] * 1e3)} ms",
            f"{ratio:.2f} times (worst: {worst[0]}, {worst[1]:.1f})",
            f"≤ {PROMISED} times",
            ratio <= PROMISED,
        ),
        Figure(
            "store time of patient + code, newest first, p50",
            _milliseconds(patient_and_code), "", "", "< 1 ms", patient_and_code < 0.001,
        ),
        Figure(
            f"memory of the load of {large.resources:,}, largest process",
            f"{large.megabytes:.0f} MB", "", "", f"< {MEMORY} MB", large.megabytes < MEMORY,
        ),
    ]  # fmt: skip


def write(times: Times, stores: Sequence[Loaded], folder: Path) -> None:
    """Write the table and the plot."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "growth.md").write_text(table(times, stores), encoding="utf-8")
    sizes = [each.resources for each in stores]
    worst = [name for name, ratio in ratios(times).items() if ratio > PROMISED][: plot.LABELLED]
    drawn = plot.drawing(answered(times), medians(times), sizes, labelled=worst)
    (folder / "growth.svg").write_text(drawn, encoding="utf-8")


def table(times: Times, stores: Sequence[Loaded]) -> str:
    """Return the table: each query, its p50 in milliseconds at each size, how much it grew."""
    sizes = " | ".join(f"{each.resources:,}" for each in stores)
    names = ratios(times)
    rows = [_row(name, times[name]) for name in (*names, *(times.keys() - names.keys()))]
    disk = ", ".join(f"{each.disk:.2f} GB" for each in stores)
    return "\n".join(
        [
            "# Growth",
            "",
            "By `scripts/bench growth`: p50 of the store's time in milliseconds, all sizes in the same run.",
            f"The stores take {disk}.",
            "",
            f"| query | {sizes} | growth |",
            f"|---|{'---|' * len(stores)}---|",
            _row("**median of the queries**", medians(times)),
            *rows,
            "",
        ]
    )


def _milliseconds(seconds: float) -> str:
    return "too costly" if isnan(seconds) else f"{number(seconds * 1e3)} ms"


def _row(name: str, seconds: Sequence[float]) -> str:
    cells = " | ".join(_milliseconds(each).removesuffix(" ms") for each in seconds)
    ratio = seconds[-1] / seconds[0]
    return f"| {name} | {cells} | {'' if isnan(ratio) else f'{ratio:.1f}'} |"
