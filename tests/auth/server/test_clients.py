"""What can be registered as a client, and what cannot."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fhir_server.auth.server.clients import BadClient, Clients, check, origins_of
from tests.auth.server.material import APP, MOMENT, WEB, backend
from tests.support.remembering import Memory
from tests.support.tokens import ec_key, published, rsa_key

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an empty id": ({"id": ""}, "id ''"),
    "an id with a blank": ({"id": "my app"}, "id 'my app'"),
    "an id that is a URL": ({"id": "https://node.example/fhir"}, "id 'https"),
    "a long id": ({"id": "a" * 65}, "1 to 64"),
    "no scopes": ({"scopes": ()}, "scopes"),
    "an unknown scope": ({"scopes": ("patient/*.rs", "admin")}, "'admin'"),
    "no redirect URI": ({"redirect_uris": (), "launch_url": None}, "redirect URI"),
    "http elsewhere": ({"redirect_uris": ("http://app.example/cb",)}, "https://"),
    "a fragment": ({"redirect_uris": ("https://app.example/#cb",)}, "fragment"),
    "an empty fragment": ({"redirect_uris": ("https://app.example/cb#",)}, "fragment"),
    "a script": ({"redirect_uris": ("javascript:alert(1)",)}, "redirect URI"),
    "data": ({"redirect_uris": ("data:text/html,x",)}, "redirect URI"),
    "a file": ({"redirect_uris": ("file:///etc/passwd",)}, "redirect URI"),
    "a scheme without a dot": ({"redirect_uris": ("myapp:/cb",)}, "redirect URI"),
    "a relative address": ({"redirect_uris": ("/cb",)}, "redirect URI"),
    "a password": ({"redirect_uris": ("https://a:b@app.example/",)}, "redirect URI"),
    "a line end": ({"redirect_uris": ("https://app.example/\r\nX: y",)}, "redirect URI"),
    "a backslash": ({"redirect_uris": ("https://app.example\\@evil.example/",)}, "redirect URI"),
    "a port that is none": ({"redirect_uris": ("https://app.example:x/",)}, "redirect URI"),
    "a wildcard of no port": ({"redirect_uris": ("https://[app.example/",)}, "redirect URI"),
    "a launch URL by http": ({"launch_url": "http://app.example/launch"}, "https://"),
    "a launch URL without the scope": ({"scopes": ("patient/*.rs",)}, "scope launch"),
    "a public client with a secret": ({"secret": "x"}, "public one has neither"),
    "a secret that is missing": ({"method": "client_secret_basic"}, "secret"),
    "system scopes without keys": ({"scopes": ("system/*.rs",), "launch_url": None}, "JWKS"),
    "a role for people": ({"role": "R8000"}, "people bring their own"),
}
REFUSED_BACKENDS: dict[str, tuple[dict[str, Any], str]] = {
    "keys twice": ({"jwks_uri": "https://a.example/jwks"}, "secret, or its public keys"),
    "keys by http": ({"jwks": None, "jwks_uri": "http://a.example/jwks"}, "https://"),
    "no key": ({"jwks": {"keys": []}}, "no key"),
    "keys no list": ({"jwks": {"keys": 1}}, "no key"),
    "a weak key": ({"jwks": {"keys": [published(rsa_key("weak", 1024))]}}, "no key"),
    "another curve": ({"jwks": {"keys": [published(ec_key("P-256"))]}}, "no key"),
    "a key without a name": (
        {"jwks": {"keys": [rsa_key().as_dict(private=False)]}},
        "each with a kid",
    ),
    "a redirect URI": ({"redirect_uris": ("https://a.example/",)}, "two clients"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_app_that_is_not_safe_is_refused(name: str) -> None:
    changes, told = REFUSED[name]

    with pytest.raises(BadClient) as refusal:
        check(msgspec.structs.replace(APP, **changes))

    assert told in str(refusal.value)


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize("name", REFUSED_BACKENDS)
def test_a_backend_service_that_is_not_safe_is_refused(name: str) -> None:
    changes, told = REFUSED_BACKENDS[name]

    with pytest.raises(BadClient) as refusal:
        check(backend(**changes))

    assert told in str(refusal.value)


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example/cb?tenant=1",
        "http://127.0.0.1:4000/cb",
        "http://localhost/cb",
        "http://[::1]:80/",
        "org.example.app:/callback",
    ],
)
def test_an_address_where_nobody_reads_along_is_taken(uri: str) -> None:
    check(msgspec.structs.replace(APP, redirect_uris=(uri,)))


@pytest.mark.parametrize(
    ("uri", "origin"),
    [
        ("https://app.example/cb?tenant=1", "https://app.example"),
        ("https://APP.example:443/cb", "https://app.example"),
        ("https://app.example:8443/", "https://app.example:8443"),
        ("http://127.0.0.1:4000/cb", "http://127.0.0.1:4000"),
        ("http://[::1]:80/", "http://[::1]"),
    ],
)
def test_the_origin_of_a_redirect_uri_is_written_as_browsers_send_it(uri: str, origin: str) -> None:
    assert origins_of(msgspec.structs.replace(APP, redirect_uris=(uri,))) == {origin}


def test_an_app_that_is_no_page_has_no_origin() -> None:
    app = msgspec.structs.replace(APP, redirect_uris=("org.example.app:/callback",))

    assert origins_of(app) == frozenset()


async def test_an_id_is_registered_once_and_can_be_removed() -> None:
    clients = Clients(Memory())
    assert await clients.add(APP, now=MOMENT)
    assert await clients.add(WEB, now=MOMENT)
    assert not await clients.add(msgspec.structs.replace(WEB, id="app"), now=MOMENT)

    assert await clients.get("app", now=MOMENT) == APP
    assert [each.id for each in await clients.all(now=MOMENT)] == ["app", "web"]
    await clients.remove("app")
    assert await clients.get("app", now=MOMENT) is None
