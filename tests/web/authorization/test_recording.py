"""What the audit log keeps of sign-ins, choices and decisions."""

from __future__ import annotations

from pathlib import Path

import pytest

from fhir_server.audit.event import Event, decoded
from fhir_server.storage.sqlite.store import open_store
from fhir_server.wiring import clock
from tests.support.smart import APP, PASSWORD, App, smart_node
from tests.support.visitor import visiting
from tests.web.authorization.support import allowed, chosen


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Have somebody sign in, at the second attempt, let an app in, and sign out; return the store."""
    store = tmp_path_factory.mktemp("recorded") / "fhir.db"
    with smart_node(store, APP) as origin, visiting(origin) as visitor:
        app = App(origin)
        page = visitor.get(app.request("launch/patient patient/*.rs"))
        visitor.sign_in(page, "ada", "wrong")
        page = chosen(visitor, visitor.sign_in(page, "ada", PASSWORD))
        allowed(visitor, page)
        visitor.send(visitor.get("/auth/launch").form("/auth/sign-out"))
    return store


@pytest.fixture
async def events(recorded: Path) -> list[Event]:
    async with open_store(recorded, clock=clock) as store:
        rows = await store.audit_log.entries(0, 1000)
        return [decoded(each) for each in rows]


async def test_sign_ins_are_recorded_and_those_that_failed_name_nobody(
    events: list[Event],
) -> None:
    signs = [each for each in events if each.kind.startswith("sign")]

    told = [(each.kind, each.status, each.agent and each.agent.subject) for each in signs]
    assert told == [("sign-in", 401, None), ("sign-in", 200, "ada"), ("sign-out", 200, "ada")]
    assert all(each.address == "127.0.0.1" for each in signs)


async def test_whose_records_were_shown_for_a_choice_is_recorded(events: list[Event]) -> None:
    (search,) = [each for each in events if each.kind == "search-type" and "name" in each.asked]

    assert {each.id for each in search.touched} == {"mary", "paul"}
    assert search.agent is not None
    assert (search.agent.subject, search.agent.purpose) == ("ada", "TREAT")


async def test_a_decision_names_the_app_what_it_got_and_the_patient(events: list[Event]) -> None:
    (permit,) = [each for each in events if each.kind == "permit"]

    assert permit.agent is not None
    assert (permit.agent.subject, permit.agent.client) == ("ada", "chart")
    assert permit.agent.purpose == "TREAT"
    assert permit.patients == ("mary",)
    assert permit.note == "Growth Chart (launch/patient patient/*.rs)"
