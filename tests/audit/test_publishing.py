"""From the log to AuditEvents: each once, however many do it, and told by what permitted it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from fhir_server.audit import publishing
from fhir_server.audit.event import Agent, Event, Touched, encoded
from fhir_server.audit.publishing import Publisher
from fhir_server.audit.resource import Origin
from fhir_server.catalogue.register import Register
from fhir_server.conformance.definitions import definitions_in
from fhir_server.fhir.errors import TooCostly
from fhir_server.fhir.json import parse_resource
from fhir_server.fhir.resource import Key, Resource
from fhir_server.policy.decision import Audience, LaidDown, Provision
from fhir_server.policy.visibility import Visibility
from fhir_server.search.expression import Plan
from fhir_server.search.indexing import Extractor
from fhir_server.settings import definitions_folder
from fhir_server.storage.contract import Draft, Put, Store
from tests.storage.conftest import open_sqlite
from tests.storage.test_contract import a_draft

ALL = Visibility.everything("test")
DOCTOR = Agent("https://issuer.example", "dr-jones", "ehr", "RR8", "R8000", "TREAT")
CARE = Audience("TREAT")
MOMENT = 1_795_000_000_000_000
WEIGHT = Key("Observation", "weight")


@asynccontextmanager
async def a_publisher(folder: Path) -> AsyncIterator[tuple[Store, Publisher]]:
    extractor = Extractor(definitions_in(definitions_folder()))
    async with open_sqlite(folder) as store:
        register = Register(store, extractor, ())
        await register.start()
        yield store, Publisher(store, register, Origin("https://node.example/fhir", b"k" * 32))


def an_event(number: int = 1, **changes: object) -> Event:
    touched = (Touched("R", "Observation", "weight", 1),)
    return Event(
        MOMENT + number,
        "read",
        request_id=f"r-{number}",
        agent=DOCTOR,
        rule="default:direct-care",
        touched=touched,
        audience=CARE,
        **changes,  # type: ignore[arg-type]
    )


async def record(store: Store, *events: Event) -> None:
    for each in events:
        await store.audit_log.append(encoded(each), durable=False)


async def published(store: Store) -> list[Resource]:
    page = await store.search(ALL, Plan(frozenset({"AuditEvent"})), None, 1_000)
    return [parse_resource(row.stored.body or b"") for row in page.rows]


def generation_of(publisher: Publisher, draft: Draft) -> Draft:
    return msgspec.structs.replace(draft, generation=publisher.register.current.stamp.generation)


async def test_of_several_who_publish_each_event_is_published_once(tmp_path: Path) -> None:
    async with a_publisher(tmp_path) as (store, one), a_publisher(tmp_path) as (_, two):
        await store.write(
            [Put(generation_of(one, a_draft(WEIGHT, patients=("ada", "bob"))))], atomic=False
        )
        await record(store, *map(an_event, range(120)))

        await asyncio.gather(one.caught_up(), two.caught_up())
        found = await published(store)

        assert len({each["id"] for each in found}) == len(found) == 240
        assert {each["meta"]["versionId"] for each in found} == {"1"}
        assert (await store.audit_log.extent()).published == 120


async def test_who_would_wait_too_long_is_told_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "SECONDS", 0)
    async with a_publisher(tmp_path) as (store, publisher):
        await record(store, *map(an_event, range(60)))

        with pytest.raises(TooCostly, match="0 % so far"):
            await publisher.caught_up()


async def test_in_passing_it_stops_where_others_come(tmp_path: Path) -> None:
    async with a_publisher(tmp_path) as (store, publisher):
        await record(store, *map(an_event, range(120)))

        assert await publisher.in_passing()
        assert await publisher.in_passing()
        assert not await publisher.in_passing()
        assert len(await published(store)) == 120


@pytest.mark.parametrize(
    ("emergency", "at", "rule", "because"),
    [
        ((), 0, "consent:permit", ("Consent/c",)),
        ((), -10, "default:direct-care", ()),
        (("ada",), 0, "break-glass", ()),
    ],
)
async def test_what_permitted_is_named(
    tmp_path: Path, emergency: tuple[str, ...], at: int, rule: str, because: tuple[str, ...]
) -> None:
    permit = Provision("consent", "permit", "Consent/c", since=MOMENT)
    consent = a_draft(Key("Consent", "c"), patients=("ada",))
    async with a_publisher(tmp_path) as (store, publisher):
        drafts = (
            msgspec.structs.replace(consent, laid_down=LaidDown("ada", (permit,))),
            a_draft(WEIGHT, patients=("ada",)),
        )
        await store.write([Put(generation_of(publisher, each)) for each in drafts], atomic=False)
        await record(store, an_event(at, emergency=emergency))

        await publisher.caught_up()
        (found,) = await published(store)

        assert found["agent"][0]["policy"] == [f"https://example.org/fdp/rule/{rule}"]
        consents = [each["what"]["reference"] for each in found["entity"] if _is_consent(each)]
        assert consents == list(because)


def _is_consent(entity: Resource) -> bool:
    return bool(entity["type"]["code"] == "Consent")
