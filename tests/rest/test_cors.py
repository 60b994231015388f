"""Cross-origin requests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from fhir_server.rest.cors import CrossOrigin
from tests.support.server import running_server

LISTED = CrossOrigin(frozenset({"https://app.example"}))


@pytest.mark.parametrize(
    ("cross_origin", "headers"),
    [
        (CrossOrigin(), {b"origin": b"https://app.example"}),
        (LISTED, {}),
        (LISTED, {b"origin": b"https://evil.example"}),
        (LISTED, {b"origin": b"https://app.example.evil"}),
        (LISTED, {b"origin": b"null"}),
    ],
)
def test_an_origin_that_is_not_listed_gets_no_headers(
    cross_origin: CrossOrigin, headers: dict[bytes, bytes]
) -> None:
    assert cross_origin.headers(headers) == ()
    assert cross_origin.preflight(headers | {b"access-control-request-method": b"PUT"}) == ()


@pytest.mark.parametrize(
    ("cross_origin", "allowed"),
    [(LISTED, b"https://app.example"), (CrossOrigin(frozenset({"*"})), b"*")],
)
def test_a_listed_origin_may_call(cross_origin: CrossOrigin, allowed: bytes) -> None:
    headers = {b"origin": b"https://app.example"}

    assert dict(cross_origin.headers(headers))[b"access-control-allow-origin"] == allowed
    assert cross_origin.preflight(headers) == ()
    preflight = dict(cross_origin.preflight(headers | {b"access-control-request-method": b"PUT"}))
    assert preflight[b"access-control-allow-origin"] == allowed
    assert b"PATCH" in preflight[b"access-control-allow-methods"]
    assert b"If-Match" in preflight[b"access-control-allow-headers"]


ASKED = {
    "origin": "https://app.example",
    "access-control-request-method": "GET",
    "access-control-request-headers": "authorization",
}


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a node with tokens that names no origins."""
    with running_server(tmp_path_factory.mktemp("cors") / "fhir.db", auth="smart") as base:
        yield base.removesuffix("/fhir")


@pytest.mark.parametrize("path", ["/fhir/Patient", "/fhir/Patient/ada", "/federated/Patient"])
def test_a_page_of_an_origin_that_is_not_named_reads_no_records(origin: str, path: str) -> None:
    for answer in (
        httpx.get(origin + path, headers=ASKED),
        httpx.options(origin + path, headers=ASKED),
    ):
        assert "access-control-allow-origin" not in answer.headers


def test_a_node_that_asks_for_no_tokens_tells_pages_of_others_nothing(tmp_path: Path) -> None:
    with running_server(tmp_path / "fhir.db") as base:
        answer = httpx.get(f"{base}/metadata", headers=ASKED)

    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/fhir/metadata",
        "/fhir/.well-known/smart-configuration",
        "/federated/metadata",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/auth/jwks",
    ],
)
def test_what_an_app_reads_before_it_is_known_is_for_pages_of_every_origin(
    origin: str, path: str
) -> None:
    answer = httpx.get(origin + path, headers=ASKED)
    preflight = httpx.options(origin + path, headers=ASKED)

    assert httpx.head(origin + path).status_code == 200
    assert (answer.status_code, preflight.status_code) == (200, 204)
    for each in (answer, preflight):
        assert each.headers["access-control-allow-origin"] == "*"
    assert "GET" in preflight.headers["access-control-allow-methods"]
    assert "Authorization" in preflight.headers["access-control-allow-headers"]
