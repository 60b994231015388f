"""The header X-Provenance: written with the change that it tells of, or nothing is written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pytest

from tests.rest.access import Guarded, guarded

WHY: dict[str, Any] = {
    "resourceType": "Provenance",
    "recorded": "2026-11-23T10:00:00Z",
    "agent": [{"who": {"display": "Dr Jones"}}],
}
PATIENT = {"resourceType": "Patient", "active": True}


def header(provenance: Any = WHY) -> dict[str, str]:
    text = provenance if isinstance(provenance, str) else json.dumps(provenance)
    return {"x-provenance": text}


def about(client: httpx.Client, target: str) -> list[dict[str, Any]]:
    found = client.get(f"Provenance?target={target}").json()
    return [each["resource"] for each in found.get("entry", ())]


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("no JSON", "X-Provenance"),
        ("[]", "a resource is a JSON object"),
        (PATIENT, "this is a Patient, no Provenance"),
        (WHY | {"target": [{"reference": "Patient/1"}]}, "leave it out"),
        (WHY | {"recorded": "yesterday"}, "Provenance.recorded"),
        ({"resourceType": "Provenance", "recorded": "2026-11-23T10:00:00Z"}, "agent"),
        (WHY | {"colour": "red"}, "colour"),
    ],
)
def test_with_a_wrong_one_nothing_is_written(client: httpx.Client, sent: Any, told: str) -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "resource": PATIENT | {"id": "unwritten"},
                "request": {"method": "PUT", "url": "Patient/unwritten"},
            }
        ],
    }

    one = client.put("Patient/unwritten", json=PATIENT | {"id": "unwritten"}, headers=header(sent))
    many = client.post("", json=bundle, headers=header(sent))

    for answer in (one, many):
        assert answer.status_code == 400
        assert told in answer.json()["issue"][0]["diagnostics"]
    assert client.get("Patient/unwritten").status_code == 404


def test_a_batch_takes_none(client: httpx.Client) -> None:
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": []}

    answer = client.post("", json=bundle, headers=header())

    assert answer.status_code == 400


def test_with_a_write_that_is_refused_none_is_written(client: httpx.Client) -> None:
    client.put("Patient/kept", json=PATIENT | {"id": "kept"})

    answer = client.put(
        "Patient/kept",
        json=PATIENT | {"id": "kept", "active": False},
        headers=header() | {"if-match": 'W/"7"'},
    )

    assert answer.status_code == 412
    assert about(client, "Patient/kept") == []


def test_a_conditional_create_that_finds_its_match_writes_none(client: httpx.Client) -> None:
    named = PATIENT | {"identifier": [{"system": "urn:test", "value": "provenance-1"}]}
    made = client.post("Patient", json=named)
    criteria = {"if-none-exist": "identifier=urn:test|provenance-1"}

    client.post("Patient", json=named, headers=header() | criteria).raise_for_status()

    assert about(client, "/".join(made.headers["location"].split("/")[-4:-2])) == []


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded(tmp_path_factory.mktemp("provenance") / "fhir.db", audit="strict") as server:
        yield server


def test_who_may_not_create_one_writes_nothing(there: Guarded) -> None:
    with there.client("system/Patient.cruds") as client:
        answer = client.put("Patient/none", json=PATIENT | {"id": "none"}, headers=header())
        found = client.get("Patient/none")

    assert answer.status_code == 403
    assert found.status_code == 404


def test_who_may_create_one_needs_no_other_right_for_it(there: Guarded) -> None:
    with there.client("system/Patient.u system/Provenance.c") as client:
        answer = client.put("Patient/ada", json=PATIENT | {"id": "ada"}, headers=header())

    assert answer.status_code == 201


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_each_write_takes_one_and_its_target_is_what_was_written(
    client: httpx.Client, method: str
) -> None:
    name = f"provenance-{method.lower()}"
    path, body, kind = f"Patient/{name}", PATIENT | {"id": name}, "application/fhir+json"
    if method in {"PATCH", "DELETE"}:
        client.put(path, json=body)
    if method == "PATCH":
        change = [{"op": "replace", "path": "/active", "value": False}]
        body, kind = change, "application/json-patch+json"  # type: ignore[assignment]

    answer = client.request(
        method,
        "Patient" if method == "POST" else path,
        json=body,
        headers=header() | {"content-type": kind},
    )

    if method == "POST":
        path = "/".join(answer.headers["location"].split("/")[-4:-2])
    (found,) = about(client, path)
    assert found["target"] == [{"reference": path}]
    assert {name: found[name] for name in WHY} == WHY


def test_of_a_transaction_all_that_is_written_is_the_target(client: httpx.Client) -> None:
    entries = [
        {
            "resource": PATIENT | {"id": f"entry-{number}"},
            "request": {"method": "PUT", "url": f"Patient/entry-{number}"},
        }
        for number in range(3)
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}

    answer = client.post("", json=bundle, headers=header())

    assert len(answer.json()["entry"]) == 3
    (found,) = about(client, "Patient/entry-1")
    assert sorted(each["reference"] for each in found["target"]) == [
        f"Patient/entry-{number}" for number in range(3)
    ]


def test_a_read_passes_it_over(client: httpx.Client) -> None:
    assert client.get("metadata", headers=header("no JSON")).status_code == 200
