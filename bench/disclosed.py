"""What obeying opt-outs costs over HTTP: pages with a token for research, in turn from nodes that obey less."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path
from statistics import quantiles

from bench import servers
from bench.asking import PROGRAMME, RESEARCH, Connection, get, token
from bench.enforcement import CODES, LEAST, SECONDS, not_denied, of_fewer
from bench.figures import Figure, median
from fhir_server.demonstration.bulk.patients import patient_key

TIMES = 10_000
"""So many that a hundred are beyond the 99th percentile: of fewer it is what else the machine did."""

WARM = 200
PEOPLE = 1_000
"""Those who are asked about."""

Served = tuple[int, str]
"""The port of a node, and a token that it takes."""


def over_http(store: str, folder: Path) -> list[Figure]:
    """Ask for pages of a store that has its register; each node of two has one connection, and they take turns."""
    with ExitStack() as stack:
        whole = stack.enter_context(_node(store, folder))
        less = stack.enter_context(_node(store, folder, "denials"))
        least = stack.enter_context(_node(store, folder, "disclosure"))
        return [
            figure
            for name, targets in _asked().items()
            for figure in (
                _figure(f"{name}, over HTTP", _in_turn(whole, less, targets), promised=True),
                _figure(
                    f"{name}, over HTTP; beside tokens without roles and purposes",
                    _in_turn(whole, least, targets),
                    promised=False,
                ),
            )
        ]


@contextmanager
def _node(store: str, folder: Path, without: str = "") -> Iterator[Served]:
    programmes = folder / "programmes.json"
    programmes.write_bytes(PROGRAMME)
    port = servers.free_port()
    program = ["bench.unenforced", without] if without else ["fhir_server"]
    arguments = ["serve", "--auth", "smart", "--port", str(port)]
    arguments += ["--programmes", str(programmes)]
    with servers.process(["-m", *program, *arguments], port, "/health/ready", store=store):
        yield port, token(store, port, *RESEARCH)


def _asked() -> dict[str, Sequence[str]]:
    codes = [each.replace("|", "%7C") for each in CODES]
    return {
        "a page of a patient's observations": [
            f"/fhir/Observation?patient=Patient/{patient_key(each)}&code={codes[each % 2]}&_count=20"
            for each in not_denied(PEOPLE)
        ],
        "a page of everybody's observations, one in twenty denied": [
            f"/fhir/Observation?code={each}&_count=20" for each in codes
        ],
    }


def _in_turn(
    first: Served, second: Served, targets: Sequence[str]
) -> tuple[list[float], list[float]]:
    """Return the seconds of the same pages from both, by new connections: a node closes one that is idle."""
    seconds: tuple[list[float], list[float]] = ([], [])
    connections = [Connection(port) for port, _ in (first, second)]
    payloads = [[get(each, bearer) for each in targets] for _, bearer in (first, second)]
    until = time.perf_counter() + SECONDS
    for count, place in zip(range(TIMES + WARM), cycle(range(len(targets))), strict=False):
        if len(seconds[0]) >= LEAST and time.perf_counter() > until:
            break
        for turn in (0, 1) if count % 2 else (1, 0):
            answer = connections[turn].ask(payloads[turn][place])
            if answer.status != 200:
                raise RuntimeError(f"{targets[place]} is answered with {answer.status}")
            if count >= WARM or time.perf_counter() > until:
                seconds[turn].append(answer.seconds)
    for each in connections:
        each.close()
    return seconds


def _figure(name: str, seconds: tuple[list[float], list[float]], *, promised: bool) -> Figure:
    (p50, p99), (least50, least99) = (
        (median(each), quantiles(each, n=100)[98]) for each in seconds
    )
    return Figure(
        f"{name}: p50, p99{of_fewer(len(seconds[0]), TIMES)}",
        f"{p50 * 1e6:.0f} µs, {p99 * 1e6:.0f} µs",
        f"{least50 * 1e6:.0f} µs, {least99 * 1e6:.0f} µs",
        f"{p50 / least50 - 1:+.1%}, {p99 / least99 - 1:+.1%}",
        "≤ 5 %, ≤ 10 %" if promised else "",
        not promised or (p50 <= 1.05 * least50 and p99 <= 1.10 * least99),
    )
