"""Search parameters over HTTP, with two servers on one store."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from tests.support.patience import PATIENCE
from tests.support.server import running_server

FRENCH = {"coding": [{"system": "urn:ietf:bcp:47", "code": "fr"}]}
ADA = {"resourceType": "Patient", "id": "ada", "communication": [{"language": FRENCH}]}


@pytest.fixture
def clients(tmp_path: Path) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """Return clients of two servers that share a store."""
    path = tmp_path / "fhir.db"
    with (
        running_server(path) as one,
        running_server(path) as two,
        httpx.Client(base_url=one + "/") as first,
        httpx.Client(base_url=two + "/") as second,
    ):
        yield first, second


def a_parameter(code: str, expression: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "SearchParameter",
        "id": code,
        "url": f"https://example.org/SearchParameter/{code}",
        "name": "Parameter",
        "status": "active",
        "description": "A parameter of the tests",
        "code": code,
        "base": [expression.partition(".")[0]],
        "type": "token",
        "expression": expression,
        **more,
    }


SPOKEN = a_parameter("spoken", "Patient.communication.language")


def put(client: httpx.Client, resource: dict[str, Any]) -> httpx.Response:
    return client.put(f"{resource['resourceType']}/{resource['id']}", json=resource)


def eventually(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """Return the first answer that is no refusal."""
    end = time.monotonic() + PATIENCE
    while (answer := ask()).status_code == 400:
        assert answer.json()["issue"][0]["code"] == "transient"
        assert time.monotonic() < end
    return answer


def told(client: httpx.Client, kind: str) -> dict[str, str]:
    """Return the search parameters of a type by the CapabilityStatement."""
    (rest,) = client.get("metadata").json()["rest"]
    (found,) = [each for each in rest["resource"] if each["type"] == kind]
    return {each["name"]: each["definition"] for each in found["searchParam"]}


def test_one_that_cannot_be_used_is_refused_with_its_place(
    clients: tuple[httpx.Client, httpx.Client],
) -> None:
    answer = put(clients[0], a_parameter("bad", "Patient.nonsense"))

    assert answer.status_code == 422
    (issue,) = answer.json()["issue"]
    assert issue["expression"] == ["SearchParameter.expression"]
    assert issue["diagnostics"] == "'Patient.nonsense': Patient has no element nonsense"


def test_it_is_refused_in_a_transaction_with_its_place_in_the_bundle(
    clients: tuple[httpx.Client, httpx.Client],
) -> None:
    request = {"method": "PUT", "url": "SearchParameter/bad"}
    entry = {"resource": a_parameter("bad", "Patient.nonsense"), "request": request}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}

    answer = clients[0].post("", json=bundle)

    assert answer.status_code == 422
    place = answer.json()["issue"][0]["expression"]
    assert place == ["Bundle.entry[0].resource.expression"]


def test_a_parameter_written_on_one_server_is_searched_by_on_the_other_and_forgotten_again(
    clients: tuple[httpx.Client, httpx.Client],
) -> None:
    first, second = clients
    put(first, ADA)
    assert second.get("Patient?spoken=fr").status_code == 400

    assert put(first, SPOKEN).status_code == 201
    answer = eventually(lambda: second.get("Patient?spoken=fr"))

    assert [each["resource"]["id"] for each in answer.json()["entry"]] == ["ada"]
    assert told(first, "Patient")["spoken"] == SPOKEN["url"] == told(second, "Patient")["spoken"]
    assert first.delete("SearchParameter/spoken").status_code == 204
    refused = second.get("Patient?spoken=fr")
    assert (refused.status_code, refused.json()["issue"][0]["code"]) == (400, "invalid")
    assert "spoken" not in told(second, "Patient")


def test_every_write_goes_through_under_parameters_that_came_on_the_other_server(
    clients: tuple[httpx.Client, httpx.Client],
) -> None:
    first, second = clients
    put(first, SPOKEN)
    eventually(lambda: first.get("Patient?spoken=fr"))

    created = second.post("Patient", json={key: ADA[key] for key in ADA if key != "id"})
    again = second.post(
        "Patient", json=ADA, headers={"If-None-Exist": "spoken=fr", "Prefer": "return=minimal"}
    )
    entry = {"resource": ADA, "request": {"method": "PUT", "url": "Patient/ada"}}
    batch = second.post("", json={"resourceType": "Bundle", "type": "batch", "entry": [entry]})

    assert (created.status_code, again.status_code) == (201, 200)
    assert batch.json()["entry"][0]["response"]["status"].startswith("201")
    assert first.get("Patient?spoken=fr").json()["total"] == 2


def test_those_that_are_shipped_are_told_and_served_at_once(
    clients: tuple[httpx.Client, httpx.Client],
) -> None:
    first, second = clients
    bed = {"resourceType": "Location", "id": "b", "physicalType": {"coding": [{"code": "bd"}]}}
    put(first, bed)

    assert first.get("Location?physical-type=bd").json()["total"] == 1
    url = "https://example.org/fdp/SearchParameter/location-physical-type"
    assert told(second, "Location")["physical-type"] == url


def test_their_states_are_asked_for_by_an_operation(
    clients: tuple[httpx.Client, httpx.Client],
) -> None:
    first, second = clients
    put(first, SPOKEN)
    eventually(lambda: first.get("Patient?spoken=fr"))

    answer = second.get("SearchParameter/$status?code=spoken")

    assert answer.status_code == 200
    (told,) = answer.json()["parameter"]
    assert {"name": "state", "valueCode": "enabled"} in told["part"]
    assert second.get("SearchParameter/$status?cod=spoken").status_code == 400
