"""Batches and transactions over HTTP."""

from __future__ import annotations

from typing import Any

import httpx2 as httpx

from fhir_server.conformance.definitions import definitions_in
from fhir_server.conformance.validation import Validator
from fhir_server.settings import definitions_folder


def an_entry(
    method: str, url: str, resource: dict[str, Any] | None = None, **more: str
) -> dict[str, Any]:
    entry: dict[str, Any] = {"request": {"method": method, "url": url, **more}}
    return entry if resource is None else {**entry, "resource": resource}


def a_patient(logical_id: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": logical_id, **more}


def post(client: httpx.Client, kind: str, *entries: Any, **headers: str) -> httpx.Response:
    bundle = {"resourceType": "Bundle", "type": kind, "entry": list(entries)}
    return client.post("", json=bundle, headers=headers)


def statuses(answer: httpx.Response) -> list[str]:
    return [each["response"]["status"][:3] for each in answer.json()["entry"]]


def test_each_entry_of_a_batch_fails_by_itself(client: httpx.Client) -> None:
    client.put("Patient/b1", json=a_patient("b1"))
    answer = post(
        client,
        "batch",
        an_entry("GET", "Patient/b1"),
        an_entry("GET", "Patient/nobody"),
        an_entry("PUT", "Patient/b2", a_patient("b2")),
        an_entry("PUT", "Patient/b3", a_patient("other")),
        an_entry("POST", "Observation", {"resourceType": "Observation"}),
        an_entry("POST", "Patient"),
        an_entry("GET", "Patient?nmae=x"),
        an_entry("GET", "Patient?name=%"),
        an_entry("POST", "", {"resourceType": "Bundle", "type": "batch"}),
        an_entry("PUT", "Patient/b1", a_patient("b1"), ifMatch='W/"9"'),
        an_entry("GET", "Patient/b1", ifNoneMatch='W/"1"'),
        {"resource": a_patient("b4")},
        {"request": {"method": "GET"}},
        {"request": {"method": "GET", "url": "Patient", "ifMatch": 1}},
    )

    assert statuses(answer) == [
        "200", "404", "201", "400", "422", "400", "400", "400", "400", "412", "304", "400", "400",
        "400",
    ]  # fmt: skip
    entries = answer.json()["entry"]
    assert entries[11]["response"]["outcome"]["issue"][0]["expression"] == [
        "Bundle.entry[11].request"
    ]
    assert all(
        ("outcome" in each["response"]) is (each["response"]["status"] >= "400") for each in entries
    )
    assert Validator(definitions_in(definitions_folder())).validate(answer.json()) == ()


def test_a_failed_transaction_leaves_nothing(client: httpx.Client) -> None:
    answer = post(
        client,
        "transaction",
        an_entry("PUT", "Patient/b10", a_patient("b10")),
        an_entry("POST", "Observation", {"resourceType": "Observation"}),
    )

    assert answer.status_code == 422
    assert answer.json()["issue"][0]["expression"][0].startswith("Bundle.entry[1]")
    assert client.get("Patient/b10").status_code == 404


def test_a_transaction_reads_what_it_wrote(client: httpx.Client) -> None:
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": "urn:uuid:3bfd1aaa-5a12-4b3c-8a5f-0e5a3a4b5c6d"},
    }
    answer = post(
        client,
        "transaction",
        an_entry("GET", "Patient?identifier=b20"),
        an_entry("POST", "Observation", observation),
        {
            "fullUrl": "urn:uuid:3bfd1aaa-5a12-4b3c-8a5f-0e5a3a4b5c6d",
            **an_entry("POST", "Patient", a_patient("x", identifier=[{"value": "b20"}])),
        },
    )

    found, written, patient = answer.json()["entry"]
    logical_id = patient["resource"]["id"]
    assert statuses(answer) == ["200", "201", "201"]
    assert [each["resource"]["id"] for each in found["resource"]["entry"]] == [logical_id]
    assert written["resource"]["subject"]["reference"] == f"Patient/{logical_id}"
    assert patient["response"]["location"] == f"{client.base_url}Patient/{logical_id}/_history/1"
    assert patient["response"]["etag"] == 'W/"1"'
    assert answer.json()["type"] == "transaction-response"


def test_a_batch_patches_by_parameters_or_a_binary(client: httpx.Client) -> None:
    client.put("Patient/b30", json=a_patient("b30"))
    parts = [
        {"name": "type", "valueCode": "add"},
        {"name": "path", "valueString": "Patient"},
        {"name": "name", "valueString": "active"},
        {"name": "value", "valueBoolean": True},
    ]
    parameters: dict[str, Any] = {
        "resourceType": "Parameters",
        "parameter": [{"name": "operation", "part": parts}],
    }
    binary: dict[str, Any] = {
        "resourceType": "Binary",
        "contentType": "application/json-patch+json",
        "data": "W10=",
    }
    wrong: list[dict[str, Any]] = [
        binary | {"contentType": "text/plain"},
        binary | {"data": "W"},
        a_patient("b30"),
    ]

    answer = post(
        client,
        "batch",
        *(an_entry("PATCH", "Patient/b30", each) for each in (parameters, binary, *wrong)),
    )

    assert statuses(answer) == ["200", "200", "415", "400", "400"]
    assert client.get("Patient/b30").json()["active"] is True


def test_an_entry_may_name_this_server_in_full(client: httpx.Client) -> None:
    client.put("Patient/b40", json=a_patient("b40"))

    answer = post(client, "batch", an_entry("GET", f"{client.base_url}Patient/b40"))

    assert statuses(answer) == ["200"]


def test_what_is_preferred_holds_for_each_entry(client: httpx.Client) -> None:
    entry = an_entry("PUT", "Patient/b50", a_patient("b50"))

    minimal = post(client, "batch", entry, prefer="return=minimal").json()["entry"][0]
    outcome = post(client, "transaction", entry, prefer="return=OperationOutcome").json()["entry"][
        0
    ]

    assert "resource" not in minimal
    assert minimal["response"]["location"].endswith("Patient/b50/_history/1")
    assert outcome["response"]["outcome"]["resourceType"] == "OperationOutcome"


def test_an_empty_batch_has_an_empty_answer(client: httpx.Client) -> None:
    answer = post(client, "batch")

    assert answer.status_code == 200
    assert "entry" not in answer.json()
