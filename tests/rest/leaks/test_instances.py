"""What an address tells of what stands there, or stood there."""

from __future__ import annotations

import httpx2 as httpx
import pytest

from fhir_server.demonstration.identifiers import nhs_number
from tests.rest.access import Guarded
from tests.rest.leaks.conftest import names, told

HIDDEN = [
    "Patient/bob",
    "Observation/bobs",
    "Observation/withdrawn",
    "Observation/deleted",
    "MedicationRequest/bobs",
    "Group/both",
    "Binary/bobs",
    "Consent/bobs",
]


@pytest.mark.parametrize("place", HIDDEN)
@pytest.mark.parametrize(
    "rest", ["", "/_history", "/_history/1", "/_history/2", "?_elements=id", "?_summary=count"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_is_hidden_answers_as_what_never_was(
    clerk: httpx.Client, place: str, rest: str, method: str
) -> None:
    """Deleted ones, and past versions from a time when they could be seen, among them."""
    kind, _, name = place.partition("/")
    nothing = f"{kind}/{'x' * len(name)}"

    hidden, absent = clerk.request(method, place + rest), clerk.request(method, nothing + rest)

    assert hidden.status_code == 404
    status, text, headers = told(absent)
    assert told(hidden) == (status, text.replace("x" * len(name), name), headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"if-none-match": 'W/"1"'},
        {"if-none-match": "*"},
        {"if-modified-since": "Wed, 21 Oct 2099 07:28:00 GMT"},
        {"accept": "application/fhir+xml"},
        {"accept": "text/plain"},
    ],
)
def test_no_header_makes_a_difference(clerk: httpx.Client, headers: dict[str, str]) -> None:
    hidden = clerk.get("Binary/bobs", headers=headers)
    absent = clerk.get("Binary/xxxx", headers=headers)

    assert (hidden.status_code, hidden.text) == (404, absent.text.replace("xxxx", "bobs"))


def test_a_version_that_was_of_a_hidden_person_is_left_out(clerk: httpx.Client) -> None:
    assert clerk.get("Observation/moved").status_code == 200
    assert clerk.get("Observation/moved/_history/1").status_code == 404
    history = clerk.get("Observation/moved/_history").json()
    assert [each["response"]["etag"] for each in history["entry"]] == ['W/"2"']


@pytest.mark.parametrize(
    "place", ["_history", "Observation/_history", "Patient/_history", "Consent/_history"]
)
def test_no_history_names_what_is_hidden(clerk: httpx.Client, place: str) -> None:
    found = clerk.get(f"{place}?_count=1000").raise_for_status()

    assert not {"bob", "bobs", "withdrawn", "deleted", "both"} & set(names(found.json()))
    assert "Menabrea" not in found.text


def test_entries_of_bundles_are_asked_one_by_one(clerk: httpx.Client) -> None:
    urls = ["Observation/bobs", "Observation/xxxx", "Observation?_id=bobs", "Patient/bob/_history"]
    for kind in ("batch", "transaction"):
        entries = [{"request": {"method": "GET", "url": each}} for each in urls]
        bundle = {"resourceType": "Bundle", "type": kind, "entry": entries}
        found = clerk.post("", json=bundle).raise_for_status().json()["entry"]

        assert [each["response"]["status"][:3] for each in found] == ["404", "404", "200", "404"]
        assert found[2]["resource"]["total"] == 0
        assert str(found[0]).replace("bobs", "xxxx") == str(found[1])


def test_a_letter_of_nobody_is_for_care_alone(ward: Guarded) -> None:
    """Its type is in no compartment, and it may tell of anybody."""
    with ward.client(purpose="TREAT") as carer, ward.client(purpose="PUBHLTH") as other:
        assert carer.get("Binary/nobodys").status_code == 200
        assert other.get("Binary/nobodys").status_code == 404
        assert other.get("Binary?_summary=count").json()["total"] == 1


def test_refusals_tell_nothing_that_is_stored(clerk: httpx.Client) -> None:
    answers = [
        clerk.get("Patient/bob"),
        clerk.get("Patient/bob/_history/99"),
        clerk.get("Patient?identifier:wrong=x"),
        clerk.get("Observation?_cursor=x"),
        clerk.put("Patient/bob", json={"resourceType": "Patient", "id": "bob"}),
    ]

    assert all(400 <= each.status_code < 500 for each in answers)
    assert not [each for each in answers if "Menabrea" in each.text or nhs_number(2) in each.text]
