"""Cross-origin requests: whose pages may read what is answered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest

from fhir_server.auth.server.clients import Client
from fhir_server.rest.cors import CrossOrigin
from fhir_server.settings import Settings
from tests.rest.access import Guarded, guarded
from tests.rest.trusting import Trust, put
from tests.support.server import running_server
from tests.support.smart import register

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


@dataclass(frozen=True)
class Node:
    """A node that names no origins, with an app of `https://app.example` and one of another origin."""

    guarded: Guarded
    own: Trust

    @property
    def origin(self) -> str:
        """Where it is."""
        return self.own.base.removesuffix("/fhir")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Return a node with tokens of its own, and of an issuer elsewhere."""
    store = tmp_path_factory.mktemp("cors") / "fhir.db"
    scopes = ("user/*.rs",)
    register(
        store,
        Client("chart", "Chart", "none", scopes, ("https://app.example/callback",)),
        Client("ward", "Ward", "none", scopes, ("https://ward.example/", "org.ward.app:/back")),
    )
    with guarded(store, authorization_server="on") as server:
        port = urlsplit(server.base).port or 0
        settings = Settings(store=f"sqlite:{store}", port=port, auth="smart")
        own = Trust(server.base, settings)
        with own.client() as client:
            put(client, {"resourceType": "Patient", "id": "ada"})
        yield Node(server, own)


@pytest.fixture(scope="module")
def origin(node: Node) -> str:
    """Return the address of the node."""
    return node.origin


READ = [
    "/fhir/Patient/ada",
    "/fhir/Patient/nobody",
    "/fhir/Patient?name=x",
    "/fhir/Patient/_history",
]


@pytest.mark.parametrize("path", READ)
@pytest.mark.parametrize("client_id", ["ward", "development", None])
def test_a_page_of_another_origin_than_its_apps_reads_nothing(
    node: Node, path: str, client_id: str | None
) -> None:
    with node.own.client(client_id=client_id) as client:
        answer = client.get(node.origin + path, headers=ASKED)

    assert answer.status_code in {200, 404}
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("origin", ["null", "http://app.example", "https://app.example:8443", "*"])
def test_an_origin_that_is_nearly_the_apps_reads_nothing(node: Node, origin: str) -> None:
    with node.own.client(client_id="chart") as client:
        answer = client.get("Patient/ada", headers={"origin": origin})

    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


def test_what_another_issuer_calls_a_client_is_no_app_of_here(node: Node) -> None:
    with node.guarded.client(client_id="chart") as client:
        answer = client.get("Patient/ada", headers=ASKED)

    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/fhir/Patient/ada", 200),
        ("/fhir/Patient/nobody", 404),
        ("/fhir/Patient?nonsense=1", 400),
        ("/fhir/Patient/_history", 200),
        ("/federated/Slot", 403),
    ],
)
def test_the_pages_of_the_app_that_asks_read_answers_and_refusals(
    node: Node, path: str, status: int
) -> None:
    with node.own.client(client_id="chart", scope="system/Patient.rs") as client:
        answer = client.get(node.origin + path, headers=ASKED)

    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert "ETag" in answer.headers["access-control-expose-headers"]
    assert "origin" in answer.headers["vary"]


@pytest.mark.parametrize("token", [None, "Bearer a.b.c"])
def test_a_page_of_any_origin_learns_that_it_needs_a_new_token(
    origin: str, token: str | None
) -> None:
    headers = ASKED if token is None else ASKED | {"authorization": token}

    answer = httpx.get(f"{origin}/fhir/Patient/ada", headers=headers)

    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "WWW-Authenticate" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize("path", ["/fhir/Patient", "/fhir/Patient/ada", "/federated/Slot"])
def test_before_a_token_is_sent_pages_of_all_origins_are_told_the_same(
    origin: str, path: str
) -> None:
    first, second = (
        httpx.options(origin + path, headers=ASKED | {"origin": each})
        for each in ("https://app.example", "https://evil.example")
    )

    assert first.status_code == second.status_code == 204
    for name in ("access-control-allow-origin", "access-control-allow-headers", "allow"):
        assert first.headers[name] == second.headers[name]
    assert "access-control-allow-credentials" not in first.headers


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
