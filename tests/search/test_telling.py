"""What a resource tells of, where it names nobody."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.policy.personal import personal_types
from fhir_server.search.indexing import Extractor
from fhir_server.search.telling import TELLING
from tests.search.support import DEFINITIONS

BASE = "https://node.example/fhir"
EXTRACTOR = Extractor(DEFINITIONS, base_url=BASE)


def to(reference: str) -> dict[str, str]:
    return {"reference": reference}


def provenance(*targets: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Provenance",
        "id": "p",
        "target": [to(each) for each in targets],
        **more,
    }


CASES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "of its targets, each once": (
        provenance("Observation/b", "Observation/a", "Observation/b"),
        ("Observation/a", "Observation/b"),
    ),
    "of a resource, whatever its version": (
        provenance("Observation/a/_history/3"),
        ("Observation/a",),
    ),
    "of what is here, by whatever address": (
        provenance(f"{BASE}/Observation/a"),
        ("Observation/a",),
    ),
    "not of what is elsewhere, or inside of it": (
        provenance("https://other.example/fhir/Observation/a", "#inside", "urn:uuid:1"),
        (),
    ),
    "not of who did it": (provenance(agent=[{"who": to("Practitioner/doc")}]), ()),
    "not of itself": (provenance("Provenance/p", "Provenance/q"), ("Provenance/q",)),
    "of its targets, whoever else it names": (
        provenance("Observation/a", agent=[{"who": to("Patient/ada")}]),
        ("Observation/a", "Patient/ada"),
    ),
    "of its focus": (
        {
            "resourceType": "Task",
            "id": "t",
            "focus": to("ServiceRequest/r"),
            "owner": to("Organization/o"),
        },
        ("ServiceRequest/r",),
    ),
    "of nothing else where it names its patient": (
        {
            "resourceType": "Task",
            "id": "t",
            "focus": to("ServiceRequest/r"),
            "for": to("Patient/ada"),
        },
        (),
    ),
    "of its security context": (
        {"resourceType": "Binary", "id": "b", "securityContext": to("DocumentReference/d")},
        ("DocumentReference/d",),
    ),
    "not at all, where it is about a patient by its type": (
        {"resourceType": "Observation", "id": "o", "encounter": to("Encounter/e")},
        (),
    ),
}


@pytest.mark.parametrize(("resource", "about"), CASES.values(), ids=CASES.keys())
def test_it_tells(resource: dict[str, Any], about: tuple[str, ...]) -> None:
    assert EXTRACTOR.extract(resource).about == about


def test_whatever_tells_of_others_may_tell_of_people() -> None:
    assert personal_types(DEFINITIONS.compartments["Patient"]) >= TELLING
