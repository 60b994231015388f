"""A Visibility can only be narrowed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fhir_server.policy.visibility import Visibility

TYPES = ("Patient", "Observation", "Slot")
type_sets = st.sets(st.sampled_from(TYPES)).map(frozenset)


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


def test_only_a_sight_without_any_restriction_is_unlimited() -> None:
    everything = Visibility.everything("test")

    assert everything.is_unlimited
    assert not everything.of_patient("1").is_unlimited
    assert not everything.of_types(frozenset()).is_unlimited
