"""[type]/[id] over HTTP."""

from __future__ import annotations

import gzip
from email.utils import parsedate_to_datetime

import httpx2 as httpx
import pytest

PATCH = "application/json-patch+json"
JSON_OPERATIONS = b'[{"op":"replace","path":"/name/0/family","value":"King"}]'
PARAMETERS = b"""{"resourceType": "Parameters", "parameter": [{"name": "operation", "part": [
    {"name": "type", "valueCode": "replace"},
    {"name": "path", "valueString": "Patient.name[0].family"},
    {"name": "value", "valueString": "King"}
]}]}"""
PARAMETERS_IN_XML = b"""<Parameters xmlns="http://hl7.org/fhir"><parameter>
    <name value="operation"/>
    <part><name value="type"/><valueCode value="replace"/></part>
    <part><name value="path"/><valueString value="Patient.name[0].family"/></part>
    <part><name value="value"/><valueString value="King"/></part>
</parameter></Parameters>"""


def put(
    client: httpx.Client, logical_id: str, family: str = "Lovelace", **headers: str
) -> httpx.Response:
    body = {"resourceType": "Patient", "id": logical_id, "name": [{"family": family}]}
    return client.put(f"Patient/{logical_id}", json=body, headers=headers)


def test_an_update_creates_then_changes_then_keeps(client: httpx.Client) -> None:
    first, second, third = put(client, "i1"), put(client, "i1", "King"), put(client, "i1", "King")

    assert [first.status_code, second.status_code, third.status_code] == [201, 200, 200]
    assert [each.headers["etag"] for each in (first, second, third)] == ['W/"1"', 'W/"2"', 'W/"2"']
    assert second.headers["location"] == f"{client.base_url}Patient/i1/_history/2"
    assert second.json()["meta"]["versionId"] == "2"


def test_a_read_tells_its_version_and_moment(client: httpx.Client) -> None:
    put(client, "i2")

    answer = client.get("Patient/i2")

    assert answer.status_code == 200
    assert answer.headers["etag"] == 'W/"1"'
    assert answer.headers["content-type"] == "application/fhir+json; charset=utf-8"
    moment = parsedate_to_datetime(answer.headers["last-modified"])
    assert answer.json()["meta"]["lastUpdated"][:10] == moment.date().isoformat()
    assert answer.json()["name"] == [{"family": "Lovelace"}]


def test_a_head_is_a_get_without_its_body(client: httpx.Client) -> None:
    put(client, "i3")

    head, get = client.head("Patient/i3"), client.get("Patient/i3")

    assert head.content == b""
    volatile = {"x-request-id", "date"}
    assert {k: v for k, v in head.headers.items() if k not in volatile} == {
        k: v for k, v in get.headers.items() if k not in volatile
    }


def test_a_version_that_the_client_has_is_not_sent_again(client: httpx.Client) -> None:
    put(client, "i4")

    answer = client.get("Patient/i4", headers={"if-none-match": 'W/"1"'})

    assert answer.status_code == 304
    assert answer.content == b""
    assert answer.headers["etag"] == 'W/"1"'


def test_an_old_version_is_read_by_its_number(client: httpx.Client) -> None:
    put(client, "i5")
    put(client, "i5", "King")

    assert client.get("Patient/i5/_history/1").json()["name"] == [{"family": "Lovelace"}]
    assert client.get("Patient/i5/_history/2").json()["name"] == [{"family": "King"}]


def test_a_deletion_leaves_its_history(client: httpx.Client) -> None:
    put(client, "i6")

    deleted, again = client.delete("Patient/i6"), client.delete("Patient/i6")
    history = client.get("Patient/i6/_history").json()

    assert (deleted.status_code, again.status_code) == (204, 204)
    assert deleted.headers["etag"] == 'W/"2"'
    assert client.get("Patient/i6").status_code == 410
    assert client.get("Patient/i6/_history/2").status_code == 410
    assert [each["request"]["method"] for each in history["entry"]] == ["DELETE", "PUT"]
    assert "resource" not in history["entry"][0]
    assert [each["response"]["status"] for each in history["entry"]] == [
        "204 No Content",
        "201 Created",
    ]


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        (PATCH, JSON_OPERATIONS),
        ("application/fhir+json", PARAMETERS),
        ("application/fhir+xml", PARAMETERS_IN_XML),
    ],
    ids=["json-patch", "fhirpath-json", "fhirpath-xml"],
)
def test_a_patch_changes_what_it_names(client: httpx.Client, media_type: str, body: bytes) -> None:
    client.delete("Patient/i7")
    version = put(client, "i7").json()["meta"]["versionId"]
    headers = {"content-type": media_type, "if-match": f'W/"{version}"'}

    answer = client.patch("Patient/i7", content=body, headers=headers)

    assert answer.status_code == 200, answer.text
    assert answer.json()["name"] == [{"family": "King"}]
    assert answer.headers["etag"] == f'W/"{int(version) + 1}"'


@pytest.mark.parametrize(
    ("prefer", "kind"),
    [
        ("return=minimal", None),
        ("return=representation", "Patient"),
        ("return=OperationOutcome", "OperationOutcome"),
    ],
)
def test_a_write_returns_what_is_preferred(
    client: httpx.Client, prefer: str, kind: str | None
) -> None:
    answer = put(client, "i8", prefer=prefer)

    assert answer.headers["etag"]
    assert (answer.json()["resourceType"] if answer.content else None) == kind


def test_a_resource_is_read_and_written_in_xml(client: httpx.Client) -> None:
    body = b'<Patient xmlns="http://hl7.org/fhir"><id value="i9"/><active value="true"/></Patient>'
    headers = {"content-type": "application/fhir+xml", "accept": "application/fhir+xml"}

    written = client.put("Patient/i9", content=body, headers=headers)

    assert written.status_code == 201
    assert written.headers["content-type"] == "application/fhir+xml; charset=utf-8"
    assert b'<active value="true"/>' in written.content
    assert client.get("Patient/i9").json()["active"] is True


def test_pretty_json_has_a_member_a_line(client: httpx.Client) -> None:
    put(client, "i10")

    assert '\n  "id": "i10"' in client.get("Patient/i10?_pretty=true").text


def test_chosen_elements_are_marked_as_a_part(client: httpx.Client) -> None:
    put(client, "i11")

    body = client.get("Patient/i11?_elements=active").json()

    assert "name" not in body
    assert body["meta"]["tag"][0]["code"] == "SUBSETTED"


def test_a_large_answer_is_packed_and_a_small_one_is_not(client: httpx.Client) -> None:
    put(client, "i12")
    put(client, "i13", "L" * 3000)
    headers = {"accept-encoding": "gzip"}

    small, large = (client.get(f"Patient/{each}", headers=headers) for each in ("i12", "i13"))
    plain = client.get("Patient/i13", headers={"accept-encoding": "identity"})

    assert "content-encoding" not in small.headers
    assert large.headers["content-encoding"] == "gzip"
    assert large.content == plain.content
    assert "content-encoding" not in plain.headers
    assert int(large.headers["content-length"]) < len(gzip.compress(plain.content)) * 3


def test_the_digits_of_a_decimal_are_kept(client: httpx.Client) -> None:
    body = (
        b'{"resourceType":"Observation","id":"i14","status":"final","code":{"text":"x"},'
        b'"valueQuantity":{"value":1.00}}'
    )
    client.put("Observation/i14", content=body, headers={"content-type": "application/fhir+json"})

    assert '"value":1.00' in client.get("Observation/i14").text
    assert 'value="1.00"' in client.get("Observation/i14?_format=xml").text


def test_a_request_keeps_its_name(client: httpx.Client) -> None:
    named = client.get("Patient/i1", headers={"x-request-id": "abc-1"})
    odd = client.get("Patient/i1", headers={"x-request-id": "a b\tc"})

    assert named.headers["x-request-id"] == "abc-1"
    assert odd.headers["x-request-id"] not in {"", "a b\tc"}


def test_options_tell_the_methods(client: httpx.Client) -> None:
    answer = client.options("Patient/1")

    assert answer.status_code == 204
    assert answer.headers["allow"] == "DELETE, GET, HEAD, PATCH, PUT, OPTIONS"


def test_a_deletion_can_be_told_as_an_outcome(client: httpx.Client) -> None:
    put(client, "i15")
    headers = {"prefer": "return=OperationOutcome"}

    deleted = client.delete("Patient/i15", headers=headers)
    nothing = client.delete("Patient/i16", headers=headers)

    assert "is deleted" in deleted.json()["issue"][0]["diagnostics"]
    assert "nothing to delete" in nothing.json()["issue"][0]["diagnostics"]
