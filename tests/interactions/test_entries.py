"""Tests of how the entries of a transaction are read."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.fhir.errors import (
    BadRequest,
    FhirError,
    InvalidResource,
    NotFound,
    NotSupported,
    PreconditionFailed,
    TooCostly,
)
from fhir_server.fhir.resource import Key, Resource
from fhir_server.interactions.call import Call
from fhir_server.interactions.criteria import Criteria
from fhir_server.interactions.entries import (
    Creation,
    Modification,
    ReadEntry,
    Removal,
    Replacement,
    read_entries,
)
from fhir_server.interactions.patch import FhirPathPatch, JsonPatch
from tests.interactions.builders import (
    ADA,
    BASE_URL,
    a_json_patch,
    a_patient,
    a_transaction,
    an_entry,
)

BINARY: Resource = {"resourceType": "Binary", "contentType": "application/json-patch+json"}
PARAMETERS: Resource = {"resourceType": "Parameters"}
ADA_SENT = a_patient(resource_id="ada")


@pytest.mark.parametrize(
    "bundle",
    [
        {"resourceType": "Bundle", "type": "batch"},
        {"resourceType": "Bundle"},
        {"resourceType": "Patient", "type": "transaction"},
        {},
    ],
)
async def test_what_is_no_transaction_is_refused(call: Call, bundle: Resource) -> None:
    with pytest.raises(BadRequest, match="a transaction is a Bundle"):
        read_entries(call, bundle)


@pytest.mark.parametrize(
    "entry",
    [
        "none",
        {},
        [],
        ["POST"],
        [{"request": "POST Patient"}],
        [{"request": {"method": "POST"}}],
        [{"request": {"url": "Patient"}}],
        [{"request": {"method": "FETCH", "url": "Patient"}}],
        [{"request": {"method": "POST", "url": 7}}],
        [{"request": {"method": "POST", "url": "Patient", "ifMatch": 1}}],
        [{"request": {"method": "POST", "url": "Patient"}, "fullUrl": {}}],
        [{"request": {"method": "POST", "url": "Patient"}, "resources": {}}],
    ],
)
async def test_a_bundle_of_another_shape_is_refused(call: Call, entry: Any) -> None:
    with pytest.raises(InvalidResource) as refused:
        read_entries(call, {"resourceType": "Bundle", "type": "transaction", "entry": entry})

    *errors, last = refused.value.issues
    assert errors
    assert all(str(each.expression).startswith("Bundle") for each in errors)
    assert "Nothing was written" in last.diagnostics


@pytest.mark.parametrize(
    ("entry", "error", "says"),
    [
        ({"resource": ADA_SENT}, BadRequest, "needs a request"),
        (an_entry("POST", "Patient"), BadRequest, "POST needs a resource"),
        (an_entry("PUT", "Patient/ada"), BadRequest, "PUT needs a resource"),
        ({**an_entry("POST", "Patient"), "resource": []}, BadRequest, "POST needs a resource"),
        (an_entry("POST", "Patients", ADA_SENT), NotFound, "did you mean Patient"),
        (an_entry("POST", "Patient/ada", ADA_SENT), NotSupported, "its url is a resource type"),
        (an_entry("POST", "Patient/$match", PARAMETERS), NotSupported, "is not served"),
        (an_entry("POST", "Patient/_search", PARAMETERS), NotSupported, "is not served"),
        (an_entry("POST", "/", ADA_SENT), NotSupported, "is not served"),
        (an_entry("PUT", "Patient", ADA_SENT), BadRequest, "`Type/id` or `Type"),
        (an_entry("PUT", "Patient/ada/_history/1", ADA_SENT), BadRequest, "`Type/id`"),
        (an_entry("PUT", "Patient/ada?active=true", ADA_SENT), BadRequest, "`Type/id`"),
        (an_entry("DELETE", "Patient"), BadRequest, "`Type/id`"),
        (an_entry("DELETE", "Patient/$purge"), BadRequest, "`Type/id`"),
        (an_entry("DELETE", "Patients/ada"), NotFound, "did you mean Patient"),
        (an_entry("DELETE", "Patient/a_b"), BadRequest, "cannot be an id"),
        (an_entry("DELETE", "Patient?"), BadRequest, "criteria"),
        (an_entry("DELETE", "Patient?nonsense=1"), BadRequest, "nonsense"),
        (an_entry("PUT", f"{BASE_URL}x/Patient/1", ADA_SENT), BadRequest, "no.* address"),
        (an_entry("PUT", "https://elsewhere.org/Patient/1", ADA_SENT), BadRequest, "no.* address"),
        (an_entry("PUT", "Patient/grace", ADA_SENT), BadRequest, "needs the same id"),
        (an_entry("PUT", "Patient/ada", ADA_SENT, ifMatch="3"), BadRequest, "ifMatch='3'"),
        (an_entry("PUT", "Patient/ada", ADA_SENT, ifMatch='W/"x"'), BadRequest, "no version"),
        (an_entry("PUT", "Patient/ada", ADA_SENT, ifMatch='W/"0"'), PreconditionFailed, "first"),
        (an_entry("PUT", "Patient/ada", ADA_SENT, ifNoneMatch="*"), NotSupported, "ifNoneMatch"),
        (an_entry("DELETE", "Patient/ada", ifNoneExist="active=true"), NotSupported, "not served"),
        (an_entry("POST", "Patient", ADA_SENT, ifMatch='W/"1"'), NotSupported, "ifMatch"),
        (an_entry("POST", "Patient", ADA_SENT, ifNoneExist="nonsense=1"), BadRequest, "nonsense"),
        (an_entry("PATCH", "Patient/ada", ADA_SENT), BadRequest, "PATCH takes a Parameters"),
        (an_entry("PATCH", "Patient/ada", {"resourceType": "Binary"}), BadRequest, "contentType"),
        (an_entry("PATCH", "Patient/ada", {**BINARY, "data": "?"}), BadRequest, "base64"),
        (an_entry("PATCH", "Patient/ada", {**BINARY, "data": 7}), BadRequest, "base64"),
        (an_entry("PATCH", "Patient/ada", {**BINARY, "data": "e30tLQ=="}), BadRequest, "JSON"),
        (an_entry("PATCH", "Patient/ada", BINARY), BadRequest, "empty"),
    ],
)
async def test_an_entry_that_cannot_be_done_is_refused_with_its_place(
    call: Call, entry: Resource, error: type[FhirError], says: str
) -> None:
    bundle = a_transaction(an_entry("GET", "Patient/ada"), entry)

    with pytest.raises(error, match=says) as refused:
        read_entries(call, bundle)

    assert str(refused.value.expression).startswith("Bundle.entry[1]")
    assert "nothing was written" in str(refused.value)


async def test_two_entries_with_one_full_url_are_refused(call: Call) -> None:
    entry = an_entry("POST", "Patient", a_patient(), full_url="urn:uuid:1")

    with pytest.raises(BadRequest, match="that of entry 0 as well"):
        read_entries(call, a_transaction(entry, entry))


async def test_too_many_entries_are_refused(call: Call) -> None:
    bundle = a_transaction(*[an_entry("GET", "Patient/ada")] * 3)

    with pytest.raises(TooCostly, match="has 2 entries at most"):
        read_entries(call, bundle, most=2)


async def test_an_empty_transaction_has_no_entries(call: Call) -> None:
    assert read_entries(call, {"resourceType": "Bundle", "type": "transaction"}) == ()


async def test_each_method_is_read(call: Call) -> None:
    criteria = "identifier=http://example.org|1"
    bundle = a_transaction(
        an_entry("GET", f"{BASE_URL}/Patient?name=ada"),
        an_entry("HEAD", "/Patient/ada"),
        an_entry("DELETE", f"Patient?{criteria}"),
        an_entry("DELETE", "Patient/ada", ifMatch='W/"3"'),
        an_entry("POST", "Patient", a_patient(), ifNoneExist=criteria, full_url="urn:uuid:1"),
        an_entry("PUT", f"{BASE_URL}/Patient/ada", ADA_SENT, ifMatch='"3"'),
        an_entry("PATCH", "Patient/ada", PARAMETERS),
        an_entry("PATCH", "Patient/ada", a_json_patch([])),
    )

    get, head, matching, delete, post, put, parameters, binary = read_entries(call, bundle)

    assert get == ReadEntry(0, "GET", "Patient?name=ada")
    assert head == ReadEntry(1, "HEAD", "Patient/ada")
    assert isinstance(matching, Removal)
    assert isinstance(matching.where, Criteria)
    assert str(matching.where) == f"Patient?{criteria}"
    assert delete == Removal(3, ADA, if_match=3)
    assert isinstance(post, Creation)
    assert (post.key, post.full_url, str(post.criteria)) == (
        Key("Patient", "new-1"),
        "urn:uuid:1",
        f"Patient?{criteria}",
    )
    assert isinstance(put, Replacement)
    assert (put.where, put.if_match) == (ADA, 3)
    assert isinstance(parameters, Modification)
    assert parameters.change == FhirPathPatch(PARAMETERS)
    assert isinstance(binary, Modification)
    assert binary.change == JsonPatch([])
