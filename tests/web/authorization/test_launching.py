"""EHR launch, over HTTP: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#launch-app-ehr-launch."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.smart import PASSWORD, App
from tests.support.visitor import Page, Visitor, visiting
from tests.web.authorization.support import LAUNCHED, allowed, signed_in

SCOPE = "launch openid fhirUser patient/*.rs"


@pytest.fixture
def ward(origin: str) -> App:
    """Return the app that can be launched."""
    return App(origin, LAUNCHED)


def apps(visitor: Visitor, patient: str = "mary") -> Page:
    """Sign in, and choose a patient."""
    signed_in(visitor, "ada")
    page = visitor.get("/auth/launch")
    found = visitor.send(page.form("/auth/launch"), sought="Smith")
    return visitor.send(found.form("/auth/launch", with_field="patient"), patient=patient)


def launched(visitor: Visitor, **changes: str) -> dict[str, str]:
    """Open the app; return what it is opened with."""
    form = apps(visitor).form("/auth/launch")
    page = visitor.send(form, app="ward", **changes)
    assert page.url.startswith("https://app.example/launch?")
    return {name: value for name, (value,) in parse_qs(urlsplit(page.url).query).items()}


def test_nobody_opens_an_app_without_a_sign_in(visitor: Visitor) -> None:
    assert visitor.get("/auth/launch").offers("/auth/sign-in")


def test_apps_without_a_launch_url_are_not_offered_nor_opened(visitor: Visitor) -> None:
    page = apps(visitor)

    after = visitor.send(page.form("/auth/launch"), app="chart")

    assert [value for _, value in page.form("/auth/launch").buttons] == ["ward"]
    assert (after.status, "cannot be opened" in after.text) == (400, True)


@pytest.mark.parametrize("patient", ["denied", "absent", ".."])
def test_an_app_is_not_opened_for_a_patient_that_cannot_be_seen(
    visitor: Visitor, patient: str
) -> None:
    form = apps(visitor).form("/auth/launch")

    page = visitor.send(form, app="ward", patient=patient)

    assert "not there, or not for you to see" in page.text


def test_another_persons_launch_is_not_permitted(origin: str, visitor: Visitor, ward: App) -> None:
    given = launched(visitor)
    with visiting(origin) as other:
        page = other.get(ward.request(SCOPE, launch=given["launch"]))

        after = other.sign_in(page, "peter", PASSWORD)

    assert (after.status, "Someone else opened" in after.text) == (403, True)


def test_a_launch_is_good_once(visitor: Visitor, ward: App) -> None:
    given = launched(visitor)
    visitor.get(ward.request(SCOPE, launch=given["launch"]))

    again = visitor.get(ward.request(SCOPE, launch=given["launch"]))

    assert ward.answered(again.url)["error"] == "invalid_request"


def test_the_app_gets_the_patient_and_the_stay_that_it_was_opened_for(
    origin: str, visitor: Visitor, ward: App
) -> None:
    given = launched(visitor, encounter="stay")

    page = visitor.get(ward.request(SCOPE, launch=given["launch"]))
    tokens = ward.tokens(allowed(visitor, page).url)

    assert given["iss"] == f"{origin}/fhir"
    assert "SMITH, Mary" in page.text
    assert (tokens["patient"], tokens["encounter"]) == ("mary", "stay")
    assert tokens["need_patient_banner"] is True
