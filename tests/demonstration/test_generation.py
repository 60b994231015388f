"""The synthetic platform is the same each time, valid, and agrees with itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import fhirkit
import pytest
from nhs_number.validate import is_valid

from fhir_server.conformance.validation import Validator
from fhir_server.demonstration.codes import NHS_NUMBER, ODS_ORGANISATION, SNOMED
from fhir_server.demonstration.generation import platform
from fhir_server.fhir.resource import LOGICAL_ID, Resource
from tests.demonstration.material import (
    JSON,
    TODAY,
    a_platform,
    dangling,
    definitions,
    digest,
    key,
    objects,
    of_type,
)
from tests.support.data import ROOT


@pytest.mark.parametrize(("trusts", "patients"), [(0, 10), (21, 100), (1, 0), (5, 4), (1, 900_000)])
def test_a_platform_that_cannot_be_is_refused(trusts: int, patients: int) -> None:
    with pytest.raises(ValueError, match="trusts"):
        next(platform(seed=1, trusts=trusts, patients=patients, today=TODAY))


def test_the_same_arguments_give_the_same_resources_in_another_process() -> None:
    program = (
        "from tests.demonstration.material import a_platform, digest\nprint(digest(a_platform(2)))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "5"}

    elsewhere = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert elsewhere.stdout.strip() == digest(a_platform(2))


def test_another_seed_gives_other_people_in_the_same_places() -> None:
    other = list(platform(seed=8, patients=100, today=TODAY))

    assert of_type("Patient", other) != of_type("Patient", a_platform())
    assert of_type("Organization", other) == of_type("Organization", a_platform())


@pytest.mark.parametrize("patients", [1, 2, 7, 30])
def test_a_small_platform_agrees_with_itself_too(patients: int) -> None:
    resources = list(platform(seed=3, patients=patients, today=TODAY))

    assert dangling(resources) == []
    assert len(of_type("Patient", resources)) == patients


@pytest.mark.parametrize("trusts", [1, 3])
def test_every_resource_is_valid(trusts: int) -> None:
    validator = Validator(definitions())

    problems = {key(each): validator.validate(each) for each in a_platform(trusts)}

    assert {address: found for address, found in problems.items() if found} == {}


def test_an_independent_validator_finds_nothing() -> None:
    problems = [
        str(issue) for each in a_platform() for issue in fhirkit.validate(JSON.encode(each))
    ]

    assert problems == []


@pytest.mark.parametrize("trusts", [1, 3])
def test_each_reference_points_back(trusts: int) -> None:
    assert dangling(a_platform(trusts)) == []


def test_ids_are_well_formed_and_unique() -> None:
    addresses = Counter(key(each) for each in a_platform(3))

    assert all(LOGICAL_ID.match(each["id"]) for each in a_platform(3))
    assert addresses.most_common(1)[0][1] == 1


def test_the_types_that_the_use_cases_need_are_there() -> None:
    types = {each["resourceType"] for each in a_platform()}

    assert types == {
        *("Organization", "Location", "Practitioner", "PractitionerRole", "Patient", "Group"),
        *("HealthcareService", "Schedule", "Slot", "Appointment", "ServiceRequest", "Encounter"),
        *("Condition", "Observation", "Immunization", "Consent", "Flag"),
        *("SupplyRequest", "SupplyDelivery"),
    }


def test_patients_are_shared_out_over_the_trusts() -> None:
    patients = of_type("Patient", a_platform(3))

    homes = Counter(each["managingOrganization"]["reference"] for each in patients)

    assert homes == dict.fromkeys(
        ("Organization/trust-1", "Organization/trust-2", "Organization/trust-3"), 100
    )


def test_nhs_numbers_are_valid_and_one_per_patient_of_a_trust() -> None:
    numbers = [_nhs_number(each) for each in of_type("Patient", a_platform())]

    assert all(number.startswith("999") and is_valid(number) for number in numbers)
    assert len(set(numbers)) == 100


def test_some_people_are_known_to_two_trusts_under_one_nhs_number() -> None:
    known: dict[str, list[Resource]] = {}
    for each in of_type("Patient", a_platform(3)):
        known.setdefault(_nhs_number(each), []).append(each)

    twice = [records for records in known.values() if len(records) > 1]

    assert len(twice) > 3
    for records in twice:
        assert len({each["managingOrganization"]["reference"] for each in records}) == len(records)
        assert len({each["birthDate"] for each in records}) == 1


def test_restricted_patients_show_no_place_to_find_them() -> None:
    restricted = [each for each in of_type("Patient", a_platform(3)) if "meta" in each]

    assert restricted
    for each in restricted:
        assert each.keys().isdisjoint({"address", "telecom", "generalPractitioner"})


def test_organisations_have_different_ods_codes() -> None:
    codes = [
        identifier["value"]
        for each in of_type("Organization", a_platform(3))
        for identifier in each["identifier"]
        if identifier["system"] == ODS_ORGANISATION
    ]

    assert len(set(codes)) == len(codes) == 2 + 3 * 4


def test_snomed_codes_end_in_their_check_digit() -> None:
    codes = {
        each["code"]
        for resource in a_platform()
        for each in objects(resource)
        if each.get("system") == SNOMED
    }

    assert len(codes) > 25
    assert {code for code in codes if not _verhoeff(code)} == set()


def _nhs_number(patient: Resource) -> str:
    (identifier,) = patient["identifier"]
    assert identifier["system"] == NHS_NUMBER
    return str(identifier["value"])


def _verhoeff(code: str) -> bool:
    """Check a SNOMED CT identifier: https://confluence.ihtsdotools.org/display/DOCRELFMT/6.3+Check-digit."""
    permutation = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
    check = 0
    for place, digit in enumerate(map(int, reversed(code))):
        turned = digit
        for _ in range(place % 8):
            turned = permutation[turned]
        check = _dihedral(check, turned)
    return check == 0


def _dihedral(left: int, right: int) -> int:
    if left < 5:
        return (left + right) % 5 if right < 5 else 5 + (left + right) % 5
    return 5 + (left - right) % 5 if right < 5 else (left - right) % 5
