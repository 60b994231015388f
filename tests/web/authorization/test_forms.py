"""Whose forms are taken, and what every page says to browsers."""

from __future__ import annotations

import pytest

from tests.support.smart import PASSWORD, App
from tests.support.visitor import Visitor, visiting
from tests.web.authorization.support import asked

PAGES = ["/auth/sign-in", "/auth/launch", "/auth/request?request=x", "/auth/authorize"]
POSTED = ["/auth/sign-in", "/auth/sign-out", "/auth/patient", "/auth/consent", "/auth/launch"]
OWN = {"sec-fetch-site": "same-origin"}


@pytest.mark.parametrize("path", POSTED)
def test_a_form_without_the_token_of_the_session_is_refused(visitor: Visitor, path: str) -> None:
    visitor.get("/auth/sign-in")

    for token in ("", "made-up", "é"):
        page = visitor.post(path, [("csrf_token", token)], **OWN)

        assert (page.status, "too old" in page.text) == (403, True)


@pytest.mark.parametrize("path", POSTED)
def test_a_form_with_the_token_of_another_browser_is_refused(
    origin: str, visitor: Visitor, path: str
) -> None:
    visitor.get("/auth/sign-in")
    with visiting(origin) as other:
        token = dict(other.get("/auth/sign-in").form("/auth/sign-in").fields)["csrf_token"]

    page = visitor.post(path, [("csrf_token", token)], **OWN)

    assert page.status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"origin": "https://evil.example"},
    ],
)
def test_a_form_that_another_origin_sent_is_refused(
    visitor: Visitor, headers: dict[str, str]
) -> None:
    form = visitor.get("/auth/sign-in").form("/auth/sign-in")
    fields = [*form.fields, ("name", "ada"), ("password", PASSWORD)]

    page = visitor.post("/auth/sign-in", fields, **headers)

    assert page.status == 403


def test_without_a_cookie_no_form_is_taken(origin: str, visitor: Visitor) -> None:
    form = visitor.get("/auth/sign-in").form("/auth/sign-in")
    with visiting(origin) as without:
        page = without.send(form, name="ada", password=PASSWORD)

    assert (page.status, "cookies" in page.text) == (403, True)


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{}", "application/json", 415),
        (b"a=%zz", "application/x-www-form-urlencoded", 400),
        (b"\xff=1", "application/x-www-form-urlencoded", 400),
        (b"a=" + b"x" * 70_000, "application/x-www-form-urlencoded", 413),
    ],
)
def test_what_is_no_form_is_told_so(
    visitor: Visitor, content: bytes, kind: str, status: int
) -> None:
    answer = visitor.client.post(
        visitor.origin + "/auth/sign-in", content=content, headers={"content-type": kind}
    )

    assert answer.status_code == status


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_kept_by_nobody_and_framed_by_nobody(visitor: Visitor, path: str) -> None:
    headers = visitor.get(path).answer.headers

    policy = headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert {"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} <= set(
        policy.split("; ")
    )
    assert "unsafe" not in policy
    assert "script" not in policy


def test_forms_lead_nowhere_else_without_a_request(visitor: Visitor) -> None:
    policy = visitor.get("/auth/sign-in").answer.headers["content-security-policy"]

    assert "form-action 'self';" in policy


def test_pages_have_no_scripts_and_load_the_style_alone(visitor: Visitor, app: App) -> None:
    page = asked(visitor, app, "user/*.rs")

    assert "<script" not in page.answer.text
    assert "style=" not in page.answer.text
    assert page.answer.text.count("<link") == 1
    assert visitor.get("/auth/style.css").answer.headers["content-type"].startswith("text/css")
