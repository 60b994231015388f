"""What operators see of a request: an event and metrics, by route template.

Never its query, ids, headers or body: these tell who is treated for what.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from prometheus_client import CollectorRegistry, Histogram

from fhir_server.rest.service import Routes

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
Tell: TypeAlias = Callable[[str, Mapping[str, Any]], None]
"""Where an event goes: its name, in the past tense, and its fields."""

NO_ROUTE = "none"
"""The template of a request that fits no route."""
_OTHER = "OTHER"
_FAILED = 5
"""The class of status of what failed here."""


class Telemetry:
    """One histogram, whose counts are those of the requests too.

    It is bound per method, template and class of status when one is first counted: looking it up costs more than
    counting, and most are never asked for. Failures are there from the beginning, as 0: Prometheus takes the first
    value of a series for no increase (https://prometheus.io/docs/practices/instrumentation/#avoid-missing-metrics).
    What was answered is counted and told of together, when `soon` does so: all of one turn of the event loop, after
    their answers are sent.
    """

    def __init__(
        self,
        routes: Routes,
        registry: CollectorRegistry,
        *,
        tell: Tell,
        soon: Callable[[Callable[[], None]], object] = lambda work: work(),
    ) -> None:
        self.tell = tell
        self.registry = registry
        self._soon = soon
        self._answered: list[tuple[str, str, int, float, Mapping[str, str]]] = []
        self._histogram = Histogram(
            "fhir_request_seconds",
            "Time from a request's arrival to its answer, by method, route and class of status.",
            ("method", "route", "status"),
            buckets=_SECONDS,
            registry=registry,
        )
        self._seconds: dict[tuple[str, str, int], Histogram] = {}
        self._places: set[tuple[str, str]] = set()
        self.count(routes)

    def count(self, routes: Routes) -> None:
        """Count what is asked at these routes under their names, from now on."""
        served = {(method, name) for name, methods in routes.items() for method in methods}
        for method, name in sorted(served):
            if method != "HEAD":
                self._bound(method, name, _FAILED)
        self._places |= served
        self._places |= {("OPTIONS", name) for name in (*routes, NO_ROUTE)}
        self._places |= {(method, NO_ROUTE) for method, _ in self._places}

    def _bound(self, method: str, route: str, kind: int) -> Histogram:
        return self._seconds.setdefault(
            (method, route, kind), self._histogram.labels(method, route, f"{kind}xx")
        )

    def completed(
        self, method: str, route: str, status: int, seconds: float, request_id: str, **names: str
    ) -> None:
        """Tell of an answered request, soon; `names` are others that it goes by."""
        self._answered.append((method, route, status, seconds, {"request_id": request_id, **names}))
        if len(self._answered) == 1:
            self._soon(self._tell_of_answered)

    def _tell_of_answered(self) -> None:
        answered, self._answered = self._answered, []
        for each in answered:
            self._tell_of(*each)

    def _tell_of(
        self, method: str, route: str, status: int, seconds: float, names: Mapping[str, str]
    ) -> None:
        kind = status // 100
        histogram = self._seconds.get((method, route, kind))
        if histogram is None:
            if (method, route) not in self._places:
                # A method that nobody serves is a client's text: as a label it could be anything.
                method, route = _OTHER, NO_ROUTE
            histogram = self._bound(method, route, kind)
        histogram.observe(seconds)
        self.tell(
            "request_completed",
            {
                "level": "info",
                "method": method,
                "route": route,
                "status": status,
                "milliseconds": round(seconds * 1000, 2),
                **names,
            },
        )

    def failed(self, error: BaseException, route: str, request_id: str) -> None:
        """Tell of an error that nobody foresaw: its type and place; its message may tell too much."""
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = "" if place is None else f"{place.tb_frame.f_code.co_qualname}:{place.tb_lineno}"
        self.tell(
            "request_failed",
            {
                "level": "error",
                "error": type(error).__name__,
                "where": where,
                "route": route,
                "request_id": request_id,
            },
        )
