"""Nothing of a person comes into the log or the metrics of a real server, wherever an attacker or a bug puts it."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2 as httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from fhir_server.rest.table import ROUTES
from fhir_server.rest.telemetry import Telemetry
from fhir_server.web.failing import failing_quietly
from tests.rest.access import METRICS_TOKEN
from tests.support.nodes import Node, running_node
from tests.support.patience import PATIENCE

NUMBER, NAME, ID, TOKEN = "9434765919", "Lovelace", "ada-1815", "eyJhbGciOiJub25lIn0"
TELLING = (NUMBER, NAME, ID, TOKEN, "943 476 5919", "943-476-5919")
PARENT = "00f067aa0ba902b7"
PATIENT = {
    "resourceType": "Patient",
    "id": ID,
    "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": NUMBER}],
    "name": [{"family": NAME}],
}
_HEADERS = (
    ("x-request-id", NUMBER),
    ("x-request-id", "943-476-5919"),
    ("x-request-id", f"{NAME} {NUMBER}"),
    ("x-correlation-id", NUMBER),
    ("traceparent", f"00-{'0' * 22}{NUMBER}-{PARENT}-01"),
    ("traceparent", f"00-{NAME}-{PARENT}-01"),
    ("tracestate", f"nhs={NUMBER}"),
    ("user-agent", f"{NAME} {NUMBER}"),
    ("referer", f"https://a.example/Patient/{ID}?identifier={NUMBER}"),
    ("authorization", f"Bearer {TOKEN}"),
    ("cookie", f"session={TOKEN}"),
    ("if-none-exist", f"identifier={NUMBER}"),
    ("if-match", f'W/"{NUMBER}"'),
    ("accept", f"text/{NAME}"),
    ("accept-language", NAME),
    ("x-forwarded-for", NUMBER),
    ("forwarded", f"for={NUMBER}"),
    ("nhsd-end-user-organisation-ods", NUMBER),
)
_PATHS = (
    f"/fhir/Patient/{ID}",
    f"/fhir/Patient/{NUMBER}/_history/{NUMBER}",
    f"/fhir/{NAME}/{ID}",
    f"/fhir/Patient?identifier={NUMBER}&name={NAME}",
    f"/fhir/Patient?{NAME}={NUMBER}",
    f"/fhir/Patient/${NAME}",
    f"/fhir/Patient?access_token={TOKEN}",
    f"/fhir/Patient?_page={TOKEN}",
    f"/fhir/Patient?identifier=%zz{NUMBER}",
    f"/fhir/Patient?_filter={quote(f'name eq {NAME} and (')}",
    f"/{NAME}/{NUMBER}?name={NAME}",
    f"/metrics?name={NAME}",
    f"/auth/request?request={TOKEN}",
    f"/auth/authorize?client_id={NAME}&login_hint={NUMBER}",
    f"/auth/elsewhere/{NAME}",
    f"/auth/callback/{NAME}?code={TOKEN}&state={NUMBER}",
    f"/federated/{NAME}/Patient/{ID}",
    f"/federated/Patient?identifier={NUMBER}",
)
_BODIES: tuple[tuple[str, str, bytes, str], ...] = (
    ("POST", "/fhir/Patient", f'{{"resourceType": "{NAME}"'.encode(), "application/fhir+json"),
    ("POST", "/fhir/Patient", f"<{NAME}>{NUMBER}".encode(), "application/fhir+xml"),
    ("POST", "/fhir/Patient", NAME.encode(), f"text/{NAME}"),
    ("POST", "/fhir/Patient/_search", f"identifier={NUMBER}".encode(), "text/plain"),
    ("PATCH", f"/fhir/Patient/{ID}", f'[{{"op":"{NAME}"}}]'.encode(), "application/json-patch+json"),
    ("POST", "/fhir", f'{{"resourceType":"Bundle","id":"{ID}"}}'.encode(), "application/fhir+json"),
    ("POST", "/auth/token", f"grant_type={NAME}&code={TOKEN}".encode(), "application/x-www-form-urlencoded"),
    ("POST", "/auth/introspect", f"token={TOKEN}".encode(), "application/x-www-form-urlencoded"),
    ("POST", "/auth/sign-in", f"name={NAME}&password={TOKEN}".encode(), "application/x-www-form-urlencoded"),
    (NAME.upper(), f"/fhir/Patient/{ID}", b"", "text/plain"),
)  # fmt: skip


@pytest.fixture(scope="module", params=["none", "smart"])
def node(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Node]:
    """Serve, open to all and with tokens, at the level of the log that tells most."""
    store = tmp_path_factory.mktemp("logs") / "fhir.db"
    flags = ("--auth", request.param, "--log-level", "debug", "--metrics-token", METRICS_TOKEN)
    with running_node(store, *flags) as started:
        yield started


def sent(node: Node, method: str, path: str, **more: Any) -> None:
    """Send a request, whatever is answered."""
    with httpx.Client(base_url=node.origin) as client:
        client.request(method, path, **more)


def check_nothing_is_told(node: Node) -> None:
    """Look at all that was ever logged and counted."""
    headers = {"authorization": f"Bearer {METRICS_TOKEN}"}
    metrics = httpx.get(f"{node.origin}/metrics", headers=headers).raise_for_status().text
    log = node.log()
    assert "request_completed" in log
    for each in TELLING:
        assert each.lower() not in log.lower()
        assert each.lower() not in metrics.lower()


def test_what_is_written_and_read_is_not_told(node: Node) -> None:
    sent(node, "PUT", f"/fhir/Patient/{ID}", json=PATIENT)
    sent(node, "GET", f"/fhir/Patient/{ID}")
    sent(node, "PUT", f"/fhir/Patient/{ID}", json=PATIENT | {"birthDate": NAME})

    check_nothing_is_told(node)


def test_no_header_is_told(node: Node) -> None:
    for name, value in _HEADERS:
        sent(node, "GET", f"/fhir/Patient/{ID}", headers={name: value})
        sent(node, "POST", "/fhir/Patient", headers={name: value}, json=PATIENT)
        sent(node, "GET", f"/auth/sign-in?name={NAME}", headers={name: value})

    check_nothing_is_told(node)


def test_no_address_is_told(node: Node) -> None:
    for path in _PATHS:
        for method in ("GET", "POST", "DELETE", "OPTIONS"):
            sent(node, method, path)

    check_nothing_is_told(node)


def test_no_body_is_told(node: Node) -> None:
    for method, path, body, kind in _BODIES:
        sent(node, method, path, content=body, headers={"content-type": kind})

    check_nothing_is_told(node)


@pytest.mark.parametrize(
    "raw",
    [
        f"GET /fhir/Patient?name={NAME} {NUMBER} HTTP/9\r\n\r\n",
        f"{NUMBER} {NAME}\r\n\r\n",
        f"GET /fhir/Patient HTTP/1.1\r\nhost: {NAME} {NUMBER}\r\n\r\n",
        f"GET /fhir/Patient HTTP/1.1\r\n{NAME}: \x01{NUMBER}\r\n: {NUMBER}\r\n\r\n",
        f"POST /fhir/Patient HTTP/1.1\r\nhost: a\r\ncontent-length: {NAME}\r\n\r\n{NUMBER}",
        f"POST /fhir/Patient HTTP/1.1\r\nhost: a\r\nupgrade: {NAME}\r\nconnection: upgrade\r\n\r\n",
    ],
)
def test_what_is_no_http_is_not_told(node: Node, raw: str) -> None:
    address = urlsplit(node.origin)
    with socket.create_connection((address.hostname, address.port), timeout=PATIENCE) as connection:
        connection.sendall(raw.encode())
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
    sent(node, "GET", "/fhir/metadata")

    check_nothing_is_told(node)


async def test_a_page_that_fails_tells_its_type_and_place_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    page, told = FastAPI(), list[Any]()

    @page.get("/auth/{name}")
    async def fail(name: str) -> None:
        raise RuntimeError(f"{name}, {NUMBER}")

    telemetry = Telemetry(ROUTES, CollectorRegistry(), tell=lambda *event: told.append(event))
    with caplog.at_level(logging.DEBUG):
        transport = httpx.ASGITransport(failing_quietly(page, telemetry))
        async with httpx.AsyncClient(transport=transport, base_url="http://a") as client:
            answer = await client.get(f"/auth/{NAME}")

    assert answer.status_code == 500
    assert [(event, fields["error"]) for event, fields in told] == [
        ("request_failed", "RuntimeError")
    ]
    everything = answer.text + str(told) + caplog.text.replace(f"/auth/{NAME}", "")
    assert NAME not in everything
    assert NUMBER not in everything
