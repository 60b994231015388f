"""What operators see tells nothing of who is treated for what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.support.nodes import Node, running_node

NHS_NUMBER = "9990000018"
FAMILY = "Zwicknagl"
LOGICAL_ID = "very-private-id"
CODE = "86406008"
SECRETS = (NHS_NUMBER, FAMILY, LOGICAL_ID, CODE, "1984-02-03", "identifier=", "_cursor")
JSON = {"Content-Type": "application/fhir+json"}
PATIENT = {
    "resourceType": "Patient",
    "id": LOGICAL_ID,
    "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": NHS_NUMBER}],
    "name": [{"family": FAMILY}],
    "birthDate": "1984-02-03",
}


@pytest.fixture(scope="module", params=["1", "2"], ids=["one-process", "two-processes"])
def node(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Node]:
    """Serve with the most talkative log, after a session of reads, writes and mistakes."""
    store = tmp_path_factory.mktemp("telemetry") / "node.db"
    with running_node(store, "--log-level", "debug", "--workers", request.param) as running:
        with httpx2.Client(base_url=running.url) as client:
            write_and_read(client)
            make_mistakes(client)
        yield running


def write_and_read(client: httpx2.Client) -> None:
    address, by_number = f"/Patient/{LOGICAL_ID}", {"identifier": NHS_NUMBER}
    condition = {
        "resourceType": "Condition",
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": CODE}]},
        "subject": {"reference": f"Patient/{LOGICAL_ID}"},
    }
    accepted = [
        client.put(address, json=PATIENT, headers=JSON),
        client.get(address),
        client.get("/Patient", params=by_number),
        client.get("/Patient", params={"family": FAMILY, "birthdate": "1984-02-03"}),
        client.post("/Patient/_search", data=by_number),
        client.post("/Condition", json=condition, headers=JSON),
        client.get("/Condition", params={"subject": address[1:], "code": CODE, "_count": "1"}),
        client.post("/Patient", json=PATIENT, headers=JSON | {"If-None-Exist": f"family={FAMILY}"}),
        client.put("/Patient", params=by_number, json=PATIENT | {"active": True}, headers=JSON),
        client.get(f"{address}/_history", params={"_count": "1"}),
        client.get(f"{address}/_history/1"),
    ]
    assert {each.status_code for each in accepted} == {200, 201}


def make_mistakes(client: httpx2.Client) -> None:
    broken = f'{{"resourceType":"Patient","name":"{FAMILY}","id":"{NHS_NUMBER}"'
    patch = [{"op": "test", "path": "/name/0/family", "value": f"not {FAMILY}"}]
    json_patch = {"Content-Type": "application/json-patch+json"}
    refused = [
        client.get(f"/Patient/{NHS_NUMBER}"),
        client.get(f"/Patient/{FAMILY}_{LOGICAL_ID}"),
        client.get(f"/{FAMILY}/{LOGICAL_ID}"),
        client.get("/Patient", params={FAMILY: NHS_NUMBER}),
        client.get("/Patient", params={"birthdate": FAMILY}),
        client.get("/Patient", params={"_cursor": NHS_NUMBER}),
        client.get(f"/Patient/{LOGICAL_ID}/{FAMILY}"),
        client.post("/Patient", content=broken, headers=JSON),
        client.post("/Patient", json=PATIENT | {FAMILY: NHS_NUMBER}, headers=JSON),
        client.patch(f"/Patient/{LOGICAL_ID}", json=patch, headers=json_patch),
        client.post("", json={"resourceType": "Bundle", "type": FAMILY}, headers=JSON),
        client.request(FAMILY.upper(), f"/Patient/{LOGICAL_ID}"),
        client.get(f"/Patient/{LOGICAL_ID}", headers={"Accept": FAMILY}),
    ]
    assert {each.status_code // 100 for each in refused} == {4}


def test_the_log_has_no_names_numbers_ids_or_queries(node: Node) -> None:
    log = node.log()

    assert len(node.events()) >= 20
    assert [secret for secret in SECRETS if secret.casefold() in log.casefold()] == []


def test_the_metrics_have_no_names_numbers_or_ids(node: Node) -> None:
    metrics = httpx2.get(f"{node.origin}/metrics").text

    assert 'method="GET",route="/[type]/[id]"' in metrics
    assert [secret for secret in SECRETS if secret.casefold() in metrics.casefold()] == []


def test_the_files_beside_the_store_have_no_log(node: Node) -> None:
    """What is written to disk is the store and its journal, nothing else."""
    names = {each.name for each in Path(node.store.removeprefix("sqlite:")).parent.iterdir()}

    assert {name.removesuffix("-wal").removesuffix("-shm") for name in names} == {"node.db"}
