"""Decisions in words: each rule has some, and a provision is told with all that bounds it."""

from __future__ import annotations

import pytest

from fhir_server.policy.decision import Decision, Policy, Provision
from fhir_server.policy.labels import label
from fhir_server.policy.wording import provision_in_words, rule_in_words
from tests.policy.support import LABELS, PURPOSES

POLICY = Policy(PURPOSES, labels=LABELS)
RULES = [
    "unknown-purpose",
    "nobody-to-ask",
    "break-glass",
    "order:permit",
    "order:deny",
    "restriction:deny",
    "consent:permit",
    "consent:deny",
    "opt-out:deny",
    "opt-out:out-of-date",
    *(f"label:{each.id}" for each in LABELS.known),
    *(f"{'forbidden' if each.use == 'forbidden' else 'default'}:{each.id}" for each in PURPOSES.rules),
]  # fmt: skip

ALL = Provision("consent", "deny", "Consent/a")
WORDS = [
    (ALL, "It denies everything to anyone."),
    (Provision("consent", "permit", "Consent/a", parent=ALL), "except that it permits everything to anyone."),
    (Provision("consent", "deny", "Consent/a", purposes=frozenset({"HRESCH", "HOPERAT"})), "It denies everything for HOPERAT, HRESCH to anyone."),
    (Provision("consent", "deny", "Consent/a", kinds=frozenset({"Observation"}), actors=frozenset({"Organization/x"})), "It denies resources of the types Observation to Organization/x."),
    (Provision("consent", "deny", "Consent/a", labels=frozenset({label("urn:s", "PSY")})), "It denies everything to anyone where it is labelled PSY."),
    (Provision("consent", "deny", "Consent/a", secondary=True), "It denies everything for uses beyond the person's care."),
    (Provision("consent", "deny", "Consent/a", since=0, until=1_000_000), "It denies everything to anyone from 1970-01-01T00:00:00.000Z until 1970-01-01T00:00:01.000Z."),
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_has_words(rule: str) -> None:
    assert rule_in_words(POLICY, Decision("deny", rule)).endswith(".")


@pytest.mark.parametrize(("provision", "words"), WORDS)
def test_a_provision_is_told_with_its_bounds(provision: Provision, words: str) -> None:
    told = provision_in_words(provision)

    assert told.replace("000000Z", "000Z").replace(".000000", ".000") == words
