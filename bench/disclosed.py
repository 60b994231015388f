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

ROUNDS = 11
"""Each with processes of its own: one is for as long as it lives some percent faster or slower than another."""

TIMES = 2_000
"""Of each round: so many that of all rounds a hundred are beyond the 99th percentile."""

WARM = 200
PEOPLE = 1_000
"""Those who are asked about."""

Served = tuple[int, str]
"""The port of a node, and a token that it takes."""

Seconds = tuple[list[float], list[float]]
"""Those of the same pages from two nodes."""

_LESS = {"denials": "", "disclosure": "; beside tokens without roles and purposes"}
"""What a node leaves out that is compared with, and what is said of it."""


def over_http(store: str, folder: Path) -> list[Figure]:
    """Ask for pages of a store that has its register; each node of two has one connection, and they take turns."""
    rounds = [_round(store, folder) for _ in range(ROUNDS)]
    return [
        _figure(
            f"{name}, over HTTP{_LESS[without]}",
            [each[name, without] for each in rounds],
            promised=without == "denials",
        )
        for name, without in rounds[0]
    ]


def _round(store: str, folder: Path) -> dict[tuple[str, str], Seconds]:
    """Return what pages took by what they are and what the other node left out, by nodes that are started for it."""
    with ExitStack() as stack:
        whole = stack.enter_context(_node(store, folder))
        others = {each: stack.enter_context(_node(store, folder, each)) for each in _LESS}
        return {
            (name, without): _in_turn(whole, other, targets)
            for name, targets in _asked().items()
            for without, other in others.items()
        }


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


def _in_turn(first: Served, second: Served, targets: Sequence[str]) -> Seconds:
    """Return the seconds of the same pages from both, by new connections: a node closes one that is idle."""
    seconds: Seconds = ([], [])
    connections = [Connection(port) for port, _ in (first, second)]
    payloads = [[get(each, bearer) for each in targets] for _, bearer in (first, second)]
    until = time.perf_counter() + SECONDS / ROUNDS
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


def _figure(name: str, rounds: Sequence[Seconds], *, promised: bool) -> Figure:
    """Return the median of the rounds at p50, with the least and the most of them, and p99 of all pages together."""
    ratios = sorted(median(each[0]) / median(each[1]) for each in rounds)
    p50, p99 = median(ratios), _p99(rounds, 0) / _p99(rounds, 1)
    pages = sum(len(each[0]) for each in rounds)
    return Figure(
        f"{name}: p50, p99{of_fewer(pages, ROUNDS * TIMES)}",
        _told(rounds, 0),
        _told(rounds, 1),
        f"{p50 - 1:+.1%} ({ratios[0] - 1:+.1%} to {ratios[-1] - 1:+.1%}), {p99 - 1:+.1%}",
        "≤ 5 %, ≤ 10 %" if promised else "",
        not promised or (p50 <= 1.05 and p99 <= 1.10),
    )


def _told(rounds: Sequence[Seconds], turn: int) -> str:
    p50 = median([median(each[turn]) for each in rounds])
    return f"{p50 * 1e6:.0f} µs, {_p99(rounds, turn) * 1e6:.0f} µs"


def _p99(rounds: Sequence[Seconds], turn: int) -> float:
    return quantiles((each for of_one in rounds for each in of_one[turn]), n=100)[98]
