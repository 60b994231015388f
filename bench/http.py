"""Figures over HTTP: our server and the constant application, in turn, under the same load."""

from __future__ import annotations

import itertools
import urllib.request
from collections.abc import Callable, Iterator, Sequence
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
CLIENTS = 32


def read_by_id(store: str, folder: Path, seconds: float) -> Figure:
    """Reads of one resource after another, against the bytes of one."""
    targets = [f"/fhir/Patient/{patient_key(n)}" for n in range(1, 200)]
    return _against_constant("read by id, 32 connections", targets, store, folder, seconds, 0.40)


def audited_reads(store: str, folder: Path, seconds: float) -> list[Figure]:
    """The same with every read recorded: before its answer is sent (strict), or a tenth of a second later."""
    targets = [f"/fhir/Patient/{patient_key(n)}" for n in range(1, 200)]
    return [
        _against_constant(f"{name}, 32 connections", targets, store, folder, seconds, least, audit)
        for name, least, audit in (
            ("read by id, audited", 0.30, "on"),
            ("read by id, audited strictly", 0.0, "strict"),
        )
    ]


def search_page(store: str, folder: Path, seconds: float, resources: int) -> Figure:
    """Searches by patient and code that return 20, the newest first, against the bytes of one page."""
    targets = [
        f"/fhir/Observation?patient=Patient/{patient_key(0)}&code={code}&_count=20"
        for code in (
            "http://snomed.info/sct%7C999791000000106",
            "http://snomed.info/sct%7C75367002",
        )
    ]
    return _against_constant(
        f"search returning 20 of {resources:,}", targets, store, folder, seconds, 0.25
    )


def _against_constant(  # noqa: PLR0913, PLR0917 - what is measured, and how
    name: str,
    targets: Sequence[str],
    store: str,
    folder: Path,
    seconds: float,
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
                lambda: hammer(port, payloads, connections=CLIENTS, seconds=seconds),
                lambda: hammer(limit, payloads, connections=CLIENTS, seconds=seconds),
            )
    ratio = median([a.rate / b.rate for a, b in zip(ours, theirs, strict=True)])
    return Figure(
        name,
        f"{number(median([each.rate for each in ours]))}/s",
        f"{number(median([each.rate for each in theirs]))}/s",
        f"{ratio:.0%}",
        f"≥ {promised:.0%}" if promised else "",
        ratio >= promised,
    )


def _in_turn(
    ours: Callable[[], Outcome], theirs: Callable[[], Outcome]
) -> tuple[list[Outcome], list[Outcome]]:
    """Run both in turn, after a warm-up, so that the machine's drift meets both."""
    ours()
    theirs()
    pairs = [(ours(), theirs()) for _ in range(ROUNDS)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def create(place: Place, seconds: float) -> Figure:
    """Durable creates of validated resources, into an empty store."""
    place.remove("create")
    source = fresh()
    with servers.node(place.address("create")) as port:
        rates = []
        for _ in range(ROUNDS):
            payloads = (request("POST", f"/fhir/{e['resourceType']}", dump(e)) for e in source)
            made = list(itertools.islice(payloads, int(6_000 * seconds)))
            outcome = hammer(port, made, connections=CLIENTS, seconds=seconds, once=True)
            rates.append(outcome.rate)
    return Figure(
        "create, durable, validated, indexed, 32 clients",
        f"{number(median(rates))}/s",
        "",
        "",
        "≥ 1,200/s",
        median(rates) >= 1_200,
    )


def transactions(place: Place, seconds: float) -> Figure:
    """Transaction Bundles of 100 creates from four clients, into an empty store."""
    place.remove("bundle")
    source = fresh()
    with servers.node(place.address("bundle")) as port:
        rates = []
        for _ in range(ROUNDS):
            made = [request("POST", "/fhir", _bundle(source)) for _ in range(int(80 * seconds))]
            outcome = hammer(port, made, connections=4, seconds=seconds, once=True)
            rates.append(outcome.rate * 100)
    return Figure(
        "transaction Bundles of 100",
        f"{number(median(rates))} resources/s",
        "",
        "",
        "≥ 2,500 resources/s",
        median(rates) >= 2_500,
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
