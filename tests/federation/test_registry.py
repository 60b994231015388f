"""The register of members: Endpoints say who is one, on each backend, and no crash leaves a half of one in force."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any, TypeVar

import msgspec
import pytest

from fhir_server.conformance.validation import Validator
from fhir_server.federation.endpoints import ODS, endpoint_key
from fhir_server.federation.enrolment import Enrolment
from fhir_server.federation.members import Capabilities, Member
from fhir_server.federation.registry import SIGHT, Registered, Registry
from fhir_server.fhir.errors import NotFound, Unavailable
from fhir_server.fhir.json import parse
from fhir_server.fhir.resource import Key, Resource
from fhir_server.interactions.call import Call
from fhir_server.interactions.delete import delete
from fhir_server.interactions.read import read
from fhir_server.interactions.search import search
from fhir_server.interactions.update import update
from fhir_server.storage.contract import Store
from fhir_server.storage.keyvalues import KeyValues
from tests.search.support import DEFINITIONS, EXTRACTOR

T = TypeVar("T")

NOW = 1_750_000_000_000_000
VALIDATOR = Validator(DEFINITIONS)
IDS = count(1)
OLD = Member("a", "The old one", "https://old.example/fhir", "RXX01", seconds=1)
NEW = Member("a", "The new one", "https://new.example/fhir", "RXX02", seconds=2)


def statement(*types: str) -> Resource:
    """Return what a server that searches these types declares."""
    searched = [{"code": "search-type"}]
    return {
        "resourceType": "CapabilityStatement",
        "fhirVersion": "4.0.1",
        "software": {"name": "other", "version": "1.2"},
        "rest": [{"resource": [{"type": each, "interaction": searched} for each in types]}],
    }


class Breaking:
    """Key-values that fail after so many writes, as a process that ends there."""

    def __init__(self, inner: KeyValues, writes: Callable[[], None]) -> None:
        self._inner, self._writes = inner, writes

    def __getattr__(self, name: str) -> Any:
        called = getattr(self._inner, name)

        async def counted(*given: Any, **named: Any) -> Any:
            if name in {"put", "remove"}:
                self._writes()
            return await called(*given, **named)

        return counted


def enrolment(store: Store, writes: Callable[[], None] = lambda: None) -> Enrolment:
    """Return what changes the register of a store; `writes` is called before each write, and may raise."""

    async def write(work: Callable[[Call], Awaitable[T]]) -> T:
        writes()
        return await work(a_call(store))

    class Kept(Registry):
        @property
        def kept(self) -> KeyValues:
            return Breaking(self.store.key_values, writes)

    return Enrolment(Kept(store), write, lambda: f"registration-{next(IDS)}")


def a_call(store: Store) -> Call:
    """Return a call of the system."""
    return Call(
        store,
        DEFINITIONS,
        VALIDATOR,
        EXTRACTOR,
        SIGHT,
        lambda: f"id-{next(IDS)}",
        "http://hub.example/fhir",
        now=NOW,
    )


async def rewrite(store: Store, **changes: Any) -> None:
    """Change the Endpoint of `a` as any client might."""
    call = a_call(store)
    stored = await read(call, endpoint_key("a"))
    await update(call, stored.key, parse(stored.body or b"") | changes)


async def standing(store: Store) -> Registered | None:
    """Return the one member there is."""
    found = await Registry(store).registered(now=NOW)
    assert len(found) <= 1
    return found[0] if found else None


@pytest.mark.parametrize("name", ["", "A", "Patient", "a/b", "a b", "-a", "a" * 33])
async def test_what_is_no_id_is_refused(store: Store, name: str) -> None:
    with pytest.raises(ValueError, match="is no id of a member"):
        await enrolment(store).add(Member(name, "x", "https://x.example"), statement(), now=NOW)
    assert await standing(store) is None


async def test_an_endpoint_that_is_no_member_is_not_written_over(store: Store) -> None:
    own = {
        "resourceType": "Endpoint",
        "id": "a",
        "status": "active",
        "connectionType": {"code": "hl7-fhir-rest"},
        "payloadType": [{"text": "x"}],
        "address": "https://own.example",
    }
    await update(a_call(store), Key("Endpoint", "a"), own)
    with pytest.raises(ValueError, match="is no member"):
        await enrolment(store).add(OLD, statement("Patient"), now=NOW)
    assert await standing(store) is None


async def test_whoever_is_no_member_can_be_neither_suspended_nor_removed(store: Store) -> None:
    with pytest.raises(NotFound):
        await enrolment(store).set_status("a", "suspended", now=NOW)
    assert not await enrolment(store).remove("a", now=NOW)


@pytest.mark.parametrize("status", ["suspended", "error", "test"])
async def test_an_endpoint_that_is_not_active_withholds_its_member(
    store: Store, status: str
) -> None:
    await enrolment(store).add(OLD, statement("Patient"), now=NOW)
    await rewrite(store, status=status)
    found = await standing(store)
    assert found is not None
    assert status in found.member.withheld


@pytest.mark.parametrize("status", ["off", "entered-in-error"])
async def test_an_endpoint_that_is_off_is_no_member_any_more(store: Store, status: str) -> None:
    await enrolment(store).add(OLD, statement("Patient"), now=NOW)
    await rewrite(store, status=status)
    assert await standing(store) is None


async def test_an_endpoint_that_is_deleted_is_no_member_any_more(store: Store) -> None:
    await enrolment(store).add(OLD, statement("Patient"), now=NOW)
    await delete(a_call(store), endpoint_key("a"))
    assert await standing(store) is None


async def test_whoever_writes_an_endpoint_cannot_lead_the_hub_elsewhere(store: Store) -> None:
    await enrolment(store).add(OLD, statement("Patient"), now=NOW)
    await rewrite(store, address="https://evil.example/fhir")
    found = await standing(store)
    assert found is not None
    assert found.member.base == OLD.base
    assert "another address" in found.member.withheld


async def test_an_endpoint_cannot_take_the_settings_of_another(store: Store) -> None:
    await enrolment(store).add(OLD, statement("Patient"), now=NOW)
    stolen = parse((await read(a_call(store), endpoint_key("a"))).body or b"")
    await update(a_call(store), Key("Endpoint", "b"), stolen | {"id": "b"})
    found = await standing(store)
    assert found is not None
    assert found.member.id == "a"


async def test_a_member_is_found_as_any_endpoint_and_nothing_private_is_in_it(store: Store) -> None:
    await enrolment(store).add(OLD, statement("Patient"), service="Pathology", now=NOW)
    for kind, query in (
        ("Endpoint", (("status", "active"), ("organization.identifier", f"{ODS}|RXX01"))),
        ("Organization", (("identifier", f"{ODS}|RXX01"),)),
        ("HealthcareService", (("endpoint", "Endpoint/a"), ("name", "Pathology"))),
    ):
        found = await search(a_call(store), kind, query, after=None, now=NOW)
        assert len(found.rows) == 1, kind
        body = found.rows[0].stored.body or b""
        assert b"seconds" not in body
        assert b"at_once" not in body


async def test_members_of_one_organisation_share_it(store: Store) -> None:
    await enrolment(store).add(OLD, statement("Patient"), now=NOW)
    other = msgspec.structs.replace(OLD, id="b", base="https://b.example")
    await enrolment(store).add(other, statement("Patient"), now=NOW)
    found = await search(a_call(store), "Organization", (), after=None, now=NOW)
    assert len(found.rows) == 1
    assert [each.id for each in await Registry(store).members(now=NOW)] == ["a", "b"]


async def test_suspended_and_resumed_it_is_as_it_was(store: Store) -> None:
    at = enrolment(store)
    await at.add(OLD, statement("Patient"), now=NOW)
    before = await standing(store)
    await at.set_status("a", "suspended", now=NOW)
    withheld = await standing(store)
    await at.set_status("a", "active", now=NOW)
    assert withheld is not None
    assert withheld.member.withheld
    assert await standing(store) == before


async def test_what_a_member_declares_is_kept_with_its_time(store: Store) -> None:
    await enrolment(store).add(OLD, statement("Patient"), now=NOW)
    registry = Registry(store)
    (known,) = await registry.registered(now=NOW)
    assert known.learned == NOW
    await registry.learn(known, statement("Patient", "Slot"), now=NOW + 5)
    (later,) = await registry.registered(now=NOW)
    found = await registry.capabilities(later, now=NOW)
    assert (later.learned, found.taken) == (NOW + 5, NOW + 5)
    assert set(found.types) == {"Patient", "Slot"}
    assert (found.fhir_version, found.software) == ("4.0.1", "other 1.2")


async def test_a_removed_member_leaves_nothing_but_its_organisation(store: Store) -> None:
    at = enrolment(store)
    await at.add(OLD, statement("Patient"), service="Pathology", now=NOW)
    await at.add(NEW, statement("Patient"), now=NOW)
    assert await at.remove("a", now=NOW)
    assert await standing(store) is None
    for kind in ("member-settings", "member-snapshot", "member-learned"):
        assert await store.key_values.items(kind, now=NOW) == [], kind


async def test_members_from_before_they_were_endpoints_become_some(store: Store) -> None:
    kept = store.key_values
    await kept.put("member", "a", msgspec.json.encode(OLD), now=NOW)
    await kept.put("member-capabilities", "a", b'{"Patient":["name"]}', now=NOW)
    for _ in range(2):
        await enrolment(store).migrate(now=NOW)
    (found,) = await Registry(store).registered(now=NOW)
    assert found.member == OLD
    assert await Registry(store).capabilities(found, now=NOW) == Capabilities(
        {"Patient": frozenset({"name"})}
    )
    assert await kept.items("member", now=NOW) == []


class Crash(Exception):
    """The process ends here."""


def crashing(after: int) -> Callable[[], None]:
    """Return what lets so many writes through, and none after them."""
    numbers = count()

    def write() -> None:
        if next(numbers) >= after:
            raise Crash

    return write


async def test_a_crash_at_any_write_leaves_the_old_registration_or_the_new_one(
    store: Store,
) -> None:
    await enrolment(store).add(OLD, statement("Patient"), now=NOW)
    seen = []
    for after in range(20):
        try:
            await enrolment(store, crashing(after)).add(NEW, statement("Slot"), now=NOW)
        except Crash:
            pass
        else:
            break
        (found,) = await Registry(store).registered(now=NOW)
        declared = await Registry(store).capabilities(found, now=NOW)
        seen.append(found.member.id and (found.member, set(declared.types)))
        await enrolment(store).add(OLD, statement("Patient"), now=NOW)
    else:
        pytest.fail("it never came to its end")
    assert (NEW, {"Slot"}) in seen
    assert (OLD, {"Patient"}) in seen
    assert all(each in [(OLD, {"Patient"}), (NEW, {"Slot"})] for each in seen)


async def test_a_crash_in_the_middle_of_a_removal_leaves_a_member_or_none(store: Store) -> None:
    for after in range(10):
        await enrolment(store).add(OLD, statement("Patient"), now=NOW)
        try:
            await enrolment(store, crashing(after)).remove("a", now=NOW)
        except Crash:
            found = await standing(store)
            assert found is None or found.member == OLD
        else:
            break
    else:
        pytest.fail("it never came to its end")
    assert await standing(store) is None


async def test_where_the_resources_are_refused_the_old_registration_stands(store: Store) -> None:
    await enrolment(store).add(OLD, statement("Patient"), now=NOW)

    async def refuse(_: Callable[[Call], Awaitable[T]]) -> T:
        raise Unavailable("the store is full")

    refused = Enrolment(Registry(store), refuse, lambda: "refused")
    with pytest.raises(Unavailable):
        await refused.add(NEW, statement("Slot"), now=NOW)
    found = await standing(store)
    assert found is not None
    assert found.member == OLD
    assert len(await store.key_values.items("member-settings", now=NOW)) == 1
