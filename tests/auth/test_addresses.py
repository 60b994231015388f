"""Where issuers may be, and where they publish what they are."""

from __future__ import annotations

import pytest

from fhir_server.auth.addresses import discovery_urls, is_safe


@pytest.mark.parametrize(
    "url",
    [
        "",
        "login.example.org",
        "http://login.example.org",
        "http://127.0.0.1.example.org",
        "http://localhost.example.org",
        "http://10.0.0.1",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "https://",
        "https://user@login.example.org",
        "https://user:secret@login.example.org",
        "https://login.example.org?x=1",
        "https://login.example.org#x",
        "https://[::1",
        "javascript:alert(1)",
    ],
)
def test_an_address_that_others_could_answer_for_is_refused(url: str) -> None:
    assert not is_safe(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://login.example.org",
        "https://login.example.org:8443/realms/trust",
        "http://127.0.0.1:9000",
        "http://[::1]:9000/auth",
        "http://localhost:9000",
    ],
)
def test_https_is_taken_and_this_machine(url: str) -> None:
    assert is_safe(url)


@pytest.mark.parametrize(
    ("issuer", "after_openid", "after_oauth"),
    [
        (
            "https://a.example",
            "https://a.example/.well-known/openid-configuration",
            "https://a.example/.well-known/oauth-authorization-server",
        ),
        (
            "https://a.example/realms/b/",
            "https://a.example/realms/b/.well-known/openid-configuration",
            "https://a.example/.well-known/oauth-authorization-server/realms/b",
        ),
    ],
)
def test_the_metadata_are_where_the_two_standards_say(
    issuer: str, after_openid: str, after_oauth: str
) -> None:
    assert discovery_urls(issuer) == (after_openid, after_oauth)
