"""The application itself: failures that nobody foresaw, clients that go away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from fhir_server.rest.answer import Answer
from fhir_server.rest.app import FhirApplication
from fhir_server.rest.request import Request
from fhir_server.rest.routing import table
from fhir_server.rest.service import Route, Service
from fhir_server.rest.table import ROUTES
from fhir_server.rest.telemetry import Telemetry
from fhir_server.settings import Settings
from fhir_server.storage.sqlite.store import open_store
from fhir_server.wiring import clock, service_of
from tests.rest.test_telemetry import Events

Message = MutableMapping[str, Any]


async def fail(_: Service, __: Request) -> NoReturn:
    """Break in a way that nobody foresaw."""
    raise KeyError("Lovelace")


class Caller:
    """Calls an application without a network."""

    def __init__(self, service: Service) -> None:
        self.events = Events()
        self.order: list[str] = []
        telemetry = Telemetry(service.routes, CollectorRegistry(), tell=self.events.tell)
        self._app = FhirApplication(service, telemetry, prefix="/fhir", new_request_id=lambda: "r1")

    async def call(
        self, method: str, path: str, *received: Message, **headers: str
    ) -> list[Message]:
        """Return what the application sends."""
        incoming, sent = list(received), list[Message]()

        async def receive() -> Message:
            return incoming.pop(0)

        async def send(message: Message) -> None:
            sent.append(message)
            self.order.append("sent")

        encoded = {"host": "here", **headers}
        scope = {
            "type": "http",
            "method": method,
            "scheme": "http",
            "path": "/fhir" + path,
            "query_string": b"",
            "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in encoded.items()],
        }
        await self._app(scope, receive, send)
        return sent


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """Return what handlers work with, on a store of its own."""
    path = tmp_path / "fhir.db"
    async with open_store(path, clock=clock) as store:
        yield await service_of(Settings(store=f"sqlite:{path}", auth="none"), store)


@pytest.mark.parametrize("accept", ["application/fhir+json", "application/fhir+xml"])
async def test_what_nobody_foresaw_is_answered_without_details(
    service: Service, accept: str
) -> None:
    caller = Caller(replace(service, routes=table([Route("GET", "/metadata", fail, ())])))

    start, body = await caller.call("GET", "/metadata", accept=accept)

    outcome = msgspec.json.decode(body["body"])
    assert start["status"] == 500
    assert outcome["issue"][0]["code"] == "exception"
    assert "r1" in outcome["issue"][0]["diagnostics"]
    assert "Lovelace" not in str(outcome) + str(caller.events)
    assert [each["event"] for each in caller.events] == ["request_failed", "request_completed"]
    assert caller.events[0]["error"] == "KeyError"


async def test_all_requests_of_a_turn_are_answered_before_the_first_answer_is_sent(
    service: Service,
) -> None:
    async def note(_: Service, __: Request) -> Answer:
        caller.order.append("answered")
        return Answer(200, b"{}")

    caller = Caller(replace(service, routes=table([Route("GET", "/metadata", note, ())])))

    both = await asyncio.gather(caller.call("GET", "/metadata"), caller.call("GET", "/metadata"))

    assert caller.order == ["answered", "answered", "sent", "sent", "sent", "sent"]
    assert [start["status"] for start, _ in both] == [200, 200]


async def test_a_client_that_goes_away_gets_no_answer(service: Service) -> None:
    caller = Caller(service)
    received = (
        {"type": "http.request", "body": b"{", "more_body": True},
        {"type": "http.disconnect"},
    )

    sent = await caller.call("POST", "/Patient", *received, content_type="application/fhir+json")

    assert sent == []
    assert caller.events == []


async def test_a_request_without_a_host_is_refused(service: Service) -> None:
    start, _ = await Caller(service).call("GET", "/metadata", host="")

    assert start["status"] == 400


async def test_an_address_of_ipv6_is_a_host(service: Service) -> None:
    _, body = await Caller(service).call("GET", "/Patient", host="[::1]:8000")

    assert msgspec.json.decode(body["body"])["link"][0]["url"] == "http://[::1]:8000/fhir/Patient"


def test_the_routes_are_one_table() -> None:
    assert {name for name, methods in ROUTES.items() if "GET" in methods} >= {"/", "/metadata"}
