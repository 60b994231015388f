"""The base over HTTP: metadata, searches and history of the system, cross-origin calls."""

from __future__ import annotations

from pathlib import Path

import httpx2 as httpx
import pytest

from fhir_server.conformance.definitions import definitions_in
from fhir_server.conformance.validation import Validator
from fhir_server.rest.system import interactions_of
from fhir_server.rest.table import ROUTES
from fhir_server.settings import definitions_folder
from tests.support.server import running_server


def test_a_node_with_two_types_has_no_third(tmp_path: Path) -> None:
    settings = {"types": "Patient,Organization", "cors_origins": "https://app.example"}
    with running_server(tmp_path / "fhir.db", **settings) as base, httpx.Client() as client:
        resources = client.get(f"{base}/metadata").json()["rest"][0]["resource"]
        entry = {
            "resource": {"resourceType": "Observation"},
            "request": {"method": "POST", "url": "Observation"},
        }
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}

        assert [each["type"] for each in resources] == ["Organization", "Patient"]
        assert client.get(f"{base}/Observation").status_code == 404
        assert client.post(base, json=bundle).status_code == 404
        headers = {"origin": "https://app.example", "access-control-request-method": "PUT"}
        preflight = client.options(f"{base}/Patient/1", headers=headers)
        answer = client.get(f"{base}/Patient", headers=headers)
        stranger = client.get(f"{base}/Patient", headers={"origin": "https://evil.example"})
        assert "PUT" in preflight.headers["access-control-allow-methods"]
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert "access-control-allow-origin" not in stranger.headers


def test_a_configured_base_is_that_of_all_links(tmp_path: Path) -> None:
    url = "https://fhir.example.org/r4"
    with running_server(tmp_path / "fhir.db", base_url=url + "/") as base, httpx.Client() as client:
        created = client.post(f"{base}/Patient", json={"resourceType": "Patient"})
        headers = {"host": "evil.example", "x-forwarded-host": "evil.example"}
        bundle = client.get(f"{base}/Patient", headers=headers).json()

        assert created.headers["location"].startswith(f"{url}/Patient/")
        assert bundle["link"][0]["url"] == f"{url}/Patient"
        assert bundle["entry"][0]["fullUrl"].startswith(f"{url}/Patient/")


def test_forwarded_headers_of_a_stranger_change_nothing(client: httpx.Client) -> None:
    headers = {
        "x-forwarded-host": "evil.example",
        "x-forwarded-proto": "https",
        "forwarded": "host=evil",
    }

    bundle = client.get("Patient?_count=1", headers=headers).json()

    assert bundle["link"][0]["url"].startswith(str(client.base_url))


def test_the_capability_statement_tells_what_the_routes_serve(client: httpx.Client) -> None:
    statement = client.get("metadata").json()

    (rest,) = statement["rest"]
    served = interactions_of(ROUTES)
    assert Validator(definitions_in(definitions_folder())).validate(statement) == ()
    assert statement["implementation"]["url"] == str(client.base_url).rstrip("/")
    assert {each["code"] for each in rest["interaction"]} == set(served.system)
    assert {each["code"] for each in rest["resource"][0]["interaction"]} == set(served.each_type)
    assert set(served.system) == {"transaction", "batch", "search-system", "history-system"}
    assert set(served.each_type) == {
        "read", "vread", "update", "patch", "delete", "history-instance", "history-type", "create",
        "search-type",
    }  # fmt: skip


@pytest.mark.parametrize(
    "parameter", ["Patient:gender=male", "Observation:status=final", "Slot:start=2026"]
)
def test_each_parameter_that_is_claimed_is_answered(client: httpx.Client, parameter: str) -> None:
    kind, _, query = parameter.partition(":")
    resources = client.get("metadata").json()["rest"][0]["resource"]
    (claimed,) = (each for each in resources if each["type"] == kind)

    assert query.partition("=")[0] in {each["name"] for each in claimed["searchParam"]}
    assert client.get(f"{kind}?{query}").status_code == 200


def test_every_claimed_parameter_of_a_type_is_understood(client: httpx.Client) -> None:
    resources = client.get("metadata").json()["rest"][0]["resource"]
    refused = [
        (each["type"], parameter["name"])
        for each in resources
        if each["type"] in {"Patient", "Observation", "Encounter", "Immunization", "Location"}
        for parameter in each["searchParam"]
        if client.get(f"{each['type']}?{parameter['name']}:missing=true").status_code != 200
    ]

    assert refused == [
        (kind, name) for kind, name in refused if name in {"_id", "_lastUpdated", "_filter"}
    ]


def test_the_system_is_searched_by_type(client: httpx.Client) -> None:
    client.put("Patient/s1", json={"resourceType": "Patient", "id": "s1"})
    client.put("Basic/s1", json={"resourceType": "Basic", "id": "s1", "code": {"text": "x"}})

    by_url = client.get("?_type=Patient,Basic&_id=s1").json()
    by_form = client.post("_search", data={"_type": "Basic", "_id": "s1"}).json()

    assert {each["resource"]["resourceType"] for each in by_url["entry"]} == {"Patient", "Basic"}
    assert [each["resource"]["resourceType"] for each in by_form["entry"]] == ["Basic"]


def test_the_history_of_the_system_has_every_type(client: httpx.Client) -> None:
    client.put("Patient/s2", json={"resourceType": "Patient", "id": "s2"})
    client.put("Basic/s2", json={"resourceType": "Basic", "id": "s2", "code": {"text": "x"}})

    entries = client.get("_history?_count=2").json()["entry"]

    assert [each["request"]["url"] for each in entries] == ["Basic/s2", "Patient/s2"]
