"""References and contained resources."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.fhir.resource import Resource
from tests.conformance.validation.judging import a_patient, an_observation, told, verdict

SUBJECT = "Observation.subject.reference"
UUID = "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"


@pytest.mark.parametrize(
    "reference",
    [
        "Patient",
        "Patient/",
        "/Patient/1",
        "Patient/a b",
        "Patient/a_b",
        "Patient/" + "a" * 65,
        "Patient/1/2",
        "Patient/1/_history",
        "Patient/1/_history/a_b",
        "patient/1",
        "Patiend/1",
        "HumanName/1",
        "Resource/1",
        "Patient?identifier=1",
        "http://example.org/a b",
        "1",
        "Organization/1",
        "Organization/1/_history/2",
        "https://example.org/fhir/Organization/1",
        "https://example.org/fhir/Organization/1/_history/2",
    ],
)
def test_a_reference_that_cannot_lead_to_a_subject_is_refused(reference: str) -> None:
    assert verdict(an_observation(subject={"reference": reference})) == [f"value at {SUBJECT}"]


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ({"type": "Patient"}, "required at Observation.subject"),
        ({"id": "a", "type": "Patient"}, "required at Observation.subject"),
        ({"reference": 1}, "structure at Observation.subject.reference"),
        ({"reference": "Patient/1", "type": "Group"}, f"value at {SUBJECT}"),
        ({"display": "x", "type": "Organization"}, "value at Observation.subject"),
        ({"reference": UUID, "type": "Organization"}, f"value at {SUBJECT}"),
        ({"reference": "#a"}, f"invariant at {SUBJECT}"),
    ],
)
def test_a_reference_that_contradicts_itself_or_says_nothing_is_refused(
    subject: Resource, expected: str
) -> None:
    assert verdict(an_observation(subject=subject)) == [expected]


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": "Patient/1"},
        {"reference": "Patient/1/_history/2"},
        {"reference": "Patient/1", "type": "Patient"},
        {"reference": "Patient/1", "type": "http://hl7.org/fhir/StructureDefinition/Patient"},
        {"reference": "https://example.org/fhir/Patient/1"},
        {"reference": "https://example.org/records/1"},
        {"reference": "https://example.org/Somewhere/1"},
        {"reference": UUID},
        {"reference": "urn:oid:1.2.3"},
        {"identifier": {"value": "9990000000"}},
        {"identifier": {"value": "9990000000"}, "type": "Patient"},
        {"display": "x", "type": "http://example.org/StructureDefinition/Logical"},
        {"extension": [{"url": "http://example.org/x", "valueCode": "unknown"}]},
        {"_reference": {"extension": [{"url": "http://example.org/x", "valueCode": "masked"}]}},
    ],
)
def test_a_reference_that_may_lead_to_a_subject_is_accepted(subject: Resource) -> None:
    assert verdict(an_observation(subject=subject)) == []


def test_a_reference_to_any_type_may_name_each() -> None:
    assert verdict(an_observation(focus=[{"reference": "Organization/1"}])) == []


def test_a_search_as_reference_is_for_transactions() -> None:
    observation = an_observation(subject={"reference": "Patient?identifier=1"})
    request = {"method": "POST", "url": "Observation"}
    entry = [{"resource": observation, "request": request}]

    def bundle(kind: str) -> Resource:
        return {"resourceType": "Bundle", "type": kind, "entry": entry}

    assert verdict(bundle("batch")) == [f"value at Bundle.entry[0].resource.{SUBJECT[12:]}"]
    assert verdict(bundle("transaction")) == []


def test_a_search_as_reference_names_a_target_type_too() -> None:
    observation = an_observation(subject={"reference": "Organization?identifier=1"})
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": observation}]}

    assert verdict(bundle) == ["value at Bundle.entry[0].resource.subject.reference"]


ADA = a_patient(id="ada")
TRUST = {"resourceType": "Organization", "id": "trust", "name": "x"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"contained": [ADA]}, ["invariant at Observation.contained[0]"]),
        (
            {"contained": [ADA], "subject": {"reference": "#eve"}},
            [f"invariant at {SUBJECT}", "invariant at Observation.contained[0]"],
        ),
        ({"contained": [TRUST], "subject": {"reference": "#trust"}}, [f"value at {SUBJECT}"]),
        ({"contained": [a_patient()]}, ["required at Observation.contained[0].id"]),
        ({"contained": ADA, "subject": {"reference": "#ada"}}, ["structure at Observation.contained", f"invariant at {SUBJECT}"]),
        ({"contained": ["x"]}, ["structure at Observation.contained[0]"]),
        ({"contained": [{"resourceType": "Patiend", "id": "a"}], "focus": [{"reference": "#a"}]}, ["structure at Observation.contained[0]"]),
        (
            {"contained": [ADA | {"contained": [TRUST], "managingOrganization": {"reference": "#trust"}}], "subject": {"reference": "#ada"}},
            ["invariant at Observation.contained[0].contained", "invariant at Observation.contained[0].managingOrganization.reference"],
        ),
        (
            {"contained": [ADA | {"gender": 1}], "subject": {"reference": "#ada"}},
            ["structure at Observation.contained[0].gender"],
        ),
    ],
)  # fmt: skip
def test_a_contained_resource_that_is_wrong_or_not_needed_is_refused(
    fields: Any, expected: list[str]
) -> None:
    assert verdict(an_observation(**fields)) == expected


@pytest.mark.parametrize(
    "fields",
    [
        {"contained": [ADA], "subject": {"reference": "#ada"}},
        {"contained": [a_patient(id="ada", link=[{"other": {"reference": "#ada"}, "type": "seealso"}])]},
        {"contained": [{"resourceType": "Provenance", "id": "p", "target": [{"reference": "#"}], "recorded": "2020-01-01T00:00:00Z", "agent": [{"who": {"display": "x"}}]}]},
        {"contained": [ADA | {"managingOrganization": {"reference": "#trust"}}, TRUST], "subject": {"reference": "#ada"}},
        {"contained": [{"resourceType": "Binary", "id": "a", "contentType": "image/png"}], "text": {"status": "additional", "div": "<div xmlns='http://www.w3.org/1999/xhtml'><img src='#a'/></div>"}},
        {"contained": [ADA], "extension": [{"url": "http://example.org/x", "valueUri": "#ada"}]},
    ],
)  # fmt: skip
def test_a_contained_resource_that_is_referred_to_or_refers_is_accepted(fields: Any) -> None:
    assert verdict(an_observation(**fields)) == []


def test_local_references_stay_within_their_resource() -> None:
    inner = {"resource": an_observation(subject={"reference": "#ada"})}
    outer = {"resource": an_observation(contained=[ADA], subject={"reference": "#ada"})}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [outer, inner]}

    assert verdict(bundle) == ["invariant at Bundle.entry[1].resource.subject.reference"]


def test_a_refusal_says_what_would_work() -> None:
    wrong_type = an_observation(encounter={"reference": "Patient/1"})
    unresolved = an_observation(contained=[ADA], subject={"reference": "#eve"})

    assert told(wrong_type) == "Patient cannot be referred to here: allowed are Encounter"
    assert told(unresolved) == "no contained resource has the id of '#eve': contained are #ada"
