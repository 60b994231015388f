"""The cookie, with HTTPS and without."""

from __future__ import annotations

import pytest
from fastapi import Request, Response

from fhir_server.web.authorization.cookies import Cookie


def a_request(cookie: str) -> Request:
    return Request({"type": "http", "headers": [(b"cookie", cookie.encode("latin-1"))]})


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "other=x",
        "session-443=x",
        "__Host-session=",
        f"__Host-session={'x' * 129}",
        "__Host-session=é",
    ],
)
def test_what_is_not_ours_is_not_read(sent: str) -> None:
    assert Cookie(secure=True, port=443).read(a_request(sent)) is None


def test_with_https_nothing_but_this_site_can_set_it() -> None:
    cookie, response = Cookie(secure=True, port=443), Response()

    cookie.set(response, "name")

    assert response.headers["set-cookie"] == (
        "__Host-session=name; HttpOnly; Path=/; SameSite=lax; Secure"
    )
    assert cookie.read(a_request("__Host-session=name")) == "name"


def test_without_https_the_nodes_of_one_machine_are_kept_apart() -> None:
    cookie, response = Cookie(secure=False, port=8001), Response()

    cookie.set(response, "name")

    assert response.headers["set-cookie"] == "session-8001=name; HttpOnly; Path=/; SameSite=lax"
    assert cookie.read(a_request("session-8000=name")) is None
