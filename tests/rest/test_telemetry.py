"""What operators see, and what nobody sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import httpx2 as httpx
import pytest
from opentelemetry import trace
from prometheus_client import CollectorRegistry

from fhir_server.rest.table import ROUTES
from fhir_server.rest.telemetry import NO_ROUTE, Telemetry
from fhir_server.web.app import QUIET


class Events(list[dict[str, Any]]):
    """What was told."""

    def tell(self, event: str, fields: Mapping[str, Any]) -> None:
        """Take down an event."""
        self.append({"event": event, **fields})


def count(registry: CollectorRegistry, method: str, route: str, status: str) -> float | None:
    labels = {"method": method, "route": route, "status": status}
    return registry.get_sample_value("fhir_request_seconds_count", labels)


@pytest.mark.parametrize("method", ["BREW", "9434765919", ""])
def test_a_method_that_is_not_served_is_no_label(method: str) -> None:
    registry = CollectorRegistry()
    events = Events()
    telemetry = Telemetry(ROUTES, registry, tell=events.tell)

    telemetry.completed(method, "/[type]", 405, 0.001, "r1")

    assert count(registry, "OTHER", NO_ROUTE, "4xx") == 1
    assert events[0]["method"] == "OTHER"


def test_what_nobody_asked_has_no_series_but_for_its_failures() -> None:
    registry = CollectorRegistry()

    Telemetry(ROUTES, registry, tell=Events().tell).completed("GET", "/[type]", 200, 0.001, "r1")

    (metric,) = registry.collect()
    told = [each for each in metric.samples if each.name == "fhir_request_seconds_count"]
    assert [each.labels for each in told if each.value] == [
        {"method": "GET", "route": "/[type]", "status": "2xx"}
    ]
    assert {each.labels["status"] for each in told if not each.value} == {"5xx"}


def test_the_first_failure_of_a_route_is_an_increase() -> None:
    registry = CollectorRegistry()
    telemetry = Telemetry(ROUTES, registry, tell=Events().tell)
    routes = {name: set(methods) - {"HEAD"} for name, methods in ROUTES.items()}

    before = [count(registry, each, name, "5xx") for name in routes for each in routes[name]]
    telemetry.completed("GET", "/[type]", 503, 0.001, "r1")

    assert set(before) == {0.0}
    assert count(registry, "GET", "/[type]", "5xx") == 1


def test_a_request_is_counted_under_its_route() -> None:
    registry = CollectorRegistry()
    events = Events()
    telemetry = Telemetry(ROUTES, registry, tell=events.tell)

    telemetry.completed("GET", "/[type]/[id]", 200, 0.0123, "r1")
    telemetry.completed("OPTIONS", "/[type]/[id]", 204, 0.001, "r2")

    assert count(registry, "GET", "/[type]/[id]", "2xx") == 1
    assert count(registry, "OPTIONS", "/[type]/[id]", "2xx") == 1
    assert events[0] == {
        "event": "request_completed",
        "level": "info",
        "method": "GET",
        "route": "/[type]/[id]",
        "status": 200,
        "milliseconds": 12.3,
        "request_id": "r1",
    }


def test_what_was_answered_is_counted_and_told_of_together_in_its_order() -> None:
    registry = CollectorRegistry()
    events, soon = Events(), list[Callable[[], None]]()
    telemetry = Telemetry(ROUTES, registry, tell=events.tell, soon=soon.append)

    for number in range(3):
        telemetry.completed("GET", "/[type]", 200, 0.001, f"r{number}")
    assert (events, len(soon)) == ([], 1)
    soon.pop()()
    telemetry.completed("GET", "/[type]", 200, 0.001, "r3")
    soon.pop()()

    assert [each["request_id"] for each in events] == ["r0", "r1", "r2", "r3"]
    assert count(registry, "GET", "/[type]", "2xx") == 4


def test_a_request_without_a_route_keeps_its_method() -> None:
    registry = CollectorRegistry()

    Telemetry(ROUTES, registry, tell=Events().tell).completed("GET", NO_ROUTE, 404, 0.001, "r1")

    assert count(registry, "GET", NO_ROUTE, "4xx") == 1


def test_a_failure_tells_its_type_and_place_but_not_its_message() -> None:
    def fail() -> None:
        raise ValueError("Lovelace, 9434765919")

    events = Events()
    telemetry = Telemetry(ROUTES, CollectorRegistry(), tell=events.tell)
    try:
        fail()
    except ValueError as error:
        telemetry.failed(error, "/[type]", "r1")

    assert events[0]["error"] == "ValueError"
    assert "fail" in events[0]["where"]
    assert "Lovelace" not in str(events)


def test_a_failure_inside_a_group_is_told_as_itself() -> None:
    group = ExceptionGroup("several", [KeyError("Lovelace")])
    events = Events()

    Telemetry(ROUTES, CollectorRegistry(), tell=events.tell).failed(group, "/", "r1")

    assert events[0]["error"] == "KeyError"


def test_the_frameworks_own_telemetry_is_off(base: str) -> None:
    assert QUIET == {"tracing": False, "metrics": False, "logs": False}
    assert httpx.get(base.replace("/fhir", "/"), params={"name": "Lovelace"}).status_code == 200
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
