"""What Prometheus is told of members: https://prometheus.io/docs/practices/naming/. Labels are the ids of the register."""

from __future__ import annotations

from collections.abc import Collection

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

MOST_MEMBERS = 200
"""Members with a label of their own: so many series are kept, whoever comes and goes."""

_OTHER = "other"


class MemberMetrics:
    """Counts what a hub asks of its members, as `federation.watching.Watch` is told of it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._labels: set[str] = set()
        self._seconds = Histogram(
            "fhir_member_request_seconds",
            "Time of a request to a member, by how it ended: 2xx to 5xx, error, left (not waited for).",
            ("member", "status"),
            buckets=_SECONDS,
            registry=registry,
        )
        self._in_flight = Gauge(
            "fhir_member_requests_in_flight",
            "Requests that a member has not answered yet.",
            ("member",),
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._spared = Counter(
            "fhir_member_unasked",
            "Questions that were not put to a member, since it has nobody whom they name.",
            ("member",),
            registry=registry,
        )
        self._open = Gauge(
            "fhir_member_breaker_open",
            "Processes that leave the member alone, since it failed again and again.",
            ("member",),
            registry=registry,
            multiprocess_mode="livesum",
        )

    def began(self, member: str) -> None:
        """Count a request that is on its way."""
        self._in_flight.labels(self._label(member)).inc()

    def ended(self, member: str, status: str, seconds: float) -> None:
        """Count a request, by how it ended."""
        label = self._label(member)
        self._in_flight.labels(label).dec()
        self._seconds.labels(label, status).observe(seconds)

    def spared(self, member: str) -> None:
        """Count a question that was not put to a member."""
        self._spared.labels(self._label(member)).inc()

    def breakers(self, members: Collection[str], open_members: Collection[str]) -> None:
        """Tell which of the members are left alone."""
        for each in members:
            self._open.labels(self._label(each)).set(each in open_members)

    def _label(self, member: str) -> str:
        if member not in self._labels:
            if len(self._labels) >= MOST_MEMBERS:
                return _OTHER
            self._labels.add(member)
        return member
