"""Figures over HTTP: our server and the constant application, in turn, under the same load."""

from __future__ import annotations

import itertools
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import servers
from bench.client import Outcome, hammer, request
from bench.figures import Figure, median, number
from bench.place import Place
from bench.population import SEED, TODAY
from fhir_server.demonstration.bulk import population
from fhir_server.demonstration.bulk.patients import patient_key
from fhir_server.fhir.json import dump
from fhir_server.fhir.resource import Resource

ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Pressure:
    """How hard a server is asked: over so many connections, for so many seconds in each round."""

    connections: int
    seconds: float


def read_by_id(store: str, folder: Path, pressure: Pressure) -> Figure:
    """Reads of one resource after another, against the bytes of one."""
    targets = [f"/fhir/Patient/{patient_key(n)}" for n in range(1, 200)]
    return _against_constant("read by id", targets, store, folder, pressure, 0.40)


def audited_reads(store: str, folder: Path, pressure: Pressure) -> list[Figure]:
    """The same with every read recorded: before its answer is sent (strict), or a tenth of a second later."""
    targets = [f"/fhir/Patient/{patient_key(n)}" for n in range(1, 200)]
    return [
        _against_constant(name, targets, store, folder, pressure, least, audit)
        for name, least, audit in (
            ("read by id, audited", 0.30, "on"),
            ("read by id, audited strictly", 0.0, "strict"),
        )
    ]


def search_page(store: str, folder: Path, pressure: Pressure, resources: int) -> Figure:
    """Searches by patient and code that return 20, the newest first, against the bytes of one page."""
    targets = [
        f"/fhir/Observation?patient=Patient/{patient_key(0)}&code={code}&_count=20"
        for code in (
            "http://snomed.info/sct%7C999791000000106",
            "http://snomed.info/sct%7C75367002",
        )
    ]
    return _against_constant(
        f"search returning 20 of {resources:,}", targets, store, folder, pressure, 0.25
    )


def _against_constant(  # noqa: PLR0913, PLR0917 - what is measured, and how
    name: str,
    targets: Sequence[str],
    store: str,
    folder: Path,
    pressure: Pressure,
    promised: float,
    audit: str = "off",
) -> Figure:
    payloads = [request("GET", each) for each in targets]
    with servers.node(store, audit=audit) as port:
        url = f"http://127.0.0.1:{port}{targets[0]}"
        with urllib.request.urlopen(url) as answer:
            body = answer.read()
        with servers.constant(body, folder) as limit:
            ours, theirs = _in_turn(
                lambda: _hammered(port, payloads, pressure),
                lambda: _hammered(limit, payloads, pressure),
            )
    ratio = median([a.rate / b.rate for a, b in zip(ours, theirs, strict=True)])
    return Figure(
        f"{name}, {pressure.connections} connections",
        _rate(ours),
        _rate(theirs),
        f"{ratio:.0%}",
        f"≥ {promised:.0%}" if promised else "",
        ratio >= promised,
    )


def _hammered(port: int, payloads: Sequence[bytes], pressure: Pressure) -> Outcome:
    return hammer(port, payloads, connections=pressure.connections, seconds=pressure.seconds)


def _rate(outcomes: Sequence[Outcome], each: int = 1, unit: str = "") -> str:
    """Return the good answers a second, of so many things each; without a single one, what was answered."""
    if rate := median([outcome.rate for outcome in outcomes]) * each:
        return f"{number(rate)}{unit}/s"
    refused = sum((outcome.refused for outcome in outcomes), Counter[str]())
    return "no answer was good: " + ", ".join(
        f"{count} times {status}" for status, count in refused.items()
    )


def _in_turn(
    ours: Callable[[], Outcome], theirs: Callable[[], Outcome]
) -> tuple[list[Outcome], list[Outcome]]:
    """Run both in turn, after a warm-up, so that the machine's drift meets both."""
    ours()
    theirs()
    pairs = [(ours(), theirs()) for _ in range(ROUNDS)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def create(place: Place, pressure: Pressure) -> Figure:
    """Durable creates of validated resources, into an empty store."""
    place.remove("create")
    source = fresh()
    with servers.node(place.address("create")) as port:
        outcomes = []
        for _ in range(ROUNDS):
            payloads = (request("POST", f"/fhir/{e['resourceType']}", dump(e)) for e in source)
            made = list(itertools.islice(payloads, int(6_000 * pressure.seconds)))
            outcomes.append(
                hammer(
                    port,
                    made,
                    connections=pressure.connections,
                    seconds=pressure.seconds,
                    once=True,
                )
            )
    return Figure(
        f"create, durable, validated, indexed, {pressure.connections} clients",
        _rate(outcomes),
        "",
        "",
        "≥ 1,200/s",
        median([each.rate for each in outcomes]) >= 1_200,
    )


def transactions(place: Place, seconds: float) -> Figure:
    """Transaction Bundles of 100 creates from four clients, into an empty store."""
    place.remove("bundle")
    source = fresh()
    with servers.node(place.address("bundle")) as port:
        outcomes = []
        for _ in range(ROUNDS):
            made = [request("POST", "/fhir", _bundle(source)) for _ in range(int(80 * seconds))]
            outcomes.append(hammer(port, made, connections=4, seconds=seconds, once=True))
    return Figure(
        "transaction Bundles of 100",
        _rate(outcomes, 100, " resources"),
        "",
        "",
        "≥ 2,500 resources/s",
        median([each.rate for each in outcomes]) >= 25,
    )


def fresh() -> Iterator[Resource]:
    """Yield resources without an id, references to people that may not exist."""
    for each in itertools.islice(
        population(seed=SEED + 1, resources=500_000, today=TODAY), 200, None
    ):
        yield {name: value for name, value in each.items() if name != "id"}


def _bundle(source: Iterator[Resource]) -> bytes:
    entries = [
        {"resource": each, "request": {"method": "POST", "url": each["resourceType"]}}
        for each in itertools.islice(source, 100)
    ]
    return dump({"resourceType": "Bundle", "type": "transaction", "entry": entries})
