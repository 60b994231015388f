"""The authorization server over HTTP: forms in, JSON out, and nothing that could be kept on the way."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from fhir_server.auth.server.clients import Client, hashed
from fhir_server.cli import main
from fhir_server.offline.authorizing import authorization
from fhir_server.settings import Settings
from fhir_server.wiring import clock
from tests.auth.server.material import (
    SECRET,
    an_assertion,
    asserting,
    assertion_claims,
    backend,
)
from tests.support.server import running_server

FORM = "application/x-www-form-urlencoded"
BASIC = "Basic " + b64encode(f"web:{SECRET}".encode()).decode()
WEB = Client(
    "web",
    "A web app",
    "client_secret_basic",
    ("patient/*.rs",),
    ("https://web.example/cb",),
    secret=hashed(SECRET),
)


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    store = tmp_path_factory.mktemp("oauth") / "fhir.db"
    with running_server(store, auth="smart") as base:
        settings = Settings(store=f"sqlite:{store}", auth="smart")

        async def register() -> None:
            async with authorization(settings) as server:
                await server.clients.add(WEB, now=clock())

        asyncio.run(register())
        yield base.removesuffix("/fhir")


@pytest.fixture
def client(origin: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=origin) as opened:
        yield opened


def is_refusal(answer: httpx.Response, error: str, status: int = 400) -> None:
    told = answer.json()
    assert (answer.status_code, told["error"]) == (status, error), told
    assert told["error_description"]
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"


BODIES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", FORM),
    "JSON": (b'{"grant_type":"client_credentials"}', "application/json"),
    "no type": (b"grant_type=client_credentials", ""),
    "a part of several": (b"--x", "multipart/form-data; boundary=x"),
    "a name twice": (b"grant_type=refresh_token&grant_type=client_credentials", FORM),
    "no ASCII": ("grant_type=\u00e4".encode(), FORM),
    "no UTF-8": (b"grant_type=%FF", FORM),
    "huge": (b"a=" + b"x" * 70_000, FORM),
    "very many": (b"&".join(b"a%d=1" % each for each in range(9_000)), FORM),
}


@pytest.mark.parametrize("name", BODIES)
def test_what_is_no_form_is_refused(client: httpx.Client, name: str) -> None:
    body, kind = BODIES[name]

    answer = client.post("/auth/token", content=body, headers={"content-type": kind})

    error = answer.json()["error"]
    assert error in {"invalid_request", "invalid_client"}
    is_refusal(answer, error, 401 if error == "invalid_client" else 400)


def test_parameters_in_the_address_are_refused(client: httpx.Client) -> None:
    answer = client.post("/auth/token?client_id=web", data={"grant_type": "refresh_token"})

    is_refusal(answer, "invalid_request")


@pytest.mark.parametrize("path", ["/auth/token", "/auth/introspect", "/auth/revoke"])
def test_tokens_are_not_asked_for_by_an_address(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 405


def test_a_client_that_is_not_known_is_asked_for_its_secret(client: httpx.Client) -> None:
    form = {"grant_type": "authorization_code"}

    answer = client.post("/auth/token", data=form, headers={"authorization": BASIC + "x"})

    is_refusal(answer, "invalid_client", 401)
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert "www-authenticate" not in client.post("/auth/token", data=form).headers


def test_two_headers_are_refused(client: httpx.Client) -> None:
    headers = [("authorization", BASIC), ("authorization", BASIC)]

    answer = client.post("/auth/token", data={"grant_type": "refresh_token"}, headers=headers)

    is_refusal(answer, "invalid_request")


def test_who_fails_too_often_is_told_how_long_to_wait(client: httpx.Client) -> None:
    form = {"client_id": "nobody", "grant_type": "refresh_token"}
    answers = [client.post("/auth/token", data=form) for _ in range(21)]

    is_refusal(answers[-1], "temporarily_unavailable", 429)
    assert 0 < int(answers[-1].headers["retry-after"]) <= 60
    assert answers[-2].status_code == 401


def test_a_token_of_nobody_is_not_active_and_can_be_revoked(client: httpx.Client) -> None:
    headers = {"authorization": BASIC}

    asked = client.post("/auth/introspect", data={"token": "x"}, headers=headers)
    revoked = client.post("/auth/revoke", data={"token": "x"}, headers=headers)

    assert (asked.status_code, asked.json()) == (200, {"active": False})
    assert asked.headers["cache-control"] == "no-store"
    assert (revoked.status_code, revoked.content) == (200, b"")


def test_apps_in_browsers_may_ask_from_anywhere_without_cookies(client: httpx.Client) -> None:
    headers = {
        "origin": "https://app.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }

    asked = client.options("/auth/token", headers=headers)
    refused = client.post("/auth/token", data={}, headers={"origin": "https://app.example"})

    assert asked.status_code == 204
    assert asked.headers["access-control-allow-origin"] == "*"
    assert "POST" in asked.headers["access-control-allow-methods"]
    assert "authorization" in asked.headers["access-control-allow-headers"].lower()
    assert refused.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in refused.headers


DOCUMENTS = [
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
    "/fhir/.well-known/smart-configuration",
]


@pytest.mark.parametrize("path", DOCUMENTS)
def test_each_document_names_the_issuer_and_where_its_endpoints_are(
    client: httpx.Client, origin: str, path: str
) -> None:
    answer = client.get(path, headers={"origin": "https://app.example"})

    told = answer.json()
    assert told["issuer"] == origin
    assert answer.headers["access-control-allow-origin"] == "*"
    for name in ("token_endpoint", "introspection_endpoint", "revocation_endpoint"):
        assert client.post(told[name]).json()["error"]
    keys = client.get(told["jwks_uri"]).json()["keys"]
    assert {each["alg"] for each in keys} == {"ES384", "RS256"}


def test_the_smart_configuration_has_what_smart_requires(client: httpx.Client) -> None:
    told = client.get("/fhir/.well-known/smart-configuration").json()

    required = {
        *("issuer", "jwks_uri", "authorization_endpoint", "token_endpoint"),
        *("grant_types_supported", "capabilities", "code_challenge_methods_supported"),
    }
    assert required <= set(told)
    assert told["code_challenge_methods_supported"] == ["S256"]
    assert {"authorization_code", "client_credentials"} <= set(told["grant_types_supported"])
    assert {"client-confidential-asymmetric", "permission-v2", "launch-standalone"} <= set(
        told["capabilities"]
    )


def test_a_node_without_it_has_no_such_addresses(tmp_path: Path) -> None:
    with running_server(tmp_path / "fhir.db", auth="none") as base:
        origin = base.removesuffix("/fhir")

        assert httpx.post(f"{origin}/auth/token").status_code == 404
        assert httpx.get(f"{origin}/.well-known/openid-configuration").status_code == 404


@pytest.mark.parametrize(
    ("settings", "issuer"),
    [
        ({"base_url": "https://trust.example/fhir"}, "https://trust.example"),
        ({"base_url": "https://trust.example/ward/fhir/"}, "https://trust.example/ward"),
        ({"base_url": "https://trust.example/r4"}, "https://trust.example"),
        ({"port": 8123}, "http://127.0.0.1:8123"),
    ],
)
def test_the_issuer_is_above_the_fhir_base(settings: dict[str, Any], issuer: str) -> None:
    assert Settings(auth="smart", **settings).issuer == issuer


@pytest.mark.parametrize(
    ("wanted", "issuers", "there"),
    [("auto", "", True), ("auto", "https://a.example", False), ("on", "https://a.example", True)],
)
def test_the_built_in_server_is_there_unless_others_are_named(
    wanted: Any, issuers: str, *, there: bool
) -> None:
    settings = Settings(auth="smart", authorization_server=wanted, issuers=issuers)  # type: ignore[arg-type]

    assert settings.has_authorization_server is there
    assert not Settings(auth="none").has_authorization_server


def test_who_gets_a_token_and_who_is_refused_one_is_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "fhir.db"
    with running_server(store, auth="smart") as base:
        url = f"{base.removesuffix('/fhir')}/auth/token"

        async def register() -> None:
            async with authorization(Settings(store=f"sqlite:{store}")) as server:
                await server.clients.add(backend(), now=clock())

        asyncio.run(register())
        seconds = clock() // 1_000_000
        said = assertion_claims(aud=url, exp=seconds + 200)
        form = dict(asserting(an_assertion(said)).form)

        statuses = [httpx.post(url, data=form).status_code for _ in range(2)]

    main(["audit", "export", "--store", f"sqlite:{store}"])
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    given, refused = (each for each in events if each["kind"] == "token")
    assert statuses == [200, 401]
    assert given["agent"]["subject"] == given["agent"]["client"] == "loader"
    assert given["agent"]["purpose"] == "TREAT"
    assert (refused["agent"], refused["status"], refused["note"]) == (None, 401, "invalid_client")
    assert form["client_assertion"] not in json.dumps(events)
