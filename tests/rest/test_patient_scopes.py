"""An app with `patient/` scopes: Ada's compartment through every door, and nothing of Bob's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from tests.rest.access import Guarded, guarded

LOINC = "http://loinc.org"
HIDDEN = [
    "Patient/bob",
    "Patient/bob/_history",
    "Patient/bob/_history/1",
    "Patient/bob/$everything",
    "Observation/bobs",
    "Observation/bobs/_history/1",
    "Observation/moved",
    "Observation/moved/_history/1",
    "Observation/gone-bobs",
    "Practitioner/doc",
    "Basic/nobodys",
]
"""What is Bob's, was Ada's once, or is nobody's."""

SEARCHES = {
    "Patient": {"ada"},
    "Patient?_id=bob": set(),
    "Patient?family=Menabrea": set(),
    "Patient?_has:Observation:patient:code=8867-4": {"ada"},
    "Patient?_has:Observation:patient:_id=bobs": set(),
    "Patient?_revinclude=Observation:subject": {"ada", "adas", "both"},
    "Patient?_revinclude=Encounter:*&_revinclude:iterate=Observation:encounter": {
        "ada",
        "adas",
        "encounter",
    },
    "Observation": {"adas", "both"},
    "Observation?subject=Patient/bob": set(),
    "Observation?subject:Patient.family=Menabrea": set(),
    "Observation?subject:Patient.family=Lovelace": {"adas", "both"},
    "Observation?performer:Practitioner.family=Who": set(),
    "Observation?subject:Patient.family:missing=false": {"adas", "both"},
    "Observation?_include=Observation:subject": {"adas", "both", "ada"},
    "Observation?_include=*": {"adas", "both", "ada", "encounter"},
    "Observation?_include=Observation:performer": {"adas", "both"},
    "Observation?_sort=subject&_total=accurate": {"adas", "both"},
    "Observation?code:not=x": {"adas", "both"},
    "Patient/bob/Observation": set(),
    "Patient/ada/Observation": {"adas", "both"},
    "Patient/ada/*?_count=1000": {"adas", "both", "encounter", "ada"},
    "Practitioner": set(),
    "?_type=Patient,Observation,Practitioner": {"ada", "adas", "both"},
    "Patient/ada/$everything": {"ada", "adas", "both", "encounter"},
    "Observation/$lastn?patient=ada&max=9": {"adas", "both"},
    "Observation/$lastn?patient=bob&max=9": set(),
    "Observation/_history": {"adas", "both", "gone"},
    "_history?_count=1000": {"ada", "adas", "both", "encounter", "gone"},
}


def an_observation(name: str, subject: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "8867-4"}]},
        "subject": {"reference": subject},
        **more,
    }


RESOURCES: list[dict[str, Any]] = [
    {"resourceType": "Practitioner", "id": "doc", "name": [{"family": "Who"}]},
    {"resourceType": "Patient", "id": "ada", "name": [{"family": "Lovelace"}]},
    {"resourceType": "Patient", "id": "bob", "name": [{"family": "Menabrea"}]},
    {
        "resourceType": "Encounter",
        "id": "encounter",
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": "Patient/ada"},
    },
    an_observation("adas", "Patient/ada", encounter={"reference": "Encounter/encounter"}),
    an_observation("bobs", "Patient/bob", performer=[{"reference": "Practitioner/doc"}]),
    an_observation("both", "Patient/ada", performer=[{"reference": "Practitioner/doc"}]),
    an_observation("moved", "Patient/ada"),
    an_observation("moved", "Patient/bob"),
    an_observation("gone", "Patient/ada"),
    an_observation("gone-bobs", "Patient/bob"),
    {"resourceType": "Basic", "id": "nobodys", "code": {"text": "x"}},
]


def fill(client: httpx.Client) -> None:
    for each in RESOURCES:
        client.put(f"{each['resourceType']}/{each['id']}", json=each).raise_for_status()
    for name in ("gone", "gone-bobs"):
        client.delete(f"Observation/{name}").raise_for_status()


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Return a server with two patients, whom nobody changes for good."""
    with guarded(tmp_path_factory.mktemp("patients") / "fhir.db") as server:
        with server.client() as client:
            fill(client)
        yield server


@pytest.fixture(scope="module")
def ada(there: Guarded) -> Iterator[httpx.Client]:
    """Return the client of an app that Ada started."""
    with there.client("patient/*.cruds", patient="ada") as client:
        yield client


def names(bundle: dict[str, Any]) -> set[str]:
    """Return the ids of what a Bundle is about, from its addresses; but for who looked, which grows with each test."""
    urls = (each["fullUrl"] for each in bundle.get("entry", ()) if "fullUrl" in each)
    return {each.rpartition("/")[2] for each in urls if "/AuditEvent/" not in each}


def told(response: httpx.Response) -> tuple[int, str, dict[str, str]]:
    """Return all that an answer tells, but for when and to which request."""
    kept = {k: v for k, v in response.headers.items() if k not in {"date", "x-request-id"}}
    return response.status_code, response.text, kept


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("path", HIDDEN)
def test_what_is_hidden_answers_as_what_never_was(
    ada: httpx.Client, path: str, method: str
) -> None:
    parts = path.split("/")
    if method == "DELETE" and len(parts) > 2:
        parts = parts[:2]
    nothing = "/".join([parts[0], "x" * len(parts[1]), *parts[2:]])

    hidden, absent = ada.request(method, "/".join(parts)), ada.request(method, nothing)

    assert hidden.status_code == (404 if method == "GET" else 204)
    status, text, headers = told(absent)
    assert told(hidden) == (status, text.replace("x" * len(parts[1]), parts[1]), headers)


@pytest.mark.parametrize("body", [{}, {"active": True}])
@pytest.mark.parametrize("header", [{}, {"if-match": 'W/"1"'}, {"if-match": 'W/"7"'}])
@pytest.mark.parametrize("name", ["bobs", "moved", "gone-bobs", "nothing"])
def test_a_write_at_a_hidden_address_answers_as_at_one_that_never_was(
    ada: httpx.Client, name: str, header: dict[str, str], body: dict[str, Any]
) -> None:
    resource = an_observation(name, "Patient/ada", **({"valueInteger": 1} if body else {}))
    patch = [{"op": "replace", "path": "/status", "value": "amended"}]
    kind = {"content-type": "application/json-patch+json"}

    put = ada.put(f"Observation/{name}", json=resource, headers=header)
    patched = ada.patch(f"Observation/{name}", json=patch, headers=header | kind)
    deleted = ada.delete(f"Observation/{name}", headers=header)

    assert put.status_code == (412 if header else 405)
    assert patched.status_code == 404
    assert deleted.status_code == (412 if header else 204)


@pytest.mark.parametrize("query", SEARCHES)
def test_a_search_finds_what_is_of_the_patient(ada: httpx.Client, query: str) -> None:
    bundle = ada.get(query).raise_for_status().json()

    assert names(bundle) == SEARCHES[query]


@pytest.mark.parametrize("query", [each for each in SEARCHES if "$" not in each])
def test_a_count_counts_what_is_of_the_patient(ada: httpx.Client, query: str) -> None:
    if "_history" in query:
        return
    path, _, rest = query.partition("?")
    pairs = [each for each in rest.split("&") if each and not each.startswith(("_incl", "_revi"))]
    everything = ada.get(f"{path}?{'&'.join(pairs)}").json()
    matches = [each for each in everything.get("entry", ()) if each["search"]["mode"] == "match"]

    counted = ada.get(f"{path}?{'&'.join([*pairs, '_summary=count'])}").json()

    assert counted["total"] == len(matches) == everything["total"]


def test_entries_of_a_batch_are_let_in_one_by_one(there: Guarded, ada: httpx.Client) -> None:
    urls = ["Patient/ada", "Patient/bob", "Observation?subject=Patient/bob", "Observation/bobs"]
    batch = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [{"request": {"method": "GET", "url": each}} for each in urls],
    }

    entries = ada.post("", json=batch).raise_for_status().json()["entry"]
    with there.client("patient/Patient.r", patient="ada") as reader:
        of_reader = reader.post("", json=batch).raise_for_status().json()["entry"]

    assert [each["response"]["status"][:3] for each in entries] == ["200", "404", "200", "404"]
    assert entries[2]["resource"]["total"] == 0
    assert [each["response"]["status"][:3] for each in of_reader] == ["200", "404", "403", "403"]


@pytest.mark.parametrize(
    "url",
    ["Observation/bobs", "Observation?_id=bobs", "Patient/ada/Observation", "Patient/ada/_history"],
)
def test_a_transaction_with_a_read_that_is_not_permitted_writes_nothing(
    there: Guarded, url: str
) -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "resource": {"resourceType": "Basic", "code": {"text": "one more"}},
                "request": {"method": "POST", "url": "Basic"},
            },
            {"request": {"method": "GET", "url": url}},
        ],
    }

    with there.client("user/Basic.crs") as client:
        before = client.get("Basic?_summary=count").json()["total"]
        answer = client.post("", json=bundle)
        after = client.get("Basic?_summary=count").json()["total"]

    assert answer.status_code == 403
    assert "Bundle.entry[1]" in answer.json()["issue"][0]["expression"][0]
    assert "insufficient_scope" in answer.headers["www-authenticate"]
    assert before == after


def test_conditions_are_about_what_may_be_seen(tmp_path: Path) -> None:
    with guarded(tmp_path / "fhir.db") as there, there.client() as client:
        fill(client)
        with there.client("patient/*.cruds", patient="ada") as ada:
            check_conditions(ada)


def check_conditions(ada: httpx.Client) -> None:
    mine = an_observation("", "Patient/ada")
    del mine["id"]
    patch = [{"op": "replace", "path": "/status", "value": "amended"}]
    kind = {"content-type": "application/json-patch+json"}

    created = ada.post("Observation", json=mine, headers={"if-none-exist": "_id=bobs"})
    updated = ada.put("Observation?_id=bobs", json=mine | {"id": "bobs"})
    patched = ada.patch("Observation?_id=bobs", json=patch, headers=kind)
    deleted = ada.delete("Observation?_id=bobs")

    assert created.status_code == 201
    assert (updated.status_code, patched.status_code, deleted.status_code) == (405, 404, 204)


def test_nothing_is_written_outside_the_compartment(ada: httpx.Client) -> None:
    foreign = an_observation("", "Patient/bob")
    del foreign["id"]

    assert ada.post("Observation", json=foreign).status_code == 403
    assert ada.put("Observation/adas", json=foreign | {"id": "adas"}).status_code == 403
    assert ada.post("Patient", json={"resourceType": "Patient"}).status_code == 403
    assert ada.post("Practitioner", json={"resourceType": "Practitioner"}).status_code == 403
    assert "www-authenticate" not in ada.post("Observation", json=foreign).headers


def test_without_a_patient_in_context_patient_scopes_open_nothing(there: Guarded) -> None:
    with there.client("patient/*.cruds") as client:
        assert client.get("Patient/ada").status_code == 403
        assert client.get("Patient").status_code == 403


def test_user_scopes_reach_what_patient_scopes_of_other_types_do_not(there: Guarded) -> None:
    scopes = "patient/Observation.rs user/Practitioner.rs"
    with there.client(scopes, patient="ada") as client:
        found = client.get("Observation?_include=Observation:performer").json()
        system = client.get("").json()

        assert names(found) == {"adas", "both", "doc"}
        assert names(system) == {"adas", "both", "doc"}
        assert client.get("Practitioner/doc").status_code == 200
        assert client.get("Observation/bobs").status_code == 404
        assert client.get("Patient/ada").status_code == 403


def test_a_page_link_is_good_for_the_caller_to_whom_it_was_given(
    there: Guarded, ada: httpx.Client
) -> None:
    link = next(
        each["url"]
        for each in ada.get("Observation?_count=1").json()["link"]
        if each["relation"] == "next"
    )
    others = [
        {"scope": "patient/*.rs", "patient": "bob"},
        {"scope": "patient/*.rs", "patient": "ada", "sub": "someone-else"},
        {"scope": "patient/*.rs", "patient": "ada", "client_id": "another-app"},
        {"scope": "system/*.rs"},
    ]

    assert names(ada.get(link).json()) == {"adas"}
    for each in others:
        with there.client(**each) as other:
            answer = other.get(link)
            assert answer.status_code == 400
            assert "_cursor" in answer.text
    with there.client("patient/Observation.s", patient="ada") as again:
        assert names(again.get(link).json()) == {"adas"}
