"""Binary: raw content and the resource around it."""

from __future__ import annotations

from base64 import b64encode

import httpx2 as httpx
import pytest

PICTURE = bytes(range(256))
FHIR = {"accept": "application/fhir+json"}


def test_raw_content_without_a_type_is_refused(client: httpx.Client) -> None:
    answer = client.put("Binary/y1", content=PICTURE)

    assert answer.status_code == 400
    assert "Content-Type" in answer.json()["issue"][0]["diagnostics"]


def test_raw_content_becomes_a_binary(client: httpx.Client) -> None:
    headers = {"content-type": "image/png", "x-security-context": "Patient/ada"}
    posted = client.post("Binary", content=PICTURE, headers=headers)

    body = client.get(f"Binary/{posted.json()['id']}", headers=FHIR).json()
    assert posted.status_code == 201
    assert body["contentType"] == "image/png"
    assert body["data"] == b64encode(PICTURE).decode()
    assert body["securityContext"] == {"reference": "Patient/ada"}


@pytest.mark.parametrize("accept", ["*/*", "image/png", "text/html,*/*;q=0.1", ""])
def test_content_is_sent_as_it_is_and_harmless(client: httpx.Client, accept: str) -> None:
    client.put("Binary/y2", content=PICTURE, headers={"content-type": "image/png"})

    answer = client.get("Binary/y2", headers={"accept": accept})

    assert answer.content == PICTURE
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["etag"]


def test_a_resource_in_fhir_is_read_as_a_resource(client: httpx.Client) -> None:
    body = {"resourceType": "Binary", "id": "y3", "contentType": "text/plain", "data": "aGk="}
    client.put("Binary/y3", json=body, headers={"content-type": "application/fhir+json"})

    assert client.get("Binary/y3").content == b"hi"
    assert client.get("Binary/y3?_format=json").json()["data"] == "aGk="
    assert b"<Binary" in client.get("Binary/y3", headers={"accept": "application/fhir+xml"}).content


def test_in_a_batch_a_binary_is_a_resource(client: httpx.Client) -> None:
    client.put("Binary/y4", content=b"hi", headers={"content-type": "text/plain"})
    entry = {"request": {"method": "GET", "url": "Binary/y4"}}

    answer = client.post("", json={"resourceType": "Bundle", "type": "batch", "entry": [entry]})

    assert answer.json()["entry"][0]["resource"]["data"] == "aGk="
