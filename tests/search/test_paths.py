"""What is known of a search parameter's expression without a resource."""

from __future__ import annotations

import pytest

from fhir_server.search import paths
from tests.search.support import DEFINITIONS


@pytest.mark.parametrize(
    ("expression", "operands"),
    [
        ("A.b", ["A.b"]),
        ("A.b | A.c", ["A.b", "A.c"]),
        ("(A.b as c) | A.d.where(e='x|y')", ["(A.b as c)", "A.d.where(e='x|y')"]),
        ("(A.b | A.c).d", ["(A.b | A.c).d"]),
    ],
)
def test_a_union_is_split_at_its_own_bars(expression: str, operands: list[str]) -> None:
    assert paths.alternatives(expression) == operands


@pytest.mark.parametrize(
    ("resource_type", "expression", "keys"),
    [
        ("Patient", "Patient.name.family", {"name"}),
        ("Patient", "Resource.meta.tag", {"meta"}),
        ("Patient", "Patient.extension('urn:x')", {"extension"}),
        ("Patient", "Patient.deceased", {"deceasedBoolean", "deceasedDateTime"}),
        ("Patient", "(Patient.deceased as dateTime)", {"deceasedDateTime"}),
        (
            "Condition",
            "Condition.onset.as(Age) | Condition.onset.as(Range)",
            {"onsetAge", "onsetRange"},
        ),
        ("Observation", "Observation.subject.where(resolve() is Patient)", {"subject"}),
        ("Patient", "Patient.deceased.exists() and Patient.deceased != false", None),
        ("Observation", "Observation", None),
    ],
)
def test_the_keys_without_which_nothing_is_found(
    resource_type: str, expression: str, keys: set[str] | None
) -> None:
    assert paths.keys(DEFINITIONS, resource_type, expression) == keys


@pytest.mark.parametrize(
    ("expression", "system"),
    [
        ("Patient.gender", "http://hl7.org/fhir/administrative-gender"),
        ("Patient.address.use", "http://hl7.org/fhir/address-use"),
        ("Patient.contact.gender", "http://hl7.org/fhir/administrative-gender"),
        ("Patient.communication.language", ""),
        ("Patient.telecom.where(system='phone')", ""),
        ("Questionnaire.item.item.type", "http://hl7.org/fhir/item-type"),
        ("Patient.nothing", ""),
        ("Patient.nothing.more", ""),
        ("Patient.gender | Observation.status", ""),
    ],
)
def test_a_bare_code_has_the_system_of_its_required_binding(expression: str, system: str) -> None:
    assert paths.implied_systems(DEFINITIONS, expression) == system


def test_what_others_cover_together() -> None:
    covered = paths.unions(DEFINITIONS.search_parameters("Observation"))

    assert covered["combo-code"] == ("code", "component-code")
    assert covered["gene-dnavariant"] == ("dna-variant",)
    assert "code" not in covered
    assert "value-quantity" not in covered


def test_of_two_that_ask_for_the_same_the_shorter_name_stays() -> None:
    assert paths.unions(DEFINITIONS.search_parameters("CodeSystem")) == {"system": ("url",)}


def test_what_covers_is_never_covered_itself() -> None:
    for resource_type in DEFINITIONS.resource_types:
        covered = paths.unions(DEFINITIONS.search_parameters(resource_type))

        assert not covered.keys() & {each for parts in covered.values() for each in parts}
