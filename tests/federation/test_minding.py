"""What a hub does beside the requests: each member is asked now and then, by one process of all."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pytest

from fhir_server.federation.health import Health
from fhir_server.federation.hub import Hub
from fhir_server.federation.minding import CHECKED_EACH, Minder
from fhir_server.federation.registry import Registry
from fhir_server.federation.transport import Failed, Reply
from fhir_server.fhir.json import dump
from fhir_server.storage.contract import Store
from tests.federation.test_registry import NOW, OLD, enrolment, statement


class Servers:
    """Members that answer with what they declare, or fail."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: bytes | None = dump(statement("Patient", "Slot"))

    async def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        """Answer with the CapabilityStatement."""
        assert headers["accept"]
        self.asked.append(url)
        if self.answer is None:
            raise Failed("error", "the connection failed")
        return Reply(200, {"content-type": "application/fhir+json"}, self.answer)

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes = b""
    ) -> Reply:
        """Refuse: nothing is sent to members here."""
        raise AssertionError((method, url, headers, content))


def hub_of(store: Store, servers: Servers, process: str, now: int = NOW) -> Hub:
    return Hub(Registry(store), store.key_values, servers, lambda: now, str, 1, Health(process))


def nobody(members: Collection[str], open_members: Collection[str]) -> None:
    """Take no note."""


async def test_each_member_is_checked_once_a_while_by_one_of_all_processes(store: Store) -> None:
    await enrolment(store).add(OLD, statement("Patient"), now=NOW)
    servers = Servers()
    for process in ("one", "two", "one"):
        await Minder(hub_of(store, servers, process), nobody).step()
    assert servers.asked == [f"{OLD.base}/metadata"]

    later = NOW + CHECKED_EACH
    hub = hub_of(store, servers, "two", later)
    await Minder(hub, nobody).step()
    assert len(servers.asked) == 2
    (known,) = await hub.registry.registered(now=later)
    assert known.learned == later
    assert (await hub.registry.capabilities(known, now=later)).searches("Slot")


async def test_a_member_that_is_suspended_is_left_in_peace(store: Store) -> None:
    await enrolment(store).add(OLD, statement("Patient"), now=NOW)
    await enrolment(store).set_status("a", "suspended", now=NOW)
    servers = Servers()
    await Minder(hub_of(store, servers, "one"), nobody).step()
    assert servers.asked == []


@pytest.mark.parametrize("answer", [None, b"{}", b"no JSON"])
async def test_what_a_member_declared_stands_where_it_cannot_be_asked(
    store: Store, answer: bytes | None
) -> None:
    await enrolment(store).add(OLD, statement("Patient"), now=NOW)
    servers = Servers()
    servers.answer = answer
    hub = hub_of(store, servers, "one")
    await Minder(hub, nobody).step()

    (known,) = await hub.registry.registered(now=NOW)
    assert (await hub.registry.capabilities(known, now=NOW)).searches("Patient")
    found = await hub_of(store, servers, "two").health.histories(store.key_values, (), now=NOW)
    failure = found["a"].last_failure
    assert failure is not None
    assert (failure.occasion, failure.state) == ("check", "error")
    assert failure.problem
