"""Cross-origin requests."""

from __future__ import annotations

import pytest

from fhir_server.rest.cors import CrossOrigin

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
