"""fhirclient, SMART's own client for browsers, launched both ways: https://github.com/smart-on-fhir/client-js."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Page, expect

from tests.e2e.smart.conftest import Place
from tests.support.smart import PASSWORD


def sign_in(page: Page, name: str = "ada") -> None:
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def told(page: Page, word: str = "ready") -> Any:
    expect(page).to_have_title(word)
    return json.loads(page.locator("#told").inner_text())


def opened(place: Place, client: str = "chart") -> str:
    query = urlencode({"iss": f"{place.node}/fhir", "client": client})
    return f"{place.apps}/app.html?{query}"


def test_who_does_not_allow_it_gives_the_app_nothing(page: Page, place: Place) -> None:
    page.goto(opened(place))
    sign_in(page, "mary")
    page.get_by_role("button", name="Do not allow").click()

    assert "access_denied" in told(page, "failed")


def test_a_standalone_launch_ends_with_the_records_of_the_chosen_patient(
    page: Page, place: Place
) -> None:
    page.goto(opened(place))
    sign_in(page)
    page.get_by_label("Name, NHS number or date of birth").fill("smith 01-Feb-1980")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("button", name="SMITH, Mary").click()
    page.get_by_role("button", name="Allow", exact=True).click()

    seen = told(page)

    assert (seen["patient"], seen["observations"]) == ("mary", ["weight"])
    assert seen["user"] == "Practitioner/ada"
    assert seen["renewed"] is True
    assert seen["other"] == 404


def test_what_is_unticked_the_app_does_not_get(page: Page, place: Place) -> None:
    page.goto(opened(place))
    sign_in(page, "mary")
    page.get_by_role("checkbox", name="measurements").uncheck()
    page.get_by_role("button", name="Allow", exact=True).click()

    # It asks for observations all the same.
    assert "Observation" in told(page, "failed")


def test_an_ehr_launch_ends_with_the_records_of_the_patient_it_was_for(
    page: Page, place: Place
) -> None:
    page.goto(f"{place.node}/auth/launch")
    sign_in(page)
    page.get_by_label("Name, NHS number or date of birth").fill("999 000 0018")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("button", name="SMITH, Mary").click()
    page.get_by_label("Visit or stay").select_option("stay")
    page.get_by_role("button", name="Ward Round").click()
    page.get_by_role("button", name="Allow", exact=True).click()

    seen = told(page)

    assert (seen["patient"], seen["encounter"]) == ("mary", "stay")
    assert seen["renewed"] is True
