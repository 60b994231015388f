"""Which scopes may be given: rows of what is asked for, what is permitted, and what both give."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.auth.server import scopes
from fhir_server.policy.scopes import parse_scopes

PEOPLE = ("patient", "user")

ROWS = [
    # Refused: nothing is given.
    ("patient/*.rs", "", ""),
    ("patient/*.rs", "user/*.rs", ""),
    ("patient/Patient.rs", "patient/Observation.rs", ""),
    ("patient/*.cud", "patient/*.rs", ""),
    ("patient/*.write", "patient/*.read", ""),
    ("system/*.rs", "system/*.rs", ""),
    ("openid", "patient/*.rs", ""),
    ("something-else", "something-else", ""),
    ("system/$person-index", "system/$person-index", ""),
    ("system/$person-index", "system/*.cruds", ""),
    ("system/$opt-outs", "system/*.cruds system/$person-index", ""),
    ("patient/*.sr", "patient/*.cruds", ""),
    ("patient/*.", "patient/*.cruds", ""),
    # Given as asked.
    ("patient/*.rs", "patient/*.rs", "patient/*.rs"),
    ("patient/Observation.rs", "patient/*.cruds", "patient/Observation.rs"),
    ("patient/*.read", "patient/*.rs", "patient/*.read"),
    ("patient/*.*", "patient/*.cruds", "patient/*.*"),
    ("patient/*.rs", "patient/*.read", "patient/*.rs"),
    ("openid launch/patient", "launch/patient openid", "openid launch/patient"),
    ("patient/*.rs patient/*.rs", "patient/*.rs", "patient/*.rs"),
    # Given in part.
    ("patient/*.cruds", "patient/*.rs", "patient/*.rs"),
    ("patient/*.rs", "patient/Observation.rs", "patient/Observation.rs"),
    (
        "patient/*.cruds",
        "patient/*.rs patient/Observation.cruds",
        "patient/*.rs patient/Observation.cruds",
    ),
    ("patient/Observation.cruds", "patient/*.rs patient/Observation.c", "patient/Observation.crs"),
    # With search parameters: what is narrowed stays so.
    ("patient/Observation.rs?category=x", "patient/*.rs", "patient/Observation.rs?category=x"),
    (
        "patient/Observation.rs",
        "patient/Observation.rs?category=x",
        "patient/Observation.rs?category=x",
    ),
    (
        "patient/Observation.rs?category=x",
        "patient/Observation.rs?category=x",
        "patient/Observation.rs?category=x",
    ),
]


@pytest.mark.parametrize(("asked", "permitted", "both"), ROWS)
def test_what_is_given_is_asked_for_and_permitted(asked: str, permitted: str, both: str) -> None:
    found = scopes.given(asked.split(), permitted.split(), PEOPLE)

    assert " ".join(found) == both


@pytest.mark.parametrize("text", ['patient/*.rs "', "a\\b", "a\tb", "\u00e4"])
def test_what_is_no_list_of_scopes_is_none(text: str) -> None:
    assert scopes.words(text) is None


LETTERS = ["".join(each) for n in range(1, 6) for each in combinations(scopes.LETTERS, n)]
SCOPES = st.builds(
    lambda context, kind, letters: f"{context}/{kind}.{letters}",
    st.sampled_from(("patient", "user", "system")),
    st.sampled_from(("*", "Patient", "Observation")),
    st.sampled_from([*LETTERS, "read", "write", "*"]),
)


def rights(text: list[str] | tuple[str, ...]) -> set[tuple[str, str, str]]:
    """Return context, type and letter of all that scopes give, as the resource server reads them."""
    kinds = ("Patient", "Observation", "Condition")
    return {
        (each.context, kind, letter)
        for each in parse_scopes(" ".join(text)).given
        for kind in kinds
        for letter in each.letters
        if each.type in {"*", kind}
    }


@given(asked=st.lists(SCOPES, max_size=4), permitted=st.lists(SCOPES, max_size=4))
def test_the_rights_given_are_exactly_those_of_both(asked: list[str], permitted: list[str]) -> None:
    both = {each for each in rights(asked) & rights(permitted) if each[0] in PEOPLE}

    assert rights(scopes.given(asked, permitted, PEOPLE)) == both
