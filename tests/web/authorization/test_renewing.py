"""Refresh tokens that come alone: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#refresh-access-token."""

from __future__ import annotations

from tests.support.smart import App
from tests.support.visitor import Visitor
from tests.web.authorization.support import CONFIDENTIAL, SECRET, allowed, asked

SCOPE = "user/*.rs offline_access"


def test_a_confidential_app_has_to_say_who_it_is(origin: str, visitor: Visitor) -> None:
    lab = App(origin, CONFIDENTIAL)
    given = lab.tokens(allowed(visitor, asked(visitor, lab, SCOPE)).url, SECRET)

    refused = lab.renewed(given["refresh_token"])

    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")


def test_a_token_of_nobody_is_no_clients(app: App) -> None:
    refused = [app.renewed(each) for each in ("", "made-up", "made.up")]

    assert [each.status_code for each in refused] == [400, 400, 400]
    assert {each.json()["error"] for each in refused[1:]} == {"invalid_grant"}


def test_a_public_app_renews_with_the_token_alone(visitor: Visitor, app: App) -> None:
    given = app.tokens(allowed(visitor, asked(visitor, app, SCOPE)).url)

    renewed = app.renewed(given["refresh_token"])

    assert renewed.status_code == 200
    assert app.read("Patient/mary", renewed.json()["access_token"]).status_code == 200


def test_a_token_that_comes_twice_ends_all_of_them(visitor: Visitor, app: App) -> None:
    given = app.tokens(allowed(visitor, asked(visitor, app, SCOPE)).url)
    following = app.renewed(given["refresh_token"]).json()["refresh_token"]

    again = app.renewed(given["refresh_token"])

    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert app.renewed(following).status_code == 400
