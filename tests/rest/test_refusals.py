"""What is refused, and how: each time with a status and an OperationOutcome that says why."""

from __future__ import annotations

from typing import Any, NamedTuple

import httpx2 as httpx
import pytest

from fhir_server.conformance.definitions import definitions_in
from fhir_server.conformance.validation import Validator
from fhir_server.settings import definitions_folder

VALIDATOR = Validator(definitions_in(definitions_folder()))
JSON = {"content-type": "application/fhir+json"}
XML = {"content-type": "application/fhir+xml"}
JSON_PATCH = {"content-type": "application/json-patch+json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
PATIENT = b'{"resourceType":"Patient"}'
BATCH = b'{"resourceType":"Bundle","type":"batch","entry":%b}'


class Refused(NamedTuple):
    """A request, and the status and issue code of its refusal."""

    method: str
    path: str
    status: int
    code: str
    body: bytes = b""
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed


REFUSALS = [
    # Addresses
    Refused("GET", "Patient/nobody", 404, "not-found"),
    Refused("GET", "Patient/nobody/_history", 404, "not-found"),
    Refused("GET", "Patient/nobody/_history/1", 404, "not-found"),
    Refused("GET", "Patient/known/_history/99", 404, "not-found"),
    Refused("GET", "Patient/known/_history/0", 404, "not-found"),
    Refused("GET", "Patient/known/_history/x", 404, "not-found"),
    Refused("GET", "Patient/known/_history/-1", 404, "not-found"),
    Refused("GET", "Patient/known/_history/" + "9" * 40, 404, "not-found"),
    Refused("GET", "Patient/deleted", 410, "deleted"),
    Refused("HEAD", "Patient/nobody", 404, ""),
    Refused("GET", "Patien", 404, "not-found"),
    Refused("GET", "patient/known", 404, "not-found"),
    Refused("GET", "Resource/known", 404, "not-found"),
    Refused("GET", "HumanName", 404, "not-found"),
    Refused("GET", "Patient/a_b", 400, "invalid"),
    Refused("GET", "Patient/" + "x" * 65, 400, "invalid"),
    Refused("GET", "Patient/%00", 400, "invalid"),
    Refused("GET", "Patient/%FF", 400, "invalid"),
    Refused("PUT", "Patient/a%20b", 400, "invalid", PATIENT, JSON),
    Refused("GET", "Patient/known/Observatio", 404, "not-found"),
    Refused("GET", "Patient/known/Location", 400, "invalid"),
    Refused("GET", "Patient/known/*?_type=Location", 400, "invalid"),
    Refused("GET", "Patient/known/*?code=x", 400, "invalid"),
    Refused("GET", "Location/known/Observation", 400, "invalid"),
    Refused("GET", "Patient/a_b/Observation", 400, "invalid"),
    Refused("GET", "Patient/known/Observation?_cursor=abc", 400, "invalid"),
    Refused("DELETE", "Patient/known/Observation", 405, "not-supported"),
    Refused("POST", "Patient/known/Observation/_search", 415, "not-supported", b"{}", JSON),
    Refused("GET", "Patient/nobody/$everything", 404, "not-found"),
    Refused("GET", "Patient/deleted/$everything", 410, "deleted"),
    Refused("GET", "Patient/a_b/$everything", 400, "invalid"),
    Refused("GET", "Patient/known/$everything?_type=Shoe", 400, "invalid"),
    Refused("GET", "Patient/known/$everything?nmae=x", 400, "invalid"),
    Refused("GET", "Observation/$lastn", 400, "invalid"),
    Refused("GET", "Observation/$lastn?patient=known&max=0", 400, "invalid"),
    Refused("GET", "Observation/$lastn?patient=known&nmae=x", 400, "invalid"),
    Refused("GET", "Observation/$lastn?patient=known&_sort=date", 400, "invalid"),
    Refused("GET", "Patient/known/$evrything", 404, "not-supported"),
    Refused("GET", "Patient/$everything", 400, "not-supported"),
    Refused("PUT", "Patient/known/$everything", 405, "not-supported", PATIENT, JSON),
    Refused("POST", "Patient/known/$everything", 400, "invalid", PATIENT, JSON),
    Refused("POST", "Patient/known/$everything", 400, "structure", b"{", JSON),
    Refused("POST", "Patient/known/$everything", 415, "not-supported", b"{}", FORM),
    Refused("POST", "$export", 404, "not-supported"),
    Refused("GET", ".well-known/smart-configuration", 404, "not-supported"),
    Refused("GET", "Patient/known/_history/1/2", 404, "not-supported"),
    # Methods
    Refused("DELETE", "metadata", 405, "not-supported"),
    Refused("PUT", "", 405, "not-supported", PATIENT, JSON),
    Refused("DELETE", "", 405, "not-supported"),
    Refused("POST", "Patient/known", 405, "not-supported", PATIENT, JSON),
    Refused("PUT", "Patient/known/_history/1", 405, "not-supported", PATIENT, JSON),
    Refused("POST", "Patient/_history", 405, "not-supported", PATIENT, JSON),
    Refused("TRACE", "Patient", 405, "not-supported"),
    Refused("PROPFIND", "Patient/known", 405, "not-supported"),
    # Formats
    Refused("GET", "Patient/known", 406, "not-supported", headers={"accept": "text/turtle"}),
    Refused("GET", "Patient/known?_format=ttl", 406, "not-supported"),
    Refused("GET", "Patient", 406, "not-supported", headers={"accept": "image/png"}),
    Refused(
        "GET", "metadata", 406, "not-supported",
        headers={"accept": "application/fhir+json;fhirVersion=5.0"},
    ),
    Refused("POST", "Patient", 415, "not-supported", PATIENT),
    Refused("POST", "Patient", 415, "not-supported", PATIENT, {"content-type": "text/plain"}),
    Refused(
        "POST", "Patient", 415, "not-supported", PATIENT,
        {"content-type": "application/fhir+json; charset=latin1"},
    ),
    Refused("POST", "Patient", 415, "not-supported", PATIENT, JSON | {"content-encoding": "gzip"}),
    Refused("POST", "Patient/_search", 415, "not-supported", b'{"name":"a"}', JSON),
    Refused(
        "PATCH", "Patient/known", 415, "not-supported", b"[]", {"content-type": "application/json"}
    ),
    Refused("PATCH", "Patient/known", 415, "not-supported", b"[]"),
    # Bodies
    Refused("POST", "Patient", 400, "structure", b"", JSON),
    Refused("POST", "Patient", 400, "structure", b"{", JSON),
    Refused("POST", "Patient", 400, "structure", b"[]", JSON),
    Refused("POST", "Patient", 400, "structure", b"null", JSON),
    Refused("POST", "Patient", 400, "structure", b'{"a":1}', JSON),
    Refused("POST", "Patient", 400, "structure", b'{"resourceType":"Patient","id":"a","id":"b"}', JSON),
    Refused("POST", "Patient", 400, "structure", b'{"resourceType":"Patient","id":"\xff"}', JSON),
    Refused("POST", "Patient", 400, "structure", b"<Patient/>", XML),
    Refused("POST", "Patient", 400, "structure", b"<Patient xmlns='http://hl7.org/fhir'>", XML),
    Refused(
        "POST", "Patient", 400, "structure",
        b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><Patient xmlns='http://hl7.org/fhir'/>",
        XML,
    ),
    Refused("POST", "Patient", 400, "invalid", b'{"resourceType":"Observation"}', JSON),
    Refused("POST", "Observation", 422, "required", b'{"resourceType":"Observation"}', JSON),
    Refused("PUT", "Patient/known", 400, "invalid", b'{"resourceType":"Patient","id":"other"}', JSON),
    Refused("PUT", "Patient/known", 400, "invalid", PATIENT, JSON),
    Refused("PATCH", "Patient/known", 400, "structure", b"{", JSON_PATCH),
    Refused("PATCH", "Patient/known", 400, "invalid", b"{}", JSON_PATCH),
    Refused("PATCH", "Patient/known", 400, "invalid", b'[{"op":"cut"}]', JSON_PATCH),
    Refused("PATCH", "Patient/known", 400, "invalid", PATIENT, JSON),
    Refused("PATCH", "Patient/nobody", 404, "not-found", b"[]", JSON_PATCH),
    Refused("POST", "Patient", 413, "too-long", b" " * 100_001, JSON),
    Refused("POST", "", 413, "too-long", b" " * 100_001, JSON),
    Refused("POST", "Patient/_search", 413, "too-long", b"a" * 100_001, FORM),
    # Bundles
    Refused("POST", "", 400, "invalid", PATIENT, JSON),
    Refused("POST", "", 400, "invalid", b'{"resourceType":"Bundle"}', JSON),
    Refused("POST", "", 400, "invalid", b'{"resourceType":"Bundle","type":"document"}', JSON),
    Refused("POST", "", 400, "invalid", BATCH % b"{}", JSON),
    Refused("POST", "", 400, "invalid", BATCH % b"[1]", JSON),
    Refused("POST", "", 400, "invalid", BATCH % (b"[" + b"{}," * 20 + b"{}]"), JSON),
    # Preconditions
    Refused("PUT", "Patient/known", 400, "invalid", b'{"resourceType":"Patient","id":"known"}', JSON | {"if-match": "1"}),
    Refused("PUT", "Patient/known", 412, "conflict", b'{"resourceType":"Patient","id":"known"}', JSON | {"if-match": 'W/"9"'}),
    Refused("PUT", "Patient/known", 400, "not-supported", b'{"resourceType":"Patient","id":"known"}', JSON | {"if-none-match": "*"}),
    Refused("PATCH", "Patient/known", 412, "conflict", b"[]", JSON_PATCH | {"if-match": 'W/"9"'}),
    Refused("DELETE", "Patient/known", 412, "conflict", headers={"if-match": 'W/"9"'}),
    Refused("DELETE", "Patient/known", 400, "invalid", headers={"if-match": "*"}),
    Refused("POST", "Patient", 400, "invalid", PATIENT, JSON | {"if-none-exist": "nmae=x"}),
    Refused("POST", "Patient", 412, "multiple-matches", PATIENT, JSON | {"if-none-exist": "family=twin"}),
    Refused("PUT", "Patient?family=twin", 412, "multiple-matches", PATIENT, JSON),
    Refused("DELETE", "Patient?family=twin", 412, "multiple-matches"),
    Refused("PATCH", "Patient?family=twin", 412, "multiple-matches", b"[]", JSON_PATCH),
    Refused("PATCH", "Patient?family=nobody", 404, "not-found", b"[]", JSON_PATCH),
    Refused("DELETE", "Patient", 400, "invalid"),
    Refused("DELETE", "Patient?_format=json", 400, "invalid"),
    Refused("PUT", "Patient", 400, "invalid", PATIENT, JSON),
    # Queries
    Refused("GET", "Patient?nmae=x", 400, "invalid"),
    Refused("GET", "Patient?name=%", 400, "invalid"),
    Refused("GET", "Patient?name=%C3%28", 400, "invalid"),
    Refused("GET", "Patient?name=%00", 400, "invalid"),
    Refused("GET", "Patient?name=" + "a" * 20_000, 400, "invalid"),
    Refused("GET", "Patient?birthdate=tomorrow", 400, "invalid"),
    Refused("GET", "Location?near=91|0", 400, "invalid"),
    Refused("GET", "Location?near=0|0|5|miles", 400, "invalid"),
    Refused("GET", "Location?near=0|0|1e400|m", 400, "invalid"),
    Refused("GET", "Location?_sort=near", 400, "not-supported"),
    Refused("GET", "Patient?_filter=", 400, "invalid"),
    Refused("GET", "Patient?_filter=name", 400, "invalid"),
    Refused("GET", "Patient?_filter=nmae%20eq%20x", 400, "invalid"),
    Refused("GET", "Patient?_filter=gender%20gt%20male", 400, "invalid"),
    Refused("GET", "Patient?_filter=birthdate%20lt%20tomorrow", 400, "invalid"),
    Refused("GET", "Patient?_filter=gender%20in%20http://x", 400, "not-supported"),
    Refused("GET", "Patient?_filter=" + "not(" * 2_000, 400, "invalid"),
    Refused("POST", "Patient/_search", 400, "invalid", b"_filter=name+eq+%22", FORM),
    Refused("DELETE", "Patient?_filter=name%20eq", 400, "invalid"),
    Refused("GET", "Patient?_count=many", 400, "invalid"),
    Refused("GET", "Patient?_sort=shoe", 400, "invalid"),
    Refused("GET", "Patient?_cursor=abc", 400, "invalid"),
    Refused("GET", "Patient/_history?_cursor=abc", 400, "invalid"),
    Refused("GET", "Patient/_history?_since=once", 400, "invalid"),
    Refused("GET", "Patient/_history?_at=2020", 400, "not-supported"),
    Refused("GET", "Patient/known?name=x", 400, "invalid"),
    Refused("GET", "Patient/known?_elements=nmae", 400, "invalid"),
    Refused("GET", "Patient?_elements=nmae", 400, "invalid"),
    Refused("GET", "Patient?_summary=some", 400, "invalid"),
    Refused("GET", "metadata?mode=normative", 400, "not-supported"),
    Refused("POST", "Patient/_search", 400, "invalid", b"nmae=x", FORM),
    Refused("POST", "Patient/_search", 400, "invalid", b"name=\xff", FORM),
    Refused("GET", "Patient", 400, "invalid", headers={"host": "evil.example/path?"}),
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def records(base: str) -> None:
    """Store one patient, one that is deleted, and two of one name."""
    with httpx.Client(base_url=base + "/") as client:
        for name in ("known", "deleted"):
            body = {"resourceType": "Patient", "id": name}
            client.put(f"Patient/{name}", json=body).raise_for_status()
        client.delete("Patient/deleted").raise_for_status()
        for name in ("twin-1", "twin-2"):
            twin = {"resourceType": "Patient", "id": name, "name": [{"family": "Twin"}]}
            client.put(f"Patient/{name}", json=twin).raise_for_status()


@pytest.mark.parametrize(
    "case",
    REFUSALS,
    ids=[f"{n} {each.method} {each.path[:40]}" for n, each in enumerate(REFUSALS)],
)
def test_it_is_refused_with_an_outcome(client: httpx.Client, case: Refused) -> None:
    answer = client.request(case.method, case.path, content=case.body, headers=case.headers)

    assert answer.status_code == case.status, answer.text
    assert answer.headers["content-type"] == "application/fhir+json; charset=utf-8"
    if case.method != "HEAD":
        outcome = answer.json()
        assert outcome["resourceType"] == "OperationOutcome"
        assert outcome["issue"][0]["code"] == case.code, outcome
        assert outcome["issue"][0]["diagnostics"]
        assert VALIDATOR.validate(outcome) == ()


def test_a_method_that_is_not_served_is_told_which_are(client: httpx.Client) -> None:
    answer = client.request("DELETE", "metadata")

    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


def test_a_refusal_is_written_in_the_clients_format(client: httpx.Client) -> None:
    answer = client.get("Patient/nobody", headers={"accept": "application/fhir+xml"})

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/fhir+xml; charset=utf-8"
    assert b"<OperationOutcome" in answer.content


def test_a_body_without_a_length_is_cut_off_at_the_limit(client: httpx.Client) -> None:
    def chunks() -> Any:
        for _ in range(30):
            yield b" " * 10_000

    answer = client.post("Patient", content=chunks(), headers=JSON)

    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"


def test_all_issues_of_a_resource_are_told_at_once(client: httpx.Client) -> None:
    body = b'{"resourceType":"Patient","gender":"x","birthDate":"2020-13-01","shoe":1}'
    answer = client.post("Patient", content=body, headers=JSON)

    places = {each["expression"][0] for each in answer.json()["issue"]}
    assert answer.status_code == 422
    assert places >= {"Patient.gender", "Patient.birthDate", "Patient"}
