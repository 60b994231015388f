"""Signing in and out, over HTTP."""

from __future__ import annotations

import pytest

from tests.support.smart import PASSWORD, App
from tests.support.visitor import Visitor, visiting


def test_an_unknown_name_is_answered_as_a_wrong_password_is(visitor: Visitor) -> None:
    page = visitor.get("/auth/sign-in")

    unknown = visitor.sign_in(page, "unknown", PASSWORD)
    wrong = visitor.sign_in(page, "peter", "wrong")

    assert (unknown.status, wrong.status) == (401, 401)
    assert unknown.answer.text.replace("unknown", "peter") == wrong.answer.text


def test_after_ten_failures_a_name_waits_whoever_has_it(visitor: Visitor) -> None:
    page = visitor.get("/auth/sign-in")
    failed = [visitor.sign_in(page, "guessed", "wrong").status for _ in range(10)]

    after = visitor.sign_in(page, "GUESSED", PASSWORD)

    assert set(failed) == {401}
    assert after.status == 429
    assert int(after.answer.headers["retry-after"]) <= 300
    assert "Too many attempts" in after.text


def test_the_session_has_a_new_name_after_the_sign_in(visitor: Visitor) -> None:
    page = visitor.get("/auth/sign-in")
    before = visitor.cookies

    visitor.sign_in(page, "ada", PASSWORD)

    after = visitor.cookies
    assert before.keys() == after.keys()
    assert before != after


def test_the_name_from_before_the_sign_in_is_nobodys(origin: str, visitor: Visitor) -> None:
    page = visitor.get("/auth/sign-in")
    before = visitor.cookies
    visitor.sign_in(page, "ada", PASSWORD)

    with visiting(origin) as other:
        other.take(before)
        seen = other.get("/auth/launch")

    assert seen.offers("/auth/sign-in")


def test_the_cookie_is_for_this_site_and_no_script(visitor: Visitor) -> None:
    cookie = visitor.get("/auth/sign-in").answer.headers["set-cookie"]

    assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


def test_who_signs_out_is_out_wherever_the_cookie_went(origin: str, visitor: Visitor) -> None:
    page = visitor.sign_in(visitor.get("/auth/sign-in"), "ada", PASSWORD)
    stolen = visitor.cookies

    after = visitor.send(page.form("/auth/sign-out"))

    with visiting(origin) as other:
        other.take(stolen)
        assert other.get("/auth/launch").offers("/auth/sign-in")
    assert after.offers("/auth/sign-in")
    assert visitor.cookies != stolen


def test_a_sign_in_leads_on_to_the_request(visitor: Visitor, app: App) -> None:
    page = visitor.sign_in(visitor.get(app.request("user/*.rs")), "ada", PASSWORD)

    assert (page.status, "Allow Growth Chart access?" in page.text) == (200, True)


def test_the_app_may_hint_at_the_name(visitor: Visitor, app: App) -> None:
    page = visitor.get(app.request("user/*.rs", login_hint="ada"))

    assert dict(page.form("/auth/sign-in").fields)["name"] == "ada"


@pytest.mark.parametrize("name", ["", "x" * 5000, "\u0000"])
def test_what_is_no_name_is_refused(visitor: Visitor, name: str) -> None:
    page = visitor.sign_in(visitor.get("/auth/sign-in"), name, PASSWORD)

    assert page.status in {400, 401}


def test_the_start_page_leads_to_the_sign_in(visitor: Visitor) -> None:
    page = visitor.get("/")

    assert 'href="/auth/launch"' in page.answer.text
