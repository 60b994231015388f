"""Operations over HTTP: by GET, by POST, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pytest

from fhir_server.operations.operation import ANY_TYPE
from fhir_server.operations.registry import OPERATIONS
from fhir_server.rest import opt_outs, person_index
from tests.rest.test_type import links, pages

JSON = {"content-type": "application/fhir+json"}


def parameters(*given: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Parameters", "parameter": list(given)}


@pytest.fixture(scope="module", autouse=True)
def records(base: str) -> None:
    """Store a patient with five weights."""
    with httpx.Client(base_url=base + "/") as client:
        client.put(
            "Organization/p-trust",
            json={"resourceType": "Organization", "id": "p-trust", "name": "T"},
        )
        trust = {"managingOrganization": {"reference": "Organization/p-trust"}}
        client.put("Patient/p-ada", json={"resourceType": "Patient", "id": "p-ada"} | trust)
        for number in range(5):
            body = {
                "resourceType": "Observation",
                "id": f"p-{number}",
                "status": "final",
                "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
                "subject": {"reference": "Patient/p-ada"},
                "effectiveDateTime": f"2026-03-0{number + 1}",
            }
            client.put(f"Observation/p-{number}", json=body).raise_for_status()


def everything(client: httpx.Client, *given: dict[str, Any]) -> httpx.Response:
    return client.post("Patient/p-ada/$everything", json=parameters(*given), headers=JSON)


def ids(bundle: dict[str, Any]) -> list[str]:
    return [each["resource"]["id"] for each in bundle.get("entry", ())]


def entries(found: Iterator[dict[str, Any]]) -> list[tuple[str, str]]:
    return [
        (each["resource"]["id"], each["search"]["mode"])
        for bundle in found
        for each in bundle.get("entry", ())
    ]


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"name": "start", "part": [{"name": "x"}]}, "Parameters.parameter[0]"),
        ({"name": "start", "valuePeriod": {"start": "2026"}}, "Parameters.parameter[0]"),
        (
            {"name": "start", "valueQuantity": {"value": 1, "code": "a"}},
            "Parameters.parameter[0]",
        ),
        ({"name": "start", "valueReference": {"display": "a"}}, "Parameters.parameter[0]"),
        ({"name": "start", "resource": {"resourceType": "Basic"}}, None),
        ({"valueString": "2026"}, None),
        ({"name": "start", "valueDate": 5}, None),
    ],
)
def test_a_parameter_without_a_simple_value_is_refused(
    client: httpx.Client, given: dict[str, Any], place: str | None
) -> None:
    answer = everything(client, given)

    assert answer.status_code in {400, 422}
    assert place is None or answer.json()["issue"][0]["expression"] == [place]


def test_a_cursor_of_another_patient_is_refused(client: httpx.Client) -> None:
    client.put("Patient/p-eve", json={"resourceType": "Patient", "id": "p-eve"})
    following = links(client.get("Patient/p-ada/$everything?_count=2").json())["next"]

    assert client.get(following.replace("p-ada", "p-eve")).status_code == 400
    assert client.get(following.replace("_count=2", "_count=3")).status_code == 400


def test_the_pages_of_everything_are_linked(client: httpx.Client) -> None:
    found = entries(pages(client, "Patient/p-ada/$everything?_count=1"))

    matches = [name for name, mode in found if mode == "match"]
    assert matches == ["p-ada", "p-4", "p-3", "p-2", "p-1", "p-0"]
    assert [name for name, mode in found if mode == "include"] == ["p-trust"]


def test_a_post_takes_parameters_and_links_to_the_same_by_get(client: httpx.Client) -> None:
    bundle = everything(
        client,
        {"name": "start", "valueDate": "2026-03-02"},
        {"name": "_type", "valueCode": "Observation"},
        {"name": "_count", "valueInteger": 3},
    ).json()

    assert ids(bundle) == ["p-4", "p-3", "p-2"]
    assert links(bundle)["self"] == (
        f"{client.base_url}Patient/p-ada/$everything?start=2026-03-02&_type=Observation&_count=3"
    )
    assert ids(client.get(links(bundle)["next"]).json()) == ["p-1"]


def test_everything_of_every_patient_is_refused_by_name(client: httpx.Client) -> None:
    answer = client.get("Patient/$everything")

    assert answer.status_code == 400
    assert "Patient/[id]/$everything" in answer.json()["issue"][0]["diagnostics"]


def test_everything_of_an_encounter_is_served(client: httpx.Client) -> None:
    stay = {
        "resourceType": "Encounter",
        "id": "p-stay",
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": "Patient/p-bob"},
    }
    client.put("Patient/p-bob", json={"resourceType": "Patient", "id": "p-bob"}).raise_for_status()
    client.put("Encounter/p-stay", json=stay).raise_for_status()

    found = entries(pages(client, "Encounter/p-stay/$everything"))

    assert found == [("p-stay", "match"), ("p-bob", "include")]


def test_a_post_without_a_body_takes_those_of_the_url(client: httpx.Client) -> None:
    bundle = client.post("Patient/p-ada/$everything?_type=Patient").json()

    assert ids(bundle) == ["p-ada"]


def test_an_entry_of_a_batch_may_be_an_operation(client: httpx.Client) -> None:
    url = "Patient/p-ada/$everything"
    asked = parameters({"name": "_type", "valueCode": "Patient"})
    batch = [
        {"request": {"method": "GET", "url": url + "?_type=Patient"}},
        {"request": {"method": "POST", "url": url}, "resource": asked},
        {"request": {"method": "POST", "url": url}},
    ]
    bundle = client.post("", json={"resourceType": "Bundle", "type": "batch", "entry": batch})

    answers = [each["resource"] for each in bundle.json()["entry"]]
    assert [len(ids(each)) for each in answers] == [1, 1, 7]


def test_the_capability_statement_names_each_operation(client: httpx.Client) -> None:
    (rest,) = client.get("metadata").json()["rest"]

    told = {
        (each["type"], operation["name"]): operation["definition"]
        for each in rest["resource"]
        for operation in each.get("operation", ())
    }
    everywhere = {each["name"]: each["definition"] for each in rest["operation"]}
    named = {(name, each.name): each.url for each in OPERATIONS for name in each.types}
    assert told == {place: url for place, url in named.items() if place[0] != ANY_TYPE}
    listed = {each.name: each.url for each in OPERATIONS if ANY_TYPE in each.types}
    assert everywhere == listed | person_index.DEFINED | opt_outs.DEFINED


def test_the_newest_of_each_code_are_asked_for_by_get_and_post(client: httpx.Client) -> None:
    by_get = client.get("Observation/$lastn?patient=p-ada&max=2").json()
    given = (
        {"name": "subject", "valueReference": {"reference": "Patient/p-ada"}},
        {"name": "code", "valueCoding": {"system": "http://loinc.org", "code": "29463-7"}},
        {"name": "max", "valuePositiveInt": 2},
    )
    by_post = client.post("Observation/$lastn", json=parameters(*given), headers=JSON).json()

    assert ids(by_get) == ids(by_post) == ["p-4", "p-3"]
    assert by_get["total"] == 2
    assert ids(client.get(links(by_post)["self"]).json()) == ["p-4", "p-3"]
