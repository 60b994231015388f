"""Tests of what a Consent lays down."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fhir_server.fhir.nhs_number import SYSTEM
from fhir_server.fhir.resource import Resource
from fhir_server.policy.consents import (
    ACT_REASON,
    RESOURCE_TYPES,
    SCOPES,
    Reading,
    read_consent,
)
from fhir_server.policy.decision import Audience, Policy, Provision, Subject
from fhir_server.policy.labels import label
from tests.policy.support import PURPOSES

LONDON = ZoneInfo("Europe/London")
BASE = "http://node/fhir"
RESEARCH = {"system": ACT_REASON, "code": "HRESCH"}
DAY = 86_400_000_000
SUMMER = 1_782_860_400_000_000
"""2026-07-01T00:00 in London, which is an hour ahead of UTC then."""


def consent(provision: Resource | None, **elements: Any) -> Resource:
    own = {} if provision is None else {"provision": provision}
    return {
        "resourceType": "Consent",
        "id": "c",
        "status": "active",
        "scope": {"coding": [{"system": SCOPES, "code": "patient-privacy"}]},
        "patient": {"reference": "Patient/ada"},
        **own,
        **elements,
    }


def read(provision: Resource | None, **elements: Any) -> Reading:
    return read_consent(consent(provision, **elements), zone=LONDON, base_url=BASE)


NOTHING_LAID_DOWN = [
    {"status": "draft"},
    {"status": "entered-in-error"},
    {"status": "inactive"},
    {"status": "rejected"},
    {"scope": {"coding": [{"system": SCOPES, "code": "adr"}]}},
    {"scope": {"coding": [{"system": SCOPES, "code": "treatment"}]}},
]


@pytest.mark.parametrize("elements", NOTHING_LAID_DOWN, ids=str)
def test_a_consent_that_is_not_active_or_about_privacy_lays_nothing_down(
    elements: dict[str, Any],
) -> None:
    assert read({"type": "deny"}, **elements) == Reading()


@pytest.mark.parametrize(
    "patient", [{}, {"reference": "Group/1"}, {"reference": "http://else/fhir/Patient/1"}]
)
def test_a_consent_of_nobody_known_is_reported(patient: dict[str, Any]) -> None:
    found = read({"type": "deny"}, patient=patient)

    assert found.person is None
    assert found.provisions == []
    assert found.problems == [
        "Consent/c is applied to nobody: its patient names neither a patient of this server nor an NHS number"
    ]


BY_NUMBER = {"system": SYSTEM, "value": "999 000 0018"}
CONTAINED = {"resourceType": "Patient", "id": "p", "identifier": [{"value": "1"}, BY_NUMBER]}
NAMED = [
    {"patient": {"identifier": BY_NUMBER}},
    {"patient": {"reference": "http://else/fhir/Patient/1", "identifier": BY_NUMBER}},
    {"patient": {"reference": "#p"}, "contained": [CONTAINED]},
]


@pytest.mark.parametrize("elements", NAMED, ids=str)
def test_a_consent_is_of_who_has_the_number_that_it_names(elements: dict[str, Any]) -> None:
    found = read({"type": "deny"}, **elements)

    assert (found.person, found.problems) == ("#9990000018", [])
    assert len(found.provisions) == 1


@pytest.mark.parametrize(
    "patient",
    [
        {"identifier": {"system": SYSTEM, "value": "9990000019"}},
        {"identifier": {"system": "urn:hospital", "value": "9990000018"}},
        {"reference": "#q"},
    ],
)
def test_a_number_that_is_nobodys_names_nobody(patient: dict[str, Any]) -> None:
    found = read({"type": "deny"}, patient=patient, contained=[CONTAINED])

    assert found.person is None
    assert len(found.problems) == 1


NOT_COMPUTABLE: list[tuple[Resource | None, str]] = [
    (None, "it has no provision"),
    ({}, "Consent.provision has no type"),
    ({"type": "perhaps"}, "Consent.provision has no type"),
    ({"type": "deny", "purpose": [{"system": "urn:x", "code": "HRESCH"}]}, "provision.purpose"),
    ({"type": "permit", "purpose": [{"system": ACT_REASON}]}, "provision.purpose"),
    ({"type": "deny", "class": [{"system": "urn:ietf:bcp:13", "code": "x"}]}, "provision.class"),
    ({"type": "deny", "code": [{"text": "abortion"}]}, "provision.code"),
    ({"type": "permit", "data": [{"meaning": "instance"}]}, "provision.data"),
    ({"type": "deny", "dataPeriod": {"start": "2020"}}, "provision.dataPeriod"),
    ({"type": "permit", "actor": [{"role": {"text": "GP"}}]}, "provision.actor"),
    ({"type": "deny", "period": {"start": "soon"}}, "provision.period.start"),
    ({"type": "deny", "period": {"_end": {"extension": []}}}, "provision.period.end"),
]


@pytest.mark.parametrize(("provision", "place"), NOT_COMPUTABLE, ids=str)
def test_what_cannot_be_computed_denies_other_uses_than_care_and_is_reported(
    provision: Resource | None, place: str
) -> None:
    found = read(provision)

    assert found.provisions == [Provision("consent", "deny", "Consent/c", secondary=True)]
    assert len(found.problems) == 1
    assert place in found.problems[0]


def test_an_exception_that_cannot_be_computed_leaves_the_rest_as_it_is() -> None:
    found = read({"type": "deny", "purpose": [RESEARCH], "provision": [{}]})
    outer, inner = found.provisions

    assert (outer.effect, outer.purposes) == ("deny", frozenset({"HRESCH"}))
    assert (inner.effect, inner.parent, inner.secondary) == ("deny", outer, True)
    assert found.problems == [
        "Consent/c cannot be computed: Consent.provision.provision[0] has no type"
    ]


def test_exceptions_of_exceptions_end_somewhere() -> None:
    provision: Resource = {"type": "deny"}
    for _ in range(6):
        provision = {"type": "deny", "provision": [provision]}

    found = read(provision)

    assert len(found.provisions) == 6
    assert "nested too deep" in found.problems[0]


def test_an_opt_in_without_a_provision_lays_nothing_down() -> None:
    found = read(None, policyRule={"coding": [{"code": "OPTIN"}]})

    assert (found.provisions, found.problems) == ([], [])


def test_a_provision_on_correcting_data_is_none_on_disclosure() -> None:
    assert read({"type": "deny", "action": [{"coding": [{"code": "correct"}]}]}).provisions == []
    assert len(read({"type": "deny", "action": [{"coding": [{"code": "use"}]}]}).provisions) == 1


def test_each_element_of_a_provision_is_understood() -> None:
    found = read(
        {
            "type": "permit",
            "period": {"start": "2026-07-01", "end": "2026-07-02"},
            "purpose": [RESEARCH, {"system": ACT_REASON, "code": "TREAT"}],
            "class": [{"system": RESOURCE_TYPES, "code": "Observation"}],
            "securityLabel": [{"system": "urn:l", "code": "R"}],
            "actor": [
                {"role": {}, "reference": {"reference": f"{BASE}/Organization/gp"}},
                {"role": {}, "reference": {"identifier": {"system": "urn:ods", "value": "RXX"}}},
            ],
        }
    )

    assert found.person == "Patient/ada"
    assert found.problems == []
    assert found.provisions == [
        Provision(
            "consent",
            "permit",
            "Consent/c",
            since=SUMMER,
            until=SUMMER + 2 * DAY,
            purposes=frozenset({"HRESCH", "TREAT"}),
            actors=frozenset({"Organization/gp", "urn:ods|RXX"}),
            kinds=frozenset({"Observation"}),
            labels=frozenset({label("urn:l", "R")}),
        )
    ]


def test_an_exception_applies_within_what_it_is_an_exception_of() -> None:
    clinic = {"actor": [{"reference": {"reference": "Organization/clinic"}}]}
    found = read(
        {"type": "deny", "purpose": [RESEARCH], "provision": [{"type": "permit", **clinic}]}
    )
    policy, who = Policy(PURPOSES), frozenset({"Organization/clinic"})

    def rule(purpose: str, actors: frozenset[str]) -> str:
        asked = Audience(purpose, actors), Subject("Observation")
        return policy.decide([found.provisions], *asked, at=0).rule

    assert rule("HRESCH", who) == "consent:permit"
    assert rule("HRESCH", frozenset()) == "consent:deny"
    assert rule("HOPERAT", who) == "default:planning"
