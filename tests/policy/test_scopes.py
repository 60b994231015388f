"""What scopes grant: the grammar, the two versions, and that more scopes never give less."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.policy.access import Access
from fhir_server.policy.rights import rights_of
from fhir_server.policy.scopes import LETTERS, Scope, Scopes, parse_scopes
from fhir_server.policy.visibility import Visibility

TYPES = ("Patient", "Observation", "Slot")

NO_RIGHT = [
    "",
    " ",
    "openid",
    "fhirUser",
    "offline_access",
    "launch/patient",
    "patient/Observation",
    "patient/Observation.",
    "patient/.rs",
    "patient/*.",
    "patient/*",
    "patient/Observation.dus",
    "patient/Observation.sr",
    "patient/Observation.rr",
    "patient/Observation.x",
    "patient/Observation.Read",
    "patient/Observation.readwrite",
    "patient/Observation.r*",
    "patient/observation.rs",
    "patient/Observa*.rs",
    "patient/Observation,Patient.rs",
    "patient /Observation.rs",
    "patient/Observation.rs\n",
    "patient/Observation.rs\tuser/*.cruds",
    "Patient/Observation.rs",
    "patients/Observation.rs",
    "group/Observation.rs",
    "xpatient/Observation.rs",
    "patient//Observation.rs",
    "patient/Observation.rs/user/*.cruds",
    "https://evil.example/patient/*.read",
    "system",
    "*",
    "user/**.rs",
]

GIVEN = [
    ("patient/Observation.rs", Scope("patient", "Observation", "rs")),
    ("user/*.cruds", Scope("user", "*", "cruds")),
    ("system/Slot.c", Scope("system", "Slot", "c")),
    ("system/Slot.us", Scope("system", "Slot", "us")),
    ("patient/Observation.read", Scope("patient", "Observation", "rs")),
    ("patient/Observation.write", Scope("patient", "Observation", "cud")),
    ("patient/*.*", Scope("patient", "*", "cruds")),
    ("user/*.read", Scope("user", "*", "rs")),
]

scope_texts = st.builds(
    "{}/{}.{}".format,
    st.sampled_from(("patient", "user", "system")),
    st.sampled_from((*TYPES, "*")),
    st.sampled_from(("read", "write", "*", "c", "r", "rs", "cud", "us", "cruds", "dus")),
)
claims = st.lists(scope_texts, max_size=4)


def access(*scopes: str, patient: str | None = "ada") -> Access:
    return Access("https://issuer.example", "ada", parse_scopes(" ".join(scopes)), patient=patient)


def sees(sight: Visibility, resource_type: str, compartments: frozenset[str]) -> bool:
    patient = sight.patient_of(resource_type)
    return sight.permits_type(resource_type) and (patient is None or patient in compartments)


def reach(caller: Access) -> set[tuple[str, str, frozenset[str]]]:
    """Return what is permitted: letter, type and the compartments of the resource."""
    rights = rights_of(caller)
    return {
        (letter, each, compartments)
        for letter in LETTERS
        for each in (*TYPES, "Basic")
        for compartments in (frozenset[str](), frozenset({"ada"}), frozenset({"bob"}))
        if sees(rights.sight(letter), each, compartments)
    }


@pytest.mark.parametrize("text", NO_RIGHT)
def test_what_is_no_scope_on_resources_gives_nothing(text: str) -> None:
    assert parse_scopes(text) == Scopes()
    assert reach(access(text)) == set()


@pytest.mark.parametrize(
    "text",
    [
        "patient/Observation.rs?category=laboratory",
        "user/*.cruds?_id=1",
        "user/Observation.read?",
        "system/Slot.s?a=b?c=d",
    ],
)
def test_a_scope_with_search_parameters_gives_nothing_by_itself(text: str) -> None:
    assert [each.parameters for each in parse_scopes(text).narrowed] == [text[text.index("?") :]]
    assert parse_scopes(text).given == set()
    assert reach(access(text)) == set()
    assert parse_scopes(f"{text} user/Slot.r").given == {Scope("user", "Slot", "r")}


@pytest.mark.parametrize(("text", "scope"), GIVEN, ids=[text for text, _ in GIVEN])
def test_a_scope_is_read_in_either_version(text: str, scope: Scope) -> None:
    assert parse_scopes(f"openid {text} launch") == Scopes(frozenset({scope}))


def test_a_patient_scope_without_a_patient_gives_nothing() -> None:
    assert reach(access("patient/*.cruds", patient=None)) == set()
    assert {kind for _, kind, _ in reach(access("patient/*.r user/Slot.r", patient=None))} == {
        "Slot"
    }


def test_patient_scopes_stay_within_the_compartment_where_user_scopes_do_not() -> None:
    rights = rights_of(access("patient/Observation.rs user/Slot.rs patient/Slot.rs"))
    search = rights.sight("s")

    assert search.patient_of("Observation") == "ada"
    assert search.patient_of("Slot") is None
    assert not search.permits_type("Patient")


def test_letters_together_reach_what_each_of_them_reaches() -> None:
    rights = rights_of(access("user/Observation.r patient/Observation.u patient/Slot.u"))
    sight = rights.sight("ru")

    assert sight.patient_of("Observation") == "ada"
    assert sight.permits_type("Observation")
    assert not sight.permits_type("Slot")


def test_two_patients_are_two_principals() -> None:
    assert access(patient="ada").principal != access(patient="bob").principal


@given(some=claims, more=claims)
def test_more_scopes_never_give_less(some: list[str], more: list[str]) -> None:
    assert reach(access(*some)) <= reach(access(*some, *more))


@given(first=claims, second=claims)
def test_scopes_add_up_and_no_more_than_that(first: list[str], second: list[str]) -> None:
    assert reach(access(*first, *second)) == reach(access(*first)) | reach(access(*second))


@given(scopes=claims)
def test_without_a_patient_in_context_there_is_never_more(scopes: list[str]) -> None:
    assert reach(access(*scopes, patient=None)) <= reach(access(*scopes))


@given(scopes=claims)
def test_patient_scopes_reach_the_patient_in_context_and_nobody_else(scopes: list[str]) -> None:
    reached = reach(access(*(each for each in scopes if each.startswith("patient/"))))

    assert all(compartments == {"ada"} for _, _, compartments in reached)


@pytest.mark.parametrize(
    ("old", "new"), [("read", "rs"), ("write", "cud"), ("*", "cruds")], ids=["read", "write", "all"]
)
@given(context=st.sampled_from(("patient", "user", "system")), name=st.sampled_from((*TYPES, "*")))
def test_the_first_version_means_letters_of_the_second(
    old: str, new: str, context: str, name: str
) -> None:
    assert reach(access(f"{context}/{name}.{old}")) == reach(access(f"{context}/{name}.{new}"))


@given(text=st.text())
def test_any_text_at_all_is_read(text: str) -> None:
    assert all(each.letters for each in parse_scopes(text).given)


@pytest.mark.parametrize("own", ["system/$person-index", "system/$opt-outs"])
def test_a_scope_of_our_own_reaches_no_resource(own: str) -> None:
    assert parse_scopes(f"system/*.rs {own}").own == {own}
    assert parse_scopes(f"{own}es user/{own.partition('/')[2]} {own}x").own == set()
    assert reach(access(own)) == set()
