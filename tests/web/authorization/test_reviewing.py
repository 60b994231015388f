"""The page that explains an access: for those who review, by the same decision as a request."""

from __future__ import annotations

import pytest

from tests.support.visitor import Page, Visitor
from tests.web.authorization.support import signed_in

CONSULTANT = {"role": "R8000", "purpose": "TREAT"}


def asked(visitor: Visitor, resource: str, **claims: str) -> Page:
    """Ask as the privacy officer."""
    signed_in(visitor, "olga")
    form = visitor.get("/auth/access").form("/auth/access")
    return visitor.send(form, resource=resource, **claims)


def test_nobody_is_told_without_a_sign_in(visitor: Visitor) -> None:
    assert visitor.get("/auth/access").form("/auth/sign-in").buttons is not None


@pytest.mark.parametrize("name", ["ada", "mary"])
def test_who_does_not_review_is_refused(visitor: Visitor, name: str) -> None:
    signed_in(visitor, name)

    page = visitor.get("/auth/access")

    assert page.status == 403
    assert "for those who review access" in page.text


@pytest.mark.parametrize(
    ("resource", "status", "said"),
    [
        ("Patient", 400, "needs resource="),
        ("Patients/mary", 404, "no resource type"),
        ("Patient/absent", 404, "is not known here"),
        ("<script>", 400, "needs resource="),
    ],
)
def test_what_cannot_be_explained_is_told_at_the_field(
    visitor: Visitor, resource: str, status: int, said: str
) -> None:
    page = asked(visitor, resource, **CONSULTANT)

    assert page.status == status
    assert said in page.text
    assert "<script>" not in page.text


@pytest.mark.parametrize(
    ("resource", "claims", "said"),
    [
        ("Patient/mary", CONSULTANT, "Nothing stands in the way."),
        ("Patient/denied", CONSULTANT, "The person denies it, in a Consent."),
        ("Patient/mary", {"role": "R8009", "purpose": "TREAT"}, "R8009 (Receptionist) is not for"),
        (
            "Patient/mary",
            {"role": "R8012", "purpose": "HOPERAT"},
            "The register of opt-outs is missing",
        ),
        ("Patient/mary", {"role": "R8000", "purpose": "HMARKT"}, "Nothing is disclosed"),
    ],
)
def test_a_decision_is_told_in_words(
    visitor: Visitor, resource: str, claims: dict[str, str], said: str
) -> None:
    page = asked(visitor, resource, **claims)

    assert page.status == 200
    assert said in page.text
    assert page.form("/auth/access") is not None


def test_a_consent_is_named_with_what_it_lays_down(visitor: Visitor) -> None:
    page = asked(visitor, "Patient/denied", **CONSULTANT)

    assert "Consent/denied" in page.text
    assert "It denies everything" in page.text


@pytest.mark.parametrize(
    ("resource", "given", "said"),
    [
        ("Patient/mary", {"user": "ada"}, "Nothing stands in the way."),
        ("Patient/denied", {"user": "ada"}, "The person denies it, in a Consent."),
        (
            "Patient/mary",
            {"user": "ada", "purpose": "PATADMIN"},
            "The account is for TREAT, HRESCH",
        ),
        ("Patient/mary", {"user": "ada", "scopes": "user/Observation.rs"}, "do not reach"),
        ("Patient/paul", {"user": "mary"}, "The scopes do not reach Patient/paul."),
        ("Patient/paul", {"user": "peter", "patient": "paul"}, "Nothing stands in the way."),
    ],
)
def test_of_an_account_it_is_told_by_its_own_claims(
    visitor: Visitor, resource: str, given: dict[str, str], said: str
) -> None:
    page = asked(visitor, resource, **given)

    assert page.status == 200
    assert said in page.text
    assert f"Account {given['user']}" in page.text


@pytest.mark.parametrize(
    ("given", "status", "field"),
    [
        ({"user": "<b>eve"}, 404, "user"),
        ({"user": "ada", "role": "R8000"}, 400, "role"),
        ({"user": "peter"}, 400, "patient"),
        ({"role": "R8000"}, 400, "purpose"),
        ({"user": "ada", "scopes": "all"}, 400, "scopes"),
    ],
)
def test_what_is_wrong_is_told_at_its_field(
    visitor: Visitor, given: dict[str, str], status: int, field: str
) -> None:
    page = asked(visitor, "Patient/mary", **given)

    assert page.status == status
    assert f'aria-describedby="{field}-hint wrong" aria-invalid="true"' in page.answer.text
    assert "<b>eve" not in page.answer.text


def test_what_was_typed_stands_in_the_form_again(visitor: Visitor) -> None:
    page = asked(visitor, "Patient/mary", user="ada", scopes="user/Patient.rs")

    assert ("scopes", "user/Patient.rs") in page.form("/auth/access").fields
