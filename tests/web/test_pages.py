"""The start page, health and metrics."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser

import httpx2 as httpx
import pytest

from tests.support.server import running_server


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a server with one patient."""
    with running_server(tmp_path_factory.mktemp("web") / "fhir.db") as base:
        httpx.put(
            f"{base}/Patient/zebedee", json={"resourceType": "Patient", "id": "zebedee"}
        ).raise_for_status()
        yield base.removesuffix("/fhir")


class Links(HTMLParser):
    """Collects where a page leads, and what it would load."""

    def __init__(self) -> None:
        super().__init__()
        self.followed: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take down the addresses of a tag."""
        for name, value in attrs:
            if name in {"href", "src"} and value:
                (self.followed if tag == "a" else self.loaded).append(value)


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/redoc", "/nothing", "/fhirx"])
def test_there_is_nothing_else(origin: str, path: str) -> None:
    assert httpx.get(origin + path).status_code == 404


def test_the_start_page_counts_what_is_kept(origin: str) -> None:
    page = httpx.get(origin + "/")

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<b>1</b><span>Patient</span>" in page.text
    assert "146 types" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_each_link_of_the_start_page_leads_somewhere(origin: str) -> None:
    links = Links()
    links.feed(httpx.get(origin + "/").text)

    own = [each for each in links.followed if each.startswith((origin, "/"))]
    statuses = {
        each: httpx.get(each if each.startswith("http") else origin + each).status_code
        for each in own
    }
    assert len(own) >= 6
    assert set(statuses.values()) == {200}, statuses
    assert links.loaded == []


def test_a_host_that_is_no_host_is_not_printed(origin: str) -> None:
    page = httpx.get(origin + "/", headers={"host": 'x"><script>alert(1)</script>'})

    assert "<script>" not in page.text


def test_health_is_told(origin: str) -> None:
    assert httpx.get(origin + "/health/live").text == "live"
    assert httpx.get(origin + "/health/ready").text == "ready"


def test_metrics_are_counted_by_route(origin: str) -> None:
    metrics = httpx.get(origin + "/metrics")

    assert metrics.headers["content-type"].startswith("text/plain")
    assert (
        'fhir_request_seconds_count{method="PUT",route="/[type]/[id]",status="2xx"} 1.0'
        in metrics.text
    )
    assert "zebedee" not in metrics.text


@pytest.mark.parametrize("path", ["/", "/health/live", "/health/ready", "/metrics"])
def test_what_is_read_can_be_asked_for_without_its_body(origin: str, path: str) -> None:
    answer = httpx.head(origin + path)

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == httpx.get(origin + path).headers["content-type"]
