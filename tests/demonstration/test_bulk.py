"""The large population has the size that was asked for, and the skew of real data."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest

from fhir_server.conformance.validation import Validator
from fhir_server.demonstration.bulk import population
from fhir_server.demonstration.bulk.stream import busy_stride
from fhir_server.demonstration.codes import HBA1C
from fhir_server.fhir.resource import LOGICAL_ID, Resource
from tests.demonstration.material import (
    RESOURCES,
    TODAY,
    a_population,
    dangling,
    definitions,
    key,
    of_type,
    references,
)


@pytest.mark.parametrize("resources", [0, 1, 19, 161, 1000])
def test_the_population_has_the_size_that_was_asked_for(resources: int) -> None:
    found = list(population(seed=1, resources=resources, today=TODAY))

    assert len(found) == resources
    assert dangling(found) == []


def test_a_population_is_streamed_and_never_held() -> None:
    endless = population(seed=1, resources=10**9, today=TODAY)

    assert len(list(islice(endless, 300))) == 300


def test_the_same_arguments_give_the_same_population() -> None:
    again = population(seed=7, resources=RESOURCES, today=TODAY)

    assert all(one == other for one, other in zip(again, a_population(), strict=True))


def test_every_resource_is_valid() -> None:
    validator = Validator(definitions())

    problems = {key(each): validator.validate(each) for each in a_population()}

    assert {address: found for address, found in problems.items() if found} == {}


def test_each_reference_points_back() -> None:
    assert dangling(a_population()) == []


def test_ids_are_well_formed_and_unique() -> None:
    assert all(LOGICAL_ID.match(each["id"]) for each in a_population())
    assert len({key(each) for each in a_population()}) == RESOURCES


def test_a_patient_has_about_thirty_resources() -> None:
    assert 28 <= RESOURCES / len(of_type("Patient", a_population())) <= 32


def test_one_patient_has_a_fifteenth_of_everything() -> None:
    busiest, count = _by_patient().most_common(1)[0]

    assert busiest == "Patient/patient-000000"
    assert 0.95 * RESOURCES / 15 <= count <= RESOURCES / 15


@pytest.mark.parametrize(
    ("resources", "most"), [(1500, 100), (300_000, 20_000), (1_000_000, 20_000)]
)
def test_the_busiest_patient_never_has_more_than_twenty_thousand(resources: int, most: int) -> None:
    assert resources // busy_stride(resources) == most


def test_records_are_uneven_among_the_others() -> None:
    counts = sorted(count for _, count in _by_patient().most_common()[1:-1])

    assert counts[len(counts) // 10] <= 3
    assert counts[-len(counts) // 10] >= 40


def test_one_code_is_a_third_of_all_observations() -> None:
    observations = of_type("Observation", a_population())

    share = sum(each["code"] == HBA1C for each in observations) / len(observations)

    assert 0.3 < share < 0.37


def test_a_few_family_names_are_common_and_many_are_rare() -> None:
    patients = of_type("Patient", a_population())
    names = Counter(each["name"][0]["family"] for each in patients)

    commonest, count = names.most_common(1)[0]

    assert commonest == "Smith"
    assert 0.12 < count / len(patients) < 0.27
    assert sum(count <= 5 for count in names.values()) > 40


def test_dates_spread_over_ten_years() -> None:
    years = Counter(
        each["effectiveDateTime"][:4] for each in of_type("Observation", a_population())
    )

    assert set(years) == {str(year) for year in range(2016, 2027)}
    assert min(years[str(year)] for year in range(2017, 2026)) > 400


def test_there_are_twenty_organisations() -> None:
    assert len(of_type("Organization", a_population())) == 20


def test_no_resource_is_empty_of_its_subject() -> None:
    without = [
        key(each)
        for each in a_population()
        if each["resourceType"] not in {"Organization", "Practitioner", "Location", "Patient"}
        and not _patient(each)
    ]

    assert without == []


def _by_patient() -> Counter[str]:
    return Counter(filter(None, map(_patient, a_population())))


def _patient(resource: Resource) -> str | None:
    return next((each for each in references(resource) if each.startswith("Patient/")), None)
