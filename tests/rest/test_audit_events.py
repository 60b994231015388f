"""What was recorded can be read and searched as AuditEvents, by whom it is for, and is written by nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pytest

from fhir_server.wiring import clock
from tests.rest.access import Guarded, guarded
from tests.storage.conftest import open_sqlite

CODE = {"text": "weight"}


def an_observation(patient: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"weight-{patient}",
        "status": "final",
        "code": CODE,
        "subject": {"reference": f"Patient/{patient}"},
    }


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Return a server with two patients, whose records others have looked at."""
    folder = tmp_path_factory.mktemp("events")

    async def load_register() -> None:
        async with open_sqlite(folder) as store:
            await store.replace_opt_outs((), as_of=clock())

    asyncio.run(load_register())
    with guarded(folder / "store.db") as server:
        with server.client() as client:
            for each in ("ada", "bob"):
                client.put(f"Patient/{each}", json={"resourceType": "Patient", "id": each})
                client.put(f"Observation/weight-{each}", json=an_observation(each))
        doctor = {"sub": "dr-jones", "organisation": "RR8", "role": "R8000", "purpose": "TREAT"}
        with server.client("user/*.rs", **doctor) as client:
            client.get("Observation/weight-ada").raise_for_status()
            client.get("Observation?patient=Patient/ada&_sort=date").raise_for_status()
            client.get("Observation?_count=7&code:text=weight").raise_for_status()
            assert client.get("Observation/nothing").status_code == 404
        yield server


@pytest.fixture
def officer(there: Guarded) -> Iterator[httpx.Client]:
    scope = "user/*.rs user/AuditEvent.cruds"
    with there.client(scope, sub="officer", role="R0001", purpose="HCOMPL") as client:
        yield client


def events(client: httpx.Client, query: str) -> list[dict[str, Any]]:
    answer = client.get(f"AuditEvent?{query}")
    assert answer.status_code == 200, answer.text
    found = [each["resource"] for each in answer.json().get("entry", ())]
    return [each for each in found if each["resourceType"] == "AuditEvent"]


def texts(found: list[dict[str, Any]]) -> str:
    return "\n".join(each["text"]["div"] for each in found)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "AuditEvent"),
        ("PUT", "AuditEvent/mine"),
        ("PUT", "AuditEvent?_id=mine"),
        ("DELETE", "AuditEvent/mine"),
        ("DELETE", "AuditEvent?_id=mine"),
        ("PATCH", "AuditEvent/mine"),
    ],
)
def test_no_client_writes_them(officer: httpx.Client, method: str, path: str) -> None:
    (some, *_) = events(officer, "patient=Patient/ada")
    body: Any = some | {"id": "mine"}
    headers = {"content-type": "application/fhir+json"}
    if method == "PATCH":
        body, headers = [], {"content-type": "application/json-patch+json"}

    answer = officer.request(method, path, json=body, headers=headers)

    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
    assert "made by this server alone" in answer.json()["issue"][0]["diagnostics"]


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_no_entry_of_a_bundle_writes_them(officer: httpx.Client, kind: str) -> None:
    entry = {"request": {"method": "DELETE", "url": "AuditEvent/mine"}}
    bundle = {"resourceType": "Bundle", "type": kind, "entry": [entry]}

    answer = officer.post("", json=bundle)

    assert "405" in answer.text if kind == "batch" else answer.status_code == 405


@pytest.mark.parametrize("purpose", ["HRESCH", "HOPERAT"])
def test_they_are_for_no_purpose_beyond_care(there: Guarded, purpose: str) -> None:
    with there.client("user/*.rs", purpose=purpose) as client:
        named = [client.get(each) for each in ("AuditEvent?patient=ada", "AuditEvent/_history")]
        within = client.get("Patient?_has:AuditEvent:patient:action=R&_summary=count")
        beside = client.get("Patient?_id=ada&_revinclude=AuditEvent:patient")

    assert {each.status_code for each in named} == {403}
    assert within.json().get("total", 0) == 0
    shown = [each["resource"]["resourceType"] for each in beside.json().get("entry", ())]
    assert "AuditEvent" not in shown


def test_a_patient_sees_who_looked_and_nothing_of_others(there: Guarded) -> None:
    with there.client("patient/*.rs", patient="ada") as client:
        found = events(client, "patient=Patient/ada&_count=500")
        assert events(client, "patient=Patient/bob") == []
        assert {each["id"] for each in events(client, "_count=500")} >= {
            each["id"] for each in found
        }

    assert "dr-jones (role R8000) of RR8 read the Observation weight-ada for direct care on" in (
        texts(found)
    )
    assert "bob" not in str(found)
    assert "code:text" not in texts(found)


def test_a_search_that_asks_for_several_is_told_without_its_query(
    there: Guarded, officer: httpx.Client
) -> None:
    found = events(officer, "subtype=search-type&agent-name=dr-jones")

    queries = [
        [entity["query"] for entity in each["entity"] if "query" in entity] for each in found
    ]
    profiles = [each.get("meta", {}).get("profile", [""])[0].rpartition(".")[2] for each in found]
    assert sorted(zip(profiles, map(len, queries), strict=True)) == [
        ("", 0),
        ("", 0),
        ("PatientQuery", 1),
        ("Query", 1),
    ]


def test_queries_that_may_name_anyone_are_for_those_who_were_cleared(
    there: Guarded, officer: httpx.Client
) -> None:
    queries = {each["id"] for each in events(officer, "_security=R&_count=500")}

    with there.client("system/*.rs") as service:
        refused = service.get("AuditEvent?_count=500")
    with there.client("patient/*.rs", patient="ada") as patient:
        seen = {each["id"] for each in events(patient, "_count=500")}

    # What a service may not see at all, such as a sensitive record, an AuditEvent would name.
    assert refused.status_code == 403
    assert queries
    assert seen
    assert queries.isdisjoint(seen)


def test_what_was_done_last_is_found_at_once(there: Guarded, officer: httpx.Client) -> None:
    with there.client("user/*.rs", sub="dr-late") as client:
        client.get("Patient/bob", headers={"x-request-id": "late-1"})

    (found,) = events(officer, "agent-name=dr-late")

    named = [each["what"] for each in found["entity"]]
    assert named[0] == named[1] == {"reference": "Patient/bob"}
    assert {"identifier": {"value": "late-1"}} in named
    assert found["meta"]["profile"] == [
        "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PatientRead"
    ]
    assert found["agent"][0]["policy"] == ["https://example.org/fdp/rule/default:direct-care"]


def test_a_consent_that_permits_is_named_with_its_rule(
    there: Guarded, officer: httpx.Client
) -> None:
    code = "https://fhir.nhs.uk/Id/ods-organization-code"
    consent = {
        "resourceType": "Consent",
        "id": "research-ada",
        "status": "active",
        "scope": {"coding": [{"code": "research"}]},
        "category": [{"coding": [{"code": "research"}]}],
        "patient": {"reference": "Patient/ada"},
        "policy": [{"uri": "https://example.org/fdp/policy/research"}],
        "provision": {
            "type": "permit",
            "purpose": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
                    "code": "TREAT",
                }
            ],
            "actor": [
                {
                    "role": {"text": "care"},
                    "reference": {"identifier": {"system": code, "value": "RXX"}},
                }
            ],
        },
    }
    with there.client() as client:
        client.put("Consent/research-ada", json=consent).raise_for_status()
    with there.client("user/*.rs", sub="dr-kind", organisation="RXX", purpose="TREAT") as client:
        client.get("Observation/weight-ada").raise_for_status()

    (found,) = events(officer, "agent-name=dr-kind")

    assert found["agent"][0]["policy"] == ["https://example.org/fdp/rule/consent:permit"]
    assert {"reference": "Consent/research-ada"} in [each["what"] for each in found["entity"]]
    (by_rule,) = events(officer, "policy=https://example.org/fdp/rule/consent:permit")
    assert by_rule["id"] == found["id"]


def test_a_refused_read_is_nobodys(there: Guarded, officer: httpx.Client) -> None:
    (found,) = events(officer, "outcome=4&agent-name=dr-jones")

    assert [each for each in found["entity"] if each["type"]["code"] == "1"] == []
    with there.client("patient/*.rs", patient="ada") as client:
        assert found["id"] not in {each["id"] for each in events(client, "_count=500")}


def test_they_page_without_gaps_while_they_grow(officer: httpx.Client) -> None:
    seen: list[str] = []
    url = "AuditEvent?patient=Patient/ada&_count=2"
    while url:
        page = officer.get(url).json()
        seen += [each["resource"]["id"] for each in page.get("entry", ())]
        url = next((each["url"] for each in page["link"] if each["relation"] == "next"), "")

    assert len(seen) == len(set(seen))
    assert len(seen) > 4


def test_everything_of_a_patient_leaves_them_out_unless_they_are_named(there: Guarded) -> None:
    def types(query: str) -> set[str]:
        with there.client(role="integration") as client:
            bundle = client.get(f"Patient/ada/$everything{query}").json()
        return {each["resource"]["resourceType"] for each in bundle["entry"]}

    assert types("") >= {"Patient", "Observation"}
    assert "AuditEvent" not in types("")
    assert types("?_type=AuditEvent") == {"AuditEvent"}


def test_the_capability_statement_promises_no_writing(officer: httpx.Client) -> None:
    (rest,) = officer.get("metadata").json()["rest"]
    told = {each["type"]: {one["code"] for one in each["interaction"]} for each in rest["resource"]}

    assert told["AuditEvent"].isdisjoint({"create", "update", "patch", "delete"})
    assert "create" in told["Patient"]
