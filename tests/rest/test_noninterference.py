"""What a caller may not see makes no difference: the same bytes as from a store that has nothing else.

Goguen and Meseguer, Security Policies and Security Models (1982).
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from fhir_server.auth.caller import Caller
from fhir_server.fhir.resource import Key
from fhir_server.interactions.delete import delete
from fhir_server.interactions.update import update
from fhir_server.policy.access import Access
from fhir_server.policy.rights import rights_of
from fhir_server.policy.scopes import parse_scopes
from fhir_server.policy.visibility import Visibility
from fhir_server.rest.app import FhirApplication
from fhir_server.rest.cursors import Cursor, Cursors
from fhir_server.rest.service import Service
from fhir_server.rest.telemetry import Telemetry
from fhir_server.settings import Settings
from fhir_server.storage.sqlite.schema import connect
from fhir_server.storage.sqlite.store import open_store
from fhir_server.wiring import service_of

EXAMPLES = 300 if os.environ.get("FHIR_TEST_LONG") else 15
BASE = "http://here/fhir"
START = 1_800_000_000_000_000
LATER = START + 10**12

PATIENTS = ("ada", "bob")
SCOPES = (
    "patient/*.cruds",
    "patient/Observation.cruds patient/Patient.cruds",
    "patient/Observation.cruds user/Practitioner.cruds",
    "user/Observation.cruds user/Practitioner.cruds",
    "user/Patient.cruds patient/*.cruds",
)

OBSERVATIONS = ("o1", "o2", "o3")
READS = [
    *(f"/Observation/{each}" for each in OBSERVATIONS),
    *(f"/Observation/{each}/_history" for each in OBSERVATIONS),
    *(f"/Observation/o1/_history/{each}" for each in (1, 2, 3)),
    *(f"/Patient/{each}" for each in PATIENTS),
    *(f"/Patient/{each}/$everything?_count=2" for each in PATIENTS),
    *(f"/Patient/{each}/*?_count=2" for each in PATIENTS),
    *(f"/Patient/{each}/Observation" for each in PATIENTS),
    "/Patient?_count=1",
    "/Patient?family=Lovelace",
    "/Patient?_has:Observation:subject:code=a",
    "/Patient?_revinclude=Observation:subject",
    "/Observation?_count=1",
    "/Observation?_count=1&_sort=code",
    "/Observation?_count=1&_sort=-_lastUpdated",
    "/Observation?_summary=count",
    "/Observation?code=a&_total=accurate&_count=1",
    "/Observation?code:not=a",
    "/Observation?subject=Patient/bob",
    "/Observation?subject:Patient.family=Lovelace",
    "/Observation?subject:Patient.family:missing=true",
    "/Observation?subject:Patient._has:Observation:subject:code=b",
    "/Observation?performer:Practitioner.family=Who",
    "/Observation?_include=Observation:subject&_include=Observation:performer",
    "/Observation?_include=*&_revinclude:iterate=Observation:subject",
    "/Observation/$lastn?patient=ada&max=2",
    "/Observation/$lastn?patient=bob",
    "/Observation/$lastn?subject:Patient.family=Lovelace",
    "/Patient/$everything?_count=2",
    "/Observation/_history?_count=2",
    "/_history?_count=2",
    "/Practitioner?_revinclude=Observation:performer",
    "/Practitioner/doc/Observation",
    "/?_type=Observation,Patient&_count=2",
    "/?_count=2",
]


def an_observation(name: str, subject: str, code: str, *, performed: bool) -> dict[str, Any]:
    performer = {"performer": [{"reference": "Practitioner/doc"}]} if performed else {}
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "code": {"coding": [{"code": code}]},
        "subject": {"reference": f"Patient/{subject}"},
        **performer,
    }


def writes() -> list[tuple[str, str, Any, dict[str, str]]]:
    """Return requests that write, or would: method, path, body and headers."""
    found: list[tuple[str, str, Any, dict[str, str]]] = []
    for each in OBSERVATIONS:
        hers = an_observation(each, "ada", "b", performed=False)
        found += [
            ("PUT", f"/Observation/{each}", hers, {}),
            ("PUT", f"/Observation/{each}", hers | {"status": "amended"}, {"if-match": 'W/"2"'}),
            ("PUT", "/Observation?code=a", hers, {}),
            ("DELETE", f"/Observation/{each}", None, {"if-match": 'W/"1"'}),
            ("DELETE", f"/Observation?_id={each}", None, {}),
        ]
    new = an_observation("", "ada", "c", performed=False)
    del new["id"]
    entries = [
        {"resource": new, "request": {"method": "POST", "url": "Observation"}},
        {"request": {"method": "DELETE", "url": "Observation/o3"}},
        {"request": {"method": "GET", "url": "Observation?_count=1"}},
    ]
    return [
        *found,
        ("POST", "/Observation", new, {"if-none-exist": "code=a"}),
        ("POST", "/Observation", new, {"if-none-exist": "subject=Patient/bob"}),
        ("POST", "/", {"resourceType": "Bundle", "type": "transaction", "entry": entries}, {}),
        ("POST", "/", {"resourceType": "Bundle", "type": "batch", "entry": entries}, {}),
    ]


@dataclass(frozen=True)
class Step:
    """One write of the time before: None as the resource deletes."""

    key: Key
    resource: dict[str, Any] | None


def patients() -> st.SearchStrategy[Step]:
    families = st.sampled_from(("Lovelace", "Menabrea"))
    return st.builds(
        lambda name, family: Step(
            Key("Patient", name),
            {"resourceType": "Patient", "id": name, "name": [{"family": family}]},
        ),
        st.sampled_from(PATIENTS),
        families,
    )


observations = st.builds(
    lambda name, subject, code, performed: Step(
        Key("Observation", name), an_observation(name, subject, code, performed=performed)
    ),
    st.sampled_from(OBSERVATIONS),
    st.sampled_from(PATIENTS),
    st.sampled_from(("a", "b")),
    st.booleans(),
)
practitioners = st.just(
    Step(
        Key("Practitioner", "doc"),
        {"resourceType": "Practitioner", "id": "doc", "name": [{"family": "Who"}]},
    )
)
deletions = st.builds(
    lambda name: Step(Key("Observation", name), None), st.sampled_from(OBSERVATIONS)
)
worlds = st.lists(st.one_of(patients(), observations, practitioners, deletions), max_size=14)


async def build(path: Path, world: Sequence[Step]) -> None:
    """Write the world into a new store."""
    ticks = count(START, 1000)
    async with open_store(path, clock=lambda: next(ticks)) as store:
        service = await service_of(Settings(base_url=BASE), store)
        call = service.call_at(BASE)
        for step in world:
            if step.resource is None:
                await delete(call, step.key)
            else:
                await update(call, step.key, step.resource)


def copy_without_hidden(source: Path, target: Path, sight: Visibility) -> None:
    """Copy a store, and erase every row that this caller may not see."""
    connection = connect(source)
    connection.execute("VACUUM INTO ?", (str(target),))
    connection.close()
    connection = connect(target)
    types = "1" if sight.types is None else "type IN (SELECT value FROM json_each(:types))"
    within = (
        "type IN (SELECT value FROM json_each(:unbound)) OR :patient IS NULL OR "
        "owner IN (SELECT owner FROM owned WHERE patient=:patient AND member=1)"
    )
    values = {
        "types": msgspec.json.encode(sorted(sight.types or ())).decode(),
        "unbound": msgspec.json.encode(sorted(sight.unbound)).decode(),
        "patient": sight.patient,
    }
    for table in ("resource", "history"):
        connection.execute(f"DELETE FROM {table} WHERE NOT ({types} AND ({within}))", values)  # noqa: S608 - constants
    for table in ("history", "term", "span"):
        connection.execute(f"DELETE FROM {table} WHERE rid NOT IN (SELECT rid FROM resource)")  # noqa: S608 - constants
    for table in ("owner", "owned"):
        connection.execute(f"DELETE FROM {table} WHERE owner NOT IN (SELECT owner FROM resource)")  # noqa: S608 - constants
    connection.close()


@dataclass(frozen=True)
class Anyone:
    """Takes every token for that of one caller."""

    caller: Caller

    async def authenticate(self, token: str, *, now: int) -> Caller:  # noqa: ARG002 - a Protocol
        """Return the caller."""
        return self.caller

    async def metadata(self, *, now: int) -> dict[str, Any]:  # noqa: ARG002 - a Protocol
        """Return nothing."""
        return {}


@dataclass(frozen=True, slots=True)
class Numbered(Cursors):
    """Gives numbers instead of sealed text, which is different each time; its length is part of them."""

    given: list[tuple[bytes, Cursor]] = field(default_factory=list)

    def seal(self, cursor: Cursor, scope: bytes, *, now: int) -> str:
        """Return the number of a cursor, and how long its text would be."""
        self.given.append((scope, cursor))
        return f"{len(self.given) - 1}-{len(Cursors.seal(self, cursor, scope, now=now))}"

    def open(self, text: str, scope: bytes, *, now: int) -> Cursor:  # noqa: ARG002 - as it is
        """Return the cursor of a number."""
        for_scope, cursor = self.given[int(text.partition("-")[0])]
        assert for_scope == scope
        return cursor


class Asking:
    """Asks an application as one caller, and keeps all that it answers."""

    def __init__(self, service: Service, access: Access) -> None:
        ids, ticks = count(), count(LATER, 1000)
        fixed = replace(
            service,
            callers=Anyone(Caller(access, rights_of(access))),
            sight=Visibility.nothing("no token"),
            new_id=lambda: f"new-{next(ids)}",
            clock=lambda: next(ticks),
            cursors=Numbered(AESGCM(b"k" * 16), 10**15),
        )
        telemetry = Telemetry(service.routes, CollectorRegistry(), tell=lambda *_: None)
        self._app = FhirApplication(
            fixed, telemetry, prefix="/fhir", new_request_id=lambda: "request"
        )
        self.answers: list[tuple[str, int, Any, bytes]] = []

    async def ask(
        self, method: str, url: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> bytes:
        """Send one request."""
        sent: list[MutableMapping[str, Any]] = []
        content = b"" if body is None else msgspec.json.encode(body)

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        path, _, query = url.partition("?")
        given = {"host": "here", "authorization": "Bearer x", **(headers or {})}
        if content:
            given["content-type"] = "application/fhir+json"
        scope = {
            "type": "http",
            "method": method,
            "scheme": "http",
            "path": "/fhir" + path,
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        }
        await self._app(scope, receive, send)
        start, answer = sent
        self.answers.append((f"{method} {url}", start["status"], start["headers"], answer["body"]))
        return bytes(answer["body"])

    async def read_all(self, url: str) -> None:
        """Read every page, three at most."""
        for _ in range(3):
            body = msgspec.json.decode(await self.ask("GET", url))
            links = {each["relation"]: each["url"] for each in body.get("link", ())}
            if "next" not in links:
                return
            parts = urlsplit(links["next"].removeprefix(BASE))
            url = f"{parts.path}?{parts.query}"


async def answers_of(path: Path, access: Access) -> list[tuple[str, int, Any, bytes]]:
    """Return all that a script of requests is answered with."""
    ticks = count(LATER, 1000)
    async with open_store(path, clock=lambda: next(ticks)) as store:
        asking = Asking(await service_of(Settings(base_url=BASE), store), access)
        for url in READS:
            await asking.read_all(url)
        for write in writes():
            await asking.ask(*write)
        for url in READS:
            await asking.read_all(url)
    return asking.answers


async def compare(world: Sequence[Step], scopes: str) -> None:
    access = Access("https://a.example", "someone", parse_scopes(scopes), patient="ada")
    sight = rights_of(access).sight("cruds")
    with tempfile.TemporaryDirectory() as folder:
        full, rest = Path(folder, "full.db"), Path(folder, "rest.db")
        await build(full, world)
        copy_without_hidden(full, rest, sight)

        of_full, of_rest = await answers_of(full, access), await answers_of(rest, access)

    for first, second in zip(of_full, of_rest, strict=True):
        assert first == second
    assert {status for _, status, _, _ in of_full} <= {200, 201, 204, 400, 403, 404, 409, 410, 412}


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(world=worlds, scopes=st.sampled_from(SCOPES))
def test_what_is_hidden_makes_no_difference_to_any_answer(
    world: Sequence[Step], scopes: str
) -> None:
    asyncio.run(compare(world, scopes))
