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
        ("Patient/mary", {"role": "R8012", "purpose": "HOPERAT"}, "is told numbers of Patient"),
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
