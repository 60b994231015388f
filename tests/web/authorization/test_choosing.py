"""Which patients can be found and chosen, over HTTP."""

from __future__ import annotations

import pytest

from tests.support.smart import App
from tests.support.visitor import Page, Visitor
from tests.web.authorization.support import asked

SCOPE = "launch/patient patient/*.rs"


def found(page: Page) -> list[str]:
    """Return the ids that a page offers."""
    return [
        value for form in page.forms for name, value in form.buttons if name == "patient" and value
    ]


@pytest.mark.parametrize(
    ("sought", "patients"),
    [
        ("Dora", []),
        ("denied", []),
        ("999 000 0042", []),
        ("Nobody", []),
        ("Smith, (paul", ["paul"]),
        ("smith mary", ["mary"]),
        ("9990000018", ["mary"]),
        ("999 000 0018", ["mary"]),
        ("999-000-0018", ["mary"]),
        ("01/02/1980", ["mary"]),
        ("1 Feb 1980", ["mary"]),
        ("1980-02-01 smith", ["mary"]),
        ("1980-02-01 paul", []),
        ("smith", ["mary", "paul"]),
    ],
)
def test_a_search_finds_whom_the_person_may_see(
    visitor: Visitor, app: App, sought: str, patients: list[str]
) -> None:
    page = asked(visitor, app, SCOPE)

    after = visitor.send(page.form("/auth/patient"), sought=sought)

    assert found(after) == patients
    assert ("No patient" in after.text) == (not patients)


@pytest.mark.parametrize("patient", ["denied", "nowhere", "../mary", "mary/_history"])
def test_a_patient_that_is_denied_is_answered_as_one_that_is_absent(
    visitor: Visitor, app: App, patient: str
) -> None:
    page = asked(visitor, app, SCOPE)

    absent = visitor.send(page.form("/auth/patient"), patient="absent")
    hidden = visitor.send(page.form("/auth/patient"), patient=patient)

    assert (hidden.status, hidden.answer.text) == (absent.status, absent.answer.text)
    assert found(hidden) == []


def test_nothing_that_is_typed_comes_into_an_address(visitor: Visitor, app: App) -> None:
    page = asked(visitor, app, SCOPE)

    after = visitor.send(page.form("/auth/patient"), sought="9990000018")

    assert after.url == visitor.origin + "/auth/patient"
    assert page.form("/auth/patient").method == "post"


@pytest.mark.parametrize("sought", [" ", "$|,\\", "_", "( , )"])
def test_who_types_no_words_is_told_what_to_type(visitor: Visitor, app: App, sought: str) -> None:
    page = asked(visitor, app, SCOPE)

    after = visitor.send(page.form("/auth/patient"), sought=sought)

    assert "Write a name" in after.text
    assert 'aria-describedby="how wrong"' in after.answer.text
