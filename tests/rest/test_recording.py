"""Nothing is asked without a trace: every address, entries of Bundles, refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from msgspec.structs import replace

from fhir_server.audit.event import Agent, Event, Touched, decoded
from fhir_server.rest.table import ROUTES
from tests.rest.access import Guarded, a_client, guarded
from tests.rest.test_bearer import CLOSED
from tests.storage.conftest import open_sqlite
from tests.support.server import running_server

NOBODY = a_client()
IDS = [" ".join(each) for each in CLOSED]
ADA = {"resourceType": "Patient", "id": "ada", "active": True}
WEIGHT = {
    "resourceType": "Observation",
    "id": "weight",
    "status": "final",
    "code": {"text": "weight"},
    "subject": {"reference": "Patient/ada"},
}


@dataclass(frozen=True)
class Watched:
    """A server, and the folder of its store: its log is read from beside it."""

    server: Guarded
    folder: Path

    def events(self) -> list[Event]:
        """Return all that the log holds."""

        async def read() -> list[Event]:
            async with open_sqlite(self.folder) as store:
                extent = await store.audit_log.extent()
                return [decoded(each) for each in await store.audit_log.entries(0, extent.last)]

        return asyncio.run(read())

    def of(self, ask: Any) -> list[Event]:
        """Return the events that something leaves."""
        before = len(self.events())
        ask()
        return self.events()[before:]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Return a server that all tests here share; it answers nothing that is not on the disk."""
    folder = tmp_path_factory.mktemp("recording")
    with guarded(folder / "store.db", audit="strict") as server:
        with server.client() as client:
            client.put("Patient/ada", json=ADA).raise_for_status()
            client.put("Observation/weight", json=WEIGHT).raise_for_status()
        yield Watched(server, folder)


@pytest.fixture
def client(watched: Watched) -> Iterator[httpx.Client]:
    with watched.server.client(organisation="RR8", role="S8000:G8000:R8000") as opened:
        yield opened


@pytest.mark.parametrize(("method", "path"), CLOSED, ids=IDS)
def test_no_address_refuses_a_caller_without_an_event(
    watched: Watched, method: str, path: str
) -> None:
    (event,) = watched.of(
        lambda: NOBODY.request(method, f"{watched.server.base}/{path}", content=b"{")
    )

    assert (event.status, event.agent, event.touched) == (401, None, ())
    assert event.asked == f"{method} {path}"
    assert event.address == "127.0.0.1"
    assert event.note.startswith("This needs a token")


@pytest.mark.parametrize(("method", "path"), CLOSED, ids=IDS)
def test_no_address_answers_a_caller_without_an_event(
    watched: Watched, client: httpx.Client, method: str, path: str
) -> None:
    answers: list[httpx.Response] = []

    path = path.replace("ada", "walker")
    found = watched.of(lambda: answers.append(client.request(method, path)))

    (event,) = found
    assert event.status // 100 == answers[0].status_code // 100
    assert event.agent is not None
    assert (event.agent.organisation, event.agent.role) == ("RR8", "S8000:G8000:R8000")
    assert event.kind in {*ROUTES_KINDS, "operation"}
    assert event.request_id == answers[0].headers["x-request-id"]


ROUTES_KINDS = {
    each for methods in ROUTES.values() for route in methods.values() for each in route.interactions
}


@pytest.mark.parametrize(
    ("status", "path", "scope"),
    [
        (404, "Observation/nothing", "user/*.rs"),
        (403, "Observation/weight", "user/Patient.rs"),
        (403, "Observation?code=weight", "user/Patient.rs"),
        (400, "Observation?colour=red", "user/*.rs"),
        (404, "Observation/weight", "patient/*.rs"),
    ],
)
def test_a_refused_read_touches_nobody(
    watched: Watched, status: int, path: str, scope: str
) -> None:
    with watched.server.client(scope, patient="bob") as client:
        (event,) = watched.of(lambda: client.get(path))

    assert (event.status, event.touched, event.patients) == (status, (), ())


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "Observation/{}"),
        ("GET", "Observation?_id={}"),
        ("GET", "Observation/{}/_history"),
        ("DELETE", "Observation/{}"),
    ],
)
def test_what_is_hidden_leaves_the_event_of_what_is_absent(
    watched: Watched, method: str, path: str
) -> None:
    with watched.server.client("patient/*.cruds", patient="bob") as client:
        (hidden,) = watched.of(lambda: client.request(method, path.format("weight")))
        (absent,) = watched.of(lambda: client.request(method, path.format("nought")))

    same = {"moment": 0, "request_id": ""}
    assert replace(hidden, **same) == replace(
        absent, asked=absent.asked.replace("nought", "weight"), **same
    )


def test_a_read_names_the_version_the_caller_and_the_rule(
    watched: Watched, client: httpx.Client
) -> None:
    (event,) = watched.of(
        lambda: client.get("Observation/weight", headers={"x-request-id": "request-7"})
    )

    assert event.kind == "read"
    assert event.touched == (Touched("R", "Observation", "weight", 1),)
    assert event.request_id == "request-7"
    assert event.rule == "default:direct-care"
    assert event.agent == Agent(
        watched.server.issuer.url,
        event.agent.subject if event.agent else "",
        event.agent.client if event.agent else "",
        "RR8",
        "S8000:G8000:R8000",
    )


@pytest.mark.parametrize(
    ("path", "kind", "expected"),
    [
        ("Observation?code:text=weight", "search-type", {"Observation/weight"}),
        (
            "Observation?_id=weight&_include=Observation:subject",
            "search-type",
            {"Observation/weight", "Patient/ada"},
        ),
        ("Observation?_id=weight&_summary=count", "search-type", set()),
        ("Patient/ada/Observation", "search-type", {"Observation/weight"}),
        ("?_type=Patient&_id=ada", "search-system", {"Patient/ada"}),
        ("Observation/weight/_history", "history-instance", {"Observation/weight"}),
        ("Observation/weight/_history/1", "vread", {"Observation/weight"}),
        ("Patient/ada/$everything", "operation", {"Observation/weight", "Patient/ada"}),
    ],
)
def test_all_rows_of_a_page_are_named(
    watched: Watched, client: httpx.Client, path: str, kind: str, expected: set[str]
) -> None:
    (event,) = watched.of(lambda: client.get(path).raise_for_status())

    assert event.kind == kind
    assert {f"{each.type}/{each.id}" for each in event.touched} == expected
    assert {each.action for each in event.touched} <= {"R"}


def test_the_parameters_of_a_form_are_recorded(watched: Watched, client: httpx.Client) -> None:
    (event,) = watched.of(
        lambda: client.post("Observation/_search?_count=1", data={"_id": "weight"})
    )

    assert event.asked == "POST Observation/_search?_count=1&_id=weight"


def test_a_write_leaves_one_event_and_a_refused_one_too(
    watched: Watched, client: httpx.Client
) -> None:
    good = {"resourceType": "Patient", "active": True}

    made = watched.of(lambda: client.post("Patient", json=good))
    again = watched.of(lambda: client.put("Patient/ada", json=ADA))
    wrong = watched.of(lambda: client.post("Patient", json=good | {"active": "perhaps"}))
    late = watched.of(lambda: client.put("Patient/ada", json=ADA, headers={"if-match": 'W/"9"'}))

    assert [(each.kind, each.status, len(each.touched)) for each in made] == [("create", 200, 1)]
    assert [each.touched for each in again] == [(Touched("U", "Patient", "ada", 1),)]
    assert [(each.kind, each.status, each.touched) for each in wrong] == [("create", 422, ())]
    assert [(each.kind, each.status, each.touched) for each in late] == [("update", 412, ())]


def test_each_entry_of_a_batch_and_the_batch_are_recorded(
    watched: Watched, client: httpx.Client
) -> None:
    entries = [
        {"request": {"method": "GET", "url": "Observation/weight"}},
        {"request": {"method": "GET", "url": "Observation/nothing"}},
        {"request": {"method": "POST", "url": "Patient"}, "resource": {"resourceType": "Patient"}},
    ]
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": entries}

    found = watched.of(lambda: client.post("", json=bundle))

    assert sorted((each.kind, each.status) for each in found) == [
        ("batch", 200),
        ("create", 200),
        ("read", 200),
        ("read", 404),
    ]
    assert len({each.request_id for each in found}) == 1
    assert {each.agent.organisation for each in found if each.agent} == {"RR8"}


def test_a_transaction_is_one_event_and_its_reads_are_more(watched: Watched) -> None:
    patient = {"resourceType": "Patient"}
    entries = [
        {"request": {"method": "POST", "url": "Patient"}, "resource": patient},
        {"request": {"method": "PUT", "url": "Patient/eve"}, "resource": patient | {"id": "eve"}},
        {"request": {"method": "GET", "url": "Observation/weight"}},
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}

    with watched.server.client() as client:
        first, second = watched.of(lambda: client.post("", json=bundle))

    assert (first.kind, [each.action for each in first.touched]) == ("transaction", ["C", "C"])
    assert (second.kind, second.touched) == ("read", (Touched("R", "Observation", "weight", 1),))


def test_without_tokens_nothing_is_recorded_unless_it_is_asked_for(tmp_path: Path) -> None:
    for setting, number in ((None, 0), ("strict", 1)):
        folder = tmp_path / str(setting)
        with running_server(folder / "store.db", audit=setting) as base:
            NOBODY.get(f"{base}/Patient/ada")
        assert len(Watched(Guarded(base, None), folder).events()) == number  # type: ignore[arg-type]
