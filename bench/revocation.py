"""How long a withdrawal takes: from its commit until every worker process obeys, on the next page of a cursor too."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles

from bench import servers
from bench.asking import PROGRAMME, RESEARCH, Connection, get, post, token
from bench.figures import Figure
from bench.place import Place, opened
from fhir_server.auth.server.revocations import Revocations
from fhir_server.demonstration.identifiers import nhs_number
from fhir_server.fhir.json import dump
from fhir_server.fhir.resource import Resource
from fhir_server.rules import enforcement
from fhir_server.storage.contract import Store
from fhir_server.wiring import clock

WORKERS = 3
ROUNDS = 40
"""Consents that are written, and registers that are loaded."""

TOKENS = 10

OBSERVATIONS = 4
LOOKED_FOR = 2.0
"""Seconds after which one who has not obeyed is taken to obey never."""

_NEXT = re.compile(rb'"relation":"next","url":"http://[^/]*([^"]*)"')


def over_workers(place: Place) -> list[Figure]:
    """Withdraw beside worker processes, on a store of its own."""
    place.remove("revocation")
    store = place.address("revocation")
    with _node(store, place.folder) as port:
        waits = asyncio.run(_beside(store, port))
    return [_figure(name, seconds) for name, seconds in waits.items()]


@contextmanager
def _node(store: str, folder: Path) -> Iterator[int]:
    programmes = folder / "programmes.json"
    programmes.write_bytes(PROGRAMME)
    port = servers.free_port()
    arguments = ["-m", "fhir_server", "serve", "--auth", "smart", "--port", str(port)]
    arguments += ["--workers", str(WORKERS), "--programmes", str(programmes)]
    with servers.process(arguments, port, "/health/ready", store=store):
        yield port


@contextmanager
def _workers(port: int, bearer: str) -> Iterator[Sequence[Connection]]:
    """Give a connection to each worker: which one it leads to, the names of requests tell."""
    found: dict[bytes, Connection] = {}
    while len(found) < WORKERS:
        connection = Connection(port)
        process = connection.ask(get("/fhir/Patient?_count=1", bearer)).process
        if process in found:
            connection.close()
        else:
            found[process] = connection
    yield list(found.values())
    for each in found.values():
        each.close()


def _fill(node: Connection, bearer: str) -> None:
    """Write people who can each deny something once."""
    for person in range(2 * ROUNDS):
        resources = [_patient(person), *(_observation(person, n) for n in range(OBSERVATIONS))]
        entries = [
            {
                "resource": each,
                "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"},
            }
            for each in resources
        ]
        bundle = dump({"resourceType": "Bundle", "type": "transaction", "entry": entries})
        if node.ask(post("/fhir", bundle, bearer)).status != 200:
            raise RuntimeError("the people were not written")


def _patient(person: int) -> Resource:
    number = {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": nhs_number(person)}
    return {"resourceType": "Patient", "id": f"p{person}", "identifier": [number]}


def _observation(person: int, number: int) -> Resource:
    return {
        "resourceType": "Observation",
        "id": f"p{person}-{number}",
        "status": "final",
        "code": {"text": "measured"},
        "subject": {"reference": f"Patient/p{person}"},
    }


def _consent(person: int) -> bytes:
    scopes = "http://terminology.hl7.org/CodeSystem/consentscope"
    return dump(
        {
            "resourceType": "Consent",
            "status": "active",
            "scope": {"coding": [{"system": scopes, "code": "patient-privacy"}]},
            "category": [{"text": "privacy"}],
            "patient": {"reference": f"Patient/p{person}"},
            "policyRule": {"text": "local"},
            "provision": {"type": "deny"},
        }
    )


async def _beside(address: str, port: int) -> dict[str, list[float]]:
    async with opened(address, enforcement()) as store:
        await store.replace_opt_outs([], as_of=clock())
        care, research = token(address, port), token(address, port, *RESEARCH)
        with _workers(port, care) as workers:
            _fill(workers[0], care)

        async def consent(person: int) -> None:
            node = Connection(port)
            answer = node.ask(post("/fhir/Consent", _consent(person), care))
            node.close()
            if answer.status != 201:
                raise RuntimeError("the Consent was not written")

        async def opt_out(person: int) -> None:
            people = range(ROUNDS, person + 1)
            await store.replace_opt_outs([nhs_number(each) for each in people], as_of=clock())

        return {
            "denied by a Consent": await _denied(range(ROUNDS), consent, port, research),
            "denied by a register of opt-outs": await _denied(
                range(ROUNDS, 2 * ROUNDS), opt_out, port, research
            ),
            "tokens withdrawn": await _withdrawn(store, address, port),
        }


async def _denied(
    people: range,
    deny: Callable[[int], Awaitable[None]],
    port: int,
    bearer: str,
) -> list[float]:
    """Return how long each worker went on showing a person: the search anew, and the next page."""
    seconds: list[float] = []
    for person in people:
        search = f"/fhir/Observation?patient=Patient/p{person}&_count=2"
        with _workers(port, bearer) as workers:
            targets = [(each, (search, _next_of(each, search, bearer))) for each in workers]
            await deny(person)
            done = time.perf_counter()
            seconds += [
                _until(worker, get(target, bearer), _shows_nothing, done)
                for worker, both in targets
                for target in both
            ]
    return seconds


def _shows_nothing(status: int, body: bytes) -> bool:
    return status == 200 and b'"entry"' not in body


def _next_of(worker: Connection, search: str, bearer: str) -> str:
    found = _NEXT.search(worker.ask(get(search, bearer)).body)
    if found is None:
        raise RuntimeError(f"{search} has one page")
    return found[1].decode()


async def _withdrawn(store: Store, address: str, port: int) -> list[float]:
    """Return how long each worker went on taking a token."""
    revocations = Revocations(store.key_values)
    seconds: list[float] = []
    for number in range(TOKENS):
        person = f"person-{number}"
        bearer = token(address, port, "--subject", person)
        asked = get("/fhir/Patient/p0", bearer)
        with _workers(port, bearer) as workers:
            now = clock()
            await revocations.withdraw(f"subject:{person}", now=now, expires=now + 3_600_000_000)
            done = time.perf_counter()
            seconds += [
                _until(each, asked, lambda status, _: status == 401, done) for each in workers
            ]
    return seconds


def _until(
    worker: Connection, asked: bytes, obeys: Callable[[int, bytes], bool], done: float
) -> float:
    """Return how many seconds after `done` the last answer came that did not obey; 0 where the first one did."""
    late = 0.0
    while True:
        answer = worker.ask(asked)
        if obeys(answer.status, answer.body):
            return late
        late = answer.at - done
        if late > LOOKED_FOR:
            return float("inf")


def _figure(name: str, seconds: Sequence[float]) -> Figure:
    p99 = quantiles(seconds, n=100, method="inclusive")[98]
    return Figure(
        f"{name}, with {WORKERS} worker processes: how long any of them did not obey, p99; longest",
        f"{p99 * 1000:.0f} ms; {max(seconds) * 1000:.0f} ms",
        "", "", "< 1 s", p99 < 1,
    )  # fmt: skip
