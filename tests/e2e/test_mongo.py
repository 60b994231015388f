"""A node on MongoDB, from the command line to the answer: what it serves, and how it fails."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from tests.support import mongo
from tests.support.commands import typed
from tests.support.nodes import command, running_node


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    process, address = mongo.started()
    yield address
    mongo.ended(process)


def observation(number: int) -> dict[str, object]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
        "subject": {"reference": "Patient/ada"},
        "effectiveDateTime": f"2026-01-0{number}",
        "valueQuantity": {
            "value": 120 + number,
            "system": "http://unitsofmeasure.org",
            "code": "mm[Hg]",
        },
    }


ADA = {"resourceType": "Patient", "id": "ada", "name": [{"family": "Lovelace"}]}
SEARCHES = {
    "Observation?patient=ada&code=8480-6": 4,
    "Observation?subject.name=lovelace&_sort=-date": 4,
    "Observation?value-quantity=gt122": 2,
    "Observation?value-quantity=gt16.2|http://unitsofmeasure.org|kPa": 3,
    "Observation?date=ge2026-01-03": 2,
    "Patient?_has:Observation:patient:code=8480-6": 1,
    "Patient?_content=lovelace": 1,
    "Patient?name:missing=true": 0,
}


def test_what_a_node_on_mongodb_is_given_it_finds_pages_keeps_and_versions(server: str) -> None:
    with (
        running_node(f"{server}/one") as node,
        httpx2.Client(base_url=node.url) as client,
    ):
        created = client.put("/Patient/ada", json=ADA)
        for number in range(1, 5):
            assert client.post("/Observation", json=observation(number)).status_code == 201
        found = {each: client.get(f"/{each}&_total=accurate").json()["total"] for each in SEARCHES}
        first = client.get("/Observation?patient=ada&code=8480-6&_count=3").json()
        following = next(each["url"] for each in first["link"] if each["relation"] == "next")
        second = client.get(following).json()
        lost = client.put("/Patient/ada", json=ADA, headers={"If-Match": 'W/"7"'})
        client.put("/Patient/ada", json={**ADA, "active": True})
        deleted = client.delete("/Patient/ada")
        history = client.get("/Patient/ada/_history").json()
        gone = client.get("/Patient/ada")

    assert created.status_code == 201
    assert found == SEARCHES
    assert [len(each["entry"]) for each in (first, second)] == [3, 1]
    assert lost.status_code == 412
    assert deleted.status_code in {200, 204}
    assert len(history["entry"]) == 3
    assert gone.status_code == 410


def test_what_one_process_wrote_another_serves(server: str) -> None:
    with running_node(f"{server}/two") as one, running_node(f"{server}/two") as other:
        httpx2.put(f"{one.url}/Patient/ada", json=ADA)

        assert httpx2.get(f"{other.url}/Patient/ada").json()["name"] == ADA["name"]


def test_a_transaction_is_written_whole_or_not_at_all(server: str) -> None:
    def entry(name: str, match: str) -> dict[str, object]:
        request = {"method": "PUT", "url": f"Patient/{name}", "ifMatch": match}
        return {"resource": {"resourceType": "Patient", "id": name}, "request": request}

    bundle = {"resourceType": "Bundle", "type": "transaction"}
    with running_node(f"{server}/three") as node:
        base = node.url
        httpx2.put(f"{base}/Patient/a", json={**ADA, "id": "a"})
        wrong = httpx2.post(
            base, json={**bundle, "entry": [entry("a", 'W/"1"'), entry("b", 'W/"9"')]}
        )
        after = httpx2.get(f"{base}/Patient/a").headers["etag"]

    assert wrong.status_code == 412
    assert after == 'W/"1"'


@pytest.fixture(scope="module")
def standalone() -> Iterator[str]:
    process, address = mongo.started("--standalone")
    yield address
    mongo.ended(process)


SINGLE = ("--store-options", "single-writes")


def test_a_node_on_a_standalone_writes_one_resource_at_a_time_and_says_so(standalone: str) -> None:
    entry = {"resource": ADA, "request": {"method": "PUT", "url": "Patient/ada"}}
    bundle = {"resourceType": "Bundle", "entry": [entry]}
    provenance = {"X-Provenance": '{"resourceType":"Provenance"}'}
    url = f"{standalone}/one"
    with running_node(url, *SINGLE) as node, httpx2.Client(base_url=node.url) as client:
        transaction = client.post("", json={**bundle, "type": "transaction"})
        sent_along = client.put("/Patient/ada", json=ADA, headers=provenance)
        before = client.get("/Patient/ada")
        batch = client.post("", json={**bundle, "type": "batch"}).json()
        match = {"If-None-Exist": "name=lovelace"}
        twice = client.post("/Patient", json=ADA, headers=match)
        told = client.get("/metadata").json()["rest"][0]
        ready = client.get(f"{node.origin}/health/ready").text
    checked = typed("check", "--store", url, *SINGLE)
    refused = typed("check", "--store", url)

    assert transaction.status_code == 400
    assert "no transactions" in transaction.json()["issue"][0]["diagnostics"]
    assert sent_along.status_code == 400
    assert before.status_code == 404
    assert batch["entry"][0]["response"]["status"].startswith("201")
    assert twice.status_code == 200
    assert [each["code"] for each in told["interaction"]] == [
        "batch",
        "search-system",
        "history-system",
    ]
    assert "no transactions" in told["documentation"]
    assert ready == "ready: single writes, no transactions"
    assert (checked.returncode, checked.stdout) == (
        0,
        "1 resources checked, deletions included: no problem\n",
    )
    assert refused.returncode == 1
    assert "--replSet rs0" in refused.stderr
    assert "--store-options single-writes" in refused.stderr


def test_a_node_whose_server_is_lost_says_so_and_when_to_try_again() -> None:
    process, address = mongo.started()
    with running_node(f"{address}/four") as node:
        httpx2.put(f"{node.url}/Patient/ada", json=ADA)
        mongo.ended(process)

        answer = httpx2.get(f"{node.url}/Patient/ada")
        ready = httpx2.get(f"{node.origin}/health/ready")

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert answer.json()["issue"][0]["code"] == "transient"
    assert ready.status_code == 503


def test_a_node_that_finds_no_server_ends_with_one_line_and_no_password() -> None:
    url = f"mongodb://user:secret@127.0.0.1:{mongo.free_port()}/x"

    ended = command("serve", "--port", "0", "--store", url, "--store-wait-seconds", "0")

    assert ended.returncode == 1
    assert "MongoDB cannot be reached: 127.0.0.1:" in ended.stderr
    assert "secret" not in ended.stderr
