"""From an app's request to its answer, over HTTP."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest

from tests.support.smart import APP, PASSWORD, App
from tests.support.visitor import Visitor
from tests.web.authorization.support import allowed, asked, chosen


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"client_id": "another"}, "client_id"),
        ({"redirect_uri": "https://evil.example/"}, "redirect_uri"),
        ({"client_id": ""}, "client_id"),
    ],
)
def test_what_is_not_sure_is_shown_and_never_redirected(
    visitor: Visitor, app: App, changes: dict[str, str], said: str
) -> None:
    page = visitor.get(app.request("patient/*.rs", **changes))

    assert (page.status, page.url.startswith(visitor.origin)) == (400, True)
    assert said in page.text
    assert "location" not in page.answer.headers


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"scope": "nothing"}, "invalid_scope"),
        ({"prompt": "none"}, "login_required"),
        ({"launch": "made-up", "scope": "launch patient/*.rs"}, "invalid_request"),
    ],
)
def test_what_an_app_does_wrong_goes_back_to_it(
    visitor: Visitor, app: App, changes: dict[str, str], error: str
) -> None:
    page = visitor.get(app.request("patient/*.rs", **changes))

    assert app.answered(page.url)["error"] == error


def test_who_is_signed_in_is_asked_for_consent_all_the_same(visitor: Visitor, app: App) -> None:
    asked(visitor, app, "user/*.rs")

    page = visitor.get(app.request("user/*.rs", prompt="none"))

    assert app.answered(page.url)["error"] == "consent_required"


def test_who_does_not_want_to_sends_the_app_away(visitor: Visitor, app: App) -> None:
    before = visitor.get(app.request("user/*.rs"))
    refused = visitor.send(before.form("/auth/consent"), decision="refuse")

    page = asked(visitor, app, "user/*.rs")
    refused_later = visitor.send(page.form("/auth/consent"), decision="refuse")

    for each in (refused, refused_later):
        assert app.answered(each.url)["error"] == "access_denied"


def test_a_request_is_answered_once(visitor: Visitor, app: App) -> None:
    page = asked(visitor, app, "user/*.rs")
    allowed(visitor, page)

    again = allowed(visitor, page)

    assert (again.status, "request is over" in again.text) == (400, True)


def test_an_unknown_request_is_over(visitor: Visitor) -> None:
    page = visitor.get("/auth/request?request=made-up")

    assert (page.status, "request is over" in page.text) == (400, True)


def test_nobody_allows_anything_without_a_sign_in(visitor: Visitor, app: App) -> None:
    page = visitor.get(app.request("user/*.rs"))
    fields = dict(page.form("/auth/consent").fields)

    sent = [*fields.items(), ("scope", "user/*.rs"), ("decision", "allow")]
    after = visitor.post("/auth/consent", sent, **{"sec-fetch-site": "same-origin"})

    assert after.offers("/auth/sign-in")


@pytest.mark.parametrize("wanted", [{"prompt": "login"}, {"max_age": "0"}])
def test_nobody_allows_anything_with_a_sign_in_that_is_too_old(
    visitor: Visitor, app: App, wanted: dict[str, str]
) -> None:
    page = asked(visitor, app, "user/*.rs", **wanted)
    fields = page.form("/auth/consent").fields

    sent = [*fields, ("patient", ""), ("scope", "user/*.rs"), ("decision", "allow")]
    after = visitor.post("/auth/consent", sent, **{"sec-fetch-site": "same-origin"})

    assert page.offers("/auth/sign-in")
    assert after.offers("/auth/sign-in")


@pytest.mark.parametrize("scope", ["system/*.rs", "user/*.cruds", "patient/Patient.rs"])
def test_no_more_is_allowed_than_was_shown(visitor: Visitor, app: App, scope: str) -> None:
    page = asked(visitor, app, "user/Observation.rs")

    after = allowed(visitor, page, scope=scope)

    assert after.status == 400
    assert after.url.startswith(visitor.origin)


def test_a_yes_to_nothing_is_none(visitor: Visitor, app: App) -> None:
    page = chosen(visitor, asked(visitor, app, "launch/patient patient/*.rs"))

    after = allowed(visitor, page, scope="launch/patient")

    assert (after.status, "Tick at least one" in after.text) == (422, True)


def test_a_yes_is_for_the_patient_that_was_shown(visitor: Visitor, app: App) -> None:
    shown = chosen(visitor, asked(visitor, app, "patient/*.rs"))
    handle = dict(shown.form("/auth/consent").fields)["request"]
    other = chosen_in_another_tab(visitor, handle)

    after = allowed(visitor, shown)

    assert "Paul" in other
    assert "SMITH, Paul" in after.text
    assert after.offers("/auth/consent", with_field="scope")


def chosen_in_another_tab(visitor: Visitor, handle: str) -> str:
    page = visitor.get("/auth/launch")
    token = dict(page.form("/auth/launch").fields)["csrf_token"]
    sent = [("csrf_token", token), ("request", handle), ("patient", "paul")]
    return visitor.post("/auth/patient", sent, **{"sec-fetch-site": "same-origin"}).text


def test_an_app_gets_what_was_allowed(visitor: Visitor, app: App) -> None:
    page = chosen(
        visitor, asked(visitor, app, "openid fhirUser launch/patient patient/*.rs offline_access")
    )

    given = app.tokens(allowed(visitor, page).url)

    assert given["patient"] == "mary"
    assert {"id_token", "refresh_token"} <= given.keys()
    assert app.read("Patient/mary", given["access_token"]).status_code == 200
    assert app.read("Patient/paul", given["access_token"]).status_code == 404


def test_scopes_can_be_left_out(visitor: Visitor, app: App) -> None:
    page = chosen(visitor, asked(visitor, app, "patient/Patient.rs patient/Observation.rs"))

    given = app.tokens(allowed(visitor, page, scope="patient/Patient.rs").url)

    assert given["scope"] == "patient/Patient.rs"
    assert app.read("Observation?patient=mary", given["access_token"]).status_code == 403


def test_the_request_may_be_posted_from_elsewhere(visitor: Visitor, app: App) -> None:
    url, _, query = app.request("user/*.rs").partition("?")

    page = visitor.post(url, parse_qsl(query), **{"sec-fetch-site": "cross-site"})

    assert APP.name in page.text
    assert page.offers("/auth/sign-in")


def test_an_encounter_can_be_chosen(visitor: Visitor, app: App) -> None:
    scope = "launch/patient launch/encounter patient/*.rs"
    page = chosen(visitor, asked(visitor, app, scope))

    given = app.tokens(allowed(visitor, page, encounter="stay").url)

    assert (given["patient"], given["encounter"]) == ("mary", "stay")


def test_an_encounter_that_was_not_shown_is_none(visitor: Visitor, app: App) -> None:
    page = chosen(visitor, asked(visitor, app, "launch/patient launch/encounter patient/*.rs"))

    given = app.tokens(allowed(visitor, page, encounter="another").url)

    assert "encounter" not in given


def test_a_sign_in_can_be_asked_for_again(visitor: Visitor, app: App) -> None:
    visitor.sign_in(visitor.get("/auth/sign-in"), "ada", PASSWORD)

    page = visitor.get(app.request("user/*.rs", prompt="login"))
    after = visitor.sign_in(page, "ada", PASSWORD)

    assert page.offers("/auth/sign-in")
    assert after.offers("/auth/consent", with_field="scope")


def test_of_one_patient_nobody_is_asked_which(visitor: Visitor, app: App) -> None:
    page = asked(visitor, app, "launch/patient patient/*.rs", name="mary")

    given = app.tokens(allowed(visitor, page).url)

    assert "SMITH, Mary" in page.text
    assert given["patient"] == "mary"


def test_who_has_several_patients_chooses_among_them(visitor: Visitor, app: App) -> None:
    page = asked(visitor, app, "launch/patient patient/*.rs", name="peter")

    form = page.form("/auth/patient")
    after = visitor.send(form, patient="paul")

    assert [value for _, value in form.buttons] == ["mary", "paul"]
    assert "SMITH, Paul" in after.text


@pytest.mark.parametrize("patient", ["denied", "nowhere", "../mary", ""])
def test_a_patient_that_is_not_ones_own_is_not_chosen(
    visitor: Visitor, app: App, patient: str
) -> None:
    page = asked(visitor, app, "launch/patient patient/*.rs", name="peter")

    after = visitor.send(page.form("/auth/patient"), patient=patient)

    assert after.offers("/auth/patient")


def test_user_scopes_are_not_for_patients_to_give(visitor: Visitor, app: App) -> None:
    page = asked(visitor, app, "user/*.rs", name="mary")

    assert (page.status, "nothing that you may give" in page.text) == (403, True)


def test_who_has_no_record_here_is_told_so(visitor: Visitor, app: App) -> None:
    page = asked(visitor, app, "launch/patient patient/*.rs", name="nobody")

    assert (page.status, "No record" in page.text) == (403, True)


def test_the_purpose_is_the_one_that_was_chosen(visitor: Visitor, app: App) -> None:
    page = asked(visitor, app, "user/*.rs")
    form = page.form("/auth/consent", with_field="scope")

    given = app.tokens(allowed(visitor, page, purpose="HRESCH").url)

    assert dict(form.fields)["purpose"] == "TREAT"
    # Research needs the register of opt-outs, which is not loaded here.
    assert app.read("Patient/mary", given["access_token"]).status_code == 403


def test_names_that_were_sent_are_escaped(visitor: Visitor) -> None:
    page = visitor.sign_in(visitor.get("/auth/sign-in"), '"><script>alert(1)</script>', "x")

    assert "<script>" not in page.answer.text


def test_the_app_that_is_registered_is_named(visitor: Visitor, app: App) -> None:
    page = visitor.get(app.request("user/*.rs"))

    assert APP.name in page.text
