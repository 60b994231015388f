"""What a write is recorded as: the versions that it made, and who asked."""

from __future__ import annotations

from pathlib import Path

from fhir_server.audit.event import Agent, Event, Touched, decoded
from fhir_server.audit.trail import Recording, Trail
from fhir_server.fhir.resource import Key
from fhir_server.storage.contract import Delete, Put, Store
from tests.storage.conftest import open_sqlite
from tests.storage.test_contract import ADA, a_draft

AGENT = Agent("https://issuer.example", "dr-jones", organisation="RR8", purpose="TREAT")


def a_recording(kind: str = "update") -> Recording:
    return Recording(1_000, kind, "request-1", "PUT Patient/ada", AGENT)


async def events(store: Store) -> list[Event]:
    extent = await store.audit_log.extent()
    return [decoded(each) for each in await store.audit_log.entries(0, extent.last)]


async def test_a_write_that_is_refused_leaves_no_event_and_is_not_written(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path) as store:
        recording = a_recording()

        await recording.written_by(store, [Put(a_draft(), expected=3)], atomic=False)

        assert not recording.written
        assert await events(store) == []


async def test_each_version_that_is_made_is_named_with_what_was_done(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path) as store:
        for rest in (b'"active":true', b'"active":false', b'"active":false'):
            await a_recording().written_by(store, [Put(a_draft(rest=rest))], atomic=False)
        await a_recording("delete").written_by(
            store, [Delete(ADA), Put(a_draft(Key("Patient", "bob")), "POST")], atomic=True
        )

        made = [each.touched for each in await events(store)]

        assert made == [
            (Touched("C", "Patient", "ada", 1),),
            (Touched("U", "Patient", "ada", 2),),
            (Touched("U", "Patient", "ada", 2),),
            (Touched("D", "Patient", "ada", 3), Touched("C", "Patient", "bob", 1)),
        ]


async def test_an_event_comes_back_as_it_was_recorded(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path) as store:
        event = a_recording("read").event(404)

        await Trail(store.audit_log).record(event)

        assert await events(store) == [event]


async def test_strict_is_durable_when_it_returns(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path) as store, open_sqlite(tmp_path) as other:
        await Trail(store.audit_log, strict=True).record(a_recording().event(200))

        assert len(await events(other)) == 1
