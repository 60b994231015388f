"""What a national register of opt-outs, sent to a running node, costs those who write there meanwhile."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from bench import servers
from bench.asking import Answer, Connection, post, token
from bench.client import request
from bench.figures import Figure, number
from bench.place import Place
from fhir_server.demonstration.identifiers import nhs_number
from fhir_server.fhir.json import dump
from fhir_server.policy.scopes import OPT_OUTS
from fhir_server.wiring import clock

LONGEST = 0.1
"""Seconds that another writer may have to wait."""

STEPS = (1, 2)
"""A register of all numbers, and then one of every second."""


def over_http(place: Place, numbers: int) -> list[Figure]:
    """Load registers of so many numbers over the API of one worker, on a store of its own, beside one who writes."""
    place.remove("registering")
    store = place.address("registering")
    port = servers.free_port()
    arguments = ["-m", "fhir_server", "serve", "--auth", "smart", "--port", str(port)]
    waits: list[float] = []
    took: list[float] = []
    with servers.process(arguments, port, "/health/ready", store=store):
        care = token(store, port)
        registrar = token(store, port, "--scopes", OPT_OUTS)
        for step in STEPS:
            answer, beside = _loaded(port, care, _sent(registrar, numbers, step))
            waits += beside
            took.append(answer.seconds)
    return [
        Figure(
            f"a register of {numbers:,} numbers loaded over the API; the longest that another writer waits there",
            f"{number(max(took))} s; {max(waits) * 1000:.0f} ms",
            "", "", f"; ≤ {LONGEST * 1000:.0f} ms", max(waits) <= LONGEST,
        )
    ]  # fmt: skip


def _sent(bearer: str, numbers: int, step: int) -> bytes:
    day = (datetime.fromtimestamp(clock() / 1e6, UTC) - timedelta(days=1)).date().isoformat()
    body = "".join(f"{nhs_number(each)}\n" for each in range(0, numbers, step)).encode()
    target, headers = f"/fhir/$opt-outs?as-of={day}", (f"Authorization: Bearer {bearer}",)
    return request("POST", target, body, headers, kind="text/plain")


def _loaded(port: int, care: str, register: bytes) -> tuple[Answer, list[float]]:
    """Return the answer to a register, and how long each write waited beside it."""
    registrar, writer = Connection(port), Connection(port)
    waits: list[float] = []
    with ThreadPoolExecutor(1) as beside:
        answer: Future[Answer] = beside.submit(registrar.ask, register)
        while not answer.done():
            waits.append(_written(writer, care, len(waits)))
    registrar.close()
    writer.close()
    if answer.result().status != 200:
        raise RuntimeError(f"the register was not loaded: {answer.result().body!r}")
    return answer.result(), waits


def _written(writer: Connection, care: str, count: int) -> float:
    resource = {"resourceType": "Basic", "code": {"text": f"{count}"}}
    answer = writer.ask(post("/fhir/Basic", dump(resource), care))
    if answer.status != 201:
        raise RuntimeError(f"a write was not taken: {answer.status}")
    return answer.seconds
