"""Figures without HTTP: validation, the count of a term, loading, start."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import apsw

from bench import population, servers
from bench.figures import Figure, median, number
from bench.place import Place, opened
from fhir_server.conformance.definitions import definitions_in
from fhir_server.conformance.validation import Validator
from fhir_server.demonstration.generation import platform
from fhir_server.fhir.json import dump
from fhir_server.policy.visibility import Visibility
from fhir_server.search.parsing import parse_query
from fhir_server.wiring import clock

ROUNDS = 7
SEES = Visibility.everything("bench")
DEFINITIONS = definitions_in(servers.ROOT / "profiles" / "r4")


def validation() -> Figure:
    """Patients validated by one core, already parsed."""
    stream = platform(seed=1, trusts=1, patients=3_000, today=population.TODAY)
    patients = [each for each in stream if each["resourceType"] == "Patient"]
    size = sum(len(dump(each)) for each in patients) // len(patients)
    validator = Validator(DEFINITIONS)
    seconds = median(
        [_timed(lambda: [validator.validate(e) for e in patients]) for _ in range(ROUNDS)]
    )
    rate = len(patients) / seconds
    promised = 10_000
    return Figure(
        f"validation against base R4, one core, UK Patients of {size:,} bytes",
        f"{number(rate)} Patients/s", "", "", f"≥ {promised:,}/s", rate >= promised,
    )  # fmt: skip


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def count_of_a_term(store: str) -> Figure:
    """The count of the commonest term, by the store's own method."""

    async def run() -> tuple[int, float]:
        async with opened(store) as there:
            plan = parse_query("Observation", [("status", "final")], DEFINITIONS, now=clock()).plan
            number = (await there.count(SEES, plan)).number
            seconds = []
            for _ in range(ROUNDS):
                start = time.perf_counter()
                await there.count(SEES, plan)
                seconds.append(time.perf_counter() - start)
            return number, median(seconds)

    rows, seconds = asyncio.run(run())
    rate = rows / seconds
    return Figure(
        f"count of one term ({rows:,} rows)",
        f"{number(rate / 1e6)} million rows/s", "", "", "≥ 4 million rows/s", rate >= 4e6,
    )  # fmt: skip


def load(resources: int, place: Place) -> list[Figure]:
    """The load command, against the same rows written into SQLite's tables without any index."""
    place.remove("large")
    finished = population.loaded(resources, place.address("large"))
    seconds = float(re.findall(r"in ([\d.]+) s", finished.stdout)[-1])
    rate = resources / seconds
    peaks = re.findall(r"peak (\d+)", finished.stderr)
    figures = [_load_figure(resources, rate, place)]
    if peaks:
        peak = int(peaks[-1]) / 1024
        figures.append(
            Figure(
                "memory of that load, largest process",
                f"{peak:.0f} MB",
                "",
                "",
                "< 300 MB",
                peak < 300,
            )
        )
    return figures


def _load_figure(resources: int, rate: float, place: Place) -> Figure:
    name = f"load of {resources:,} resources by NDJSON, validated and indexed"
    if place.mongo is not None:
        return Figure(name, f"{number(rate)}/s", "not measured on MongoDB", "", "", None)
    bare = bare_tables(place.file("large"))
    return Figure(
        name, f"{number(rate)}/s", f"{number(bare)}/s", f"{rate / bare:.0%}",
        "≥ 5,000/s, ≥ 40 %", rate >= 5_000 and rate / bare >= 0.4,
    )  # fmt: skip


def bare_tables(path: Path, resources: int = 30_000) -> float:
    """Return how many resources a second the same rows go into bare tables, by the same groups."""
    source = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    beside = path.with_name("bare.db")
    for each in path.parent.glob("bare.db*"):
        each.unlink()
    target = apsw.Connection(str(beside))
    target.pragma("journal_mode", "wal")
    target.pragma("synchronous", "full")
    target.execute(
        "CREATE TABLE resource(a,b,c,d,e,f,g,h,i,j,k); CREATE TABLE term(a,b,c,d); CREATE TABLE span(a,b,c,d,e,f)"
    )
    rows = source.execute("SELECT * FROM resource WHERE rid<=?", (resources,)).fetchall()
    terms: dict[int, list[object]] = {}
    spans: dict[int, list[object]] = {}
    for row in source.execute("SELECT * FROM term WHERE rid<=?", (resources,)):
        terms.setdefault(int(row[2]), []).append(row)
    for row in source.execute("SELECT * FROM span WHERE rid<=?", (resources,)):
        spans.setdefault(int(row[4]), []).append(row)
    start = time.perf_counter()
    for first in range(0, len(rows), 250):
        target.execute("BEGIN")
        for row in rows[first : first + 250]:
            rid = int(row[0])  # type: ignore[arg-type]
            target.execute("INSERT INTO resource VALUES(?,?,?,?,?,?,?,?,?,?,?)", row)
            target.executemany("INSERT INTO term VALUES(?,?,?,?)", terms.get(rid, []))  # type: ignore[arg-type]
            target.executemany("INSERT INTO span VALUES(?,?,?,?,?,?)", spans.get(rid, []))  # type: ignore[arg-type]
        target.execute("COMMIT")
    return len(rows) / (time.perf_counter() - start)


def start(place: Place) -> list[Figure]:
    """From the command to the first answer of an empty node, and what it holds when idle: of both kinds of node."""
    return [_start(place, "none", "--auth none"), _start(place, "smart", "with tokens")]


def _start(place: Place, auth: str, told: str) -> Figure:
    seconds, memory = [], []
    environment = servers.environment_of(place.address("start"))
    for _ in range(5):
        place.remove("start")
        port = servers.free_port()
        arguments = ["-m", "fhir_server", "serve", "--auth", auth, "--port", str(port)]
        began = time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, *arguments],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        servers.wait_for(f"http://127.0.0.1:{port}/fhir/metadata", child)
        seconds.append(time.perf_counter() - began)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
            answer.read()
        status = Path(f"/proc/{child.pid}/status").read_text()
        memory.append(int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024)
        child.terminate()
        child.wait(30)
    fast, small = median(seconds), median(memory)
    return Figure(
        f"start to the first answer, {told}; idle memory",
        f"{fast:.2f} s; {small:.0f} MB", "", "", "< 1.5 s; < 120 MB", fast < 1.5 and small < 120,
    )  # fmt: skip
