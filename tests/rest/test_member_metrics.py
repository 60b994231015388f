"""Metrics of members: labels are bounded, whoever comes and goes."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from fhir_server.rest.federated.metrics import MOST_MEMBERS, MemberMetrics


def test_so_many_members_have_a_label_and_the_others_share_one() -> None:
    registry = CollectorRegistry()
    metrics = MemberMetrics(registry)
    for each in range(MOST_MEMBERS + 50):
        metrics.began(f"m{each}")
        metrics.ended(f"m{each}", "2xx", 0.01)
    labels = {
        sample.labels["member"]
        for metric in registry.collect()
        if metric.name == "fhir_member_request_seconds"
        for sample in metric.samples
    }
    assert len(labels) == MOST_MEMBERS + 1
    others = {"member": "other", "status": "2xx"}
    assert registry.get_sample_value("fhir_member_request_seconds_count", others) == 50


def test_what_is_on_its_way_and_who_is_left_alone_is_told() -> None:
    registry = CollectorRegistry()
    metrics = MemberMetrics(registry)
    metrics.began("a")
    metrics.began("a")
    metrics.ended("a", "error", 0.01)
    metrics.breakers({"a", "b"}, {"b"})

    def value(name: str, member: str) -> float | None:
        return registry.get_sample_value(name, {"member": member})

    assert value("fhir_member_requests_in_flight", "a") == 1
    assert (value("fhir_member_breaker_open", "a"), value("fhir_member_breaker_open", "b")) == (
        0,
        1,
    )


def test_questions_that_were_not_put_to_a_member_are_counted() -> None:
    registry = CollectorRegistry()
    metrics = MemberMetrics(registry)
    for _ in range(3):
        metrics.spared("a")
    assert registry.get_sample_value("fhir_member_unasked_total", {"member": "a"}) == 3
    assert registry.get_sample_value("fhir_member_request_seconds_count", {"member": "a"}) is None
