"""A Visibility can only be narrowed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fhir_server.policy.visibility import Visibility

TYPES = ("Patient", "Observation", "Slot")
type_sets = st.sets(st.sampled_from(TYPES)).map(frozenset)
sights = st.builds(
    Visibility,
    st.just("test"),
    st.none() | type_sets,
    st.sampled_from((None, "ada", "bob")),
    type_sets,
)


def sees(sight: Visibility, resource_type: str, compartments: frozenset[str]) -> bool:
    patient = sight.patient_of(resource_type)
    return sight.permits_type(resource_type) and (patient is None or patient in compartments)


def test_nothing_in_common_is_nothing_and_not_everything() -> None:
    sight = Visibility.everything("test").of_types(frozenset({"Patient"}))

    narrowed = sight.of_types(frozenset({"Slot"}))

    assert narrowed.types == frozenset()
    assert not any(map(narrowed.permits_type, TYPES))


def test_two_patients_at_once_are_none() -> None:
    sight = Visibility.everything("test").of_patient("ada").of_patient("bob")

    assert not any(map(sight.permits_type, TYPES))


def test_the_same_patient_twice_changes_nothing() -> None:
    sight = Visibility.everything("test").of_patient("ada")

    assert sight.of_patient("ada") == sight


def test_the_systems_own_sight_tells_its_reason() -> None:
    assert Visibility.system("reindex").reason == "system: reindex"


@given(first=type_sets, second=type_sets)
def test_narrowing_by_types_leaves_what_both_permit(
    first: frozenset[str], second: frozenset[str]
) -> None:
    sight = Visibility.everything("test").of_types(first).of_types(second)

    assert {each for each in TYPES if sight.permits_type(each)} == first & second


@given(
    first=sights,
    second=sights,
    resource_type=st.sampled_from(TYPES),
    compartments=st.sets(st.sampled_from(("ada", "bob"))).map(frozenset),
)
def test_together_two_sights_see_what_each_of_them_sees(
    first: Visibility, second: Visibility, resource_type: str, compartments: frozenset[str]
) -> None:
    both = sees(first, resource_type, compartments) and sees(second, resource_type, compartments)
    of_one_patient = None in (first.patient, second.patient) or first.patient == second.patient

    together = sees(first & second, resource_type, compartments)
    assert together == (both and of_one_patient)
