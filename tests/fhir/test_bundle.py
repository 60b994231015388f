"""Bundles are spliced: the bytes of each resource are in them as they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.conformance.definitions import Definitions
from fhir_server.fhir.bundle import (
    BundleKind,
    Entry,
    Link,
    Request,
    Response,
    SearchMode,
    bundle_bytes,
    found_entries,
)
from fhir_server.fhir.json import parse_resource
from fhir_server.fhir.resource import LOGICAL_ID
from fhir_server.fhir.xml import parse_xml, to_xml

R4 = Definitions(Path(__file__).resolve().parents[2] / "profiles" / "r4")
ADA = b'{"resourceType":"Patient","id":"ada","multipleBirthInteger":1}'
WEIGHT = b'{"resourceType":"Observation","id":"w","valueQuantity":{"value":1.00}}'
OUTCOME = b'{"resourceType":"OperationOutcome"}'
MOMENT = "2026-11-23T05:41:56.123Z"


def a_bundle(
    kind: BundleKind, *entries: Entry, total: int | None = None, links: tuple[Link, ...] = ()
) -> bytes:
    return bundle_bytes(
        kind, id="b1", last_updated=MOMENT, entries=entries, total=total, links=links
    )


def test_without_entries_links_and_total_there_are_no_such_members() -> None:
    assert parse_resource(a_bundle("searchset")) == {
        "resourceType": "Bundle",
        "id": "b1",
        "meta": {"lastUpdated": MOMENT},
        "type": "searchset",
    }


def test_a_total_of_none_found_is_written() -> None:
    assert parse_resource(a_bundle("searchset", total=0))["total"] == 0


def test_a_page_of_a_search_has_its_links_modes_and_full_urls() -> None:
    body = a_bundle(
        "searchset",
        Entry(full_url="http://h/Patient/ada", resource=ADA, mode="match"),
        Entry(full_url="http://h/Observation/w", resource=WEIGHT, mode="include"),
        Entry(resource=OUTCOME, mode="outcome"),
        total=1,
        links=(Link("self", "http://h/Patient?a=b&c=d"), Link("next", "http://h?_cursor=x")),
    )

    found = parse_resource(body)
    assert found["total"] == 1
    assert found["link"] == [
        {"relation": "self", "url": "http://h/Patient?a=b&c=d"},
        {"relation": "next", "url": "http://h?_cursor=x"},
    ]
    assert [each.get("fullUrl") for each in found["entry"]] == [
        "http://h/Patient/ada",
        "http://h/Observation/w",
        None,
    ]
    assert [each["search"] for each in found["entry"]] == [
        {"mode": "match"},
        {"mode": "include"},
        {"mode": "outcome"},
    ]


def test_the_bytes_of_a_resource_are_not_touched() -> None:
    assert WEIGHT in a_bundle("searchset", Entry(resource=WEIGHT))


def test_a_history_tells_of_each_version_how_it_came_about() -> None:
    body = a_bundle(
        "history",
        Entry(
            full_url="http://h/Patient/ada",
            request=Request("DELETE", "Patient/ada"),
            response=Response("204", etag='W/"2"', last_modified=MOMENT),
        ),
        Entry(
            full_url="http://h/Patient/ada",
            resource=ADA,
            request=Request("POST", "Patient"),
            response=Response("201", etag='W/"1"', last_modified=MOMENT),
        ),
    )

    deleted, created = parse_resource(body)["entry"]
    assert deleted == {
        "fullUrl": "http://h/Patient/ada",
        "request": {"method": "DELETE", "url": "Patient/ada"},
        "response": {"status": "204", "etag": 'W/"2"', "lastModified": MOMENT},
    }
    assert created["resource"]["id"] == "ada"
    assert created["request"] == {"method": "POST", "url": "Patient"}


@pytest.mark.parametrize("kind", ["transaction-response", "batch-response"])
def test_a_response_tells_what_came_of_each_entry(kind: BundleKind) -> None:
    location = "http://h/Patient/ada/_history/1"
    body = a_bundle(
        kind,
        Entry(
            resource=ADA,
            response=Response("201 Created", location, 'W/"1"', MOMENT, OUTCOME),
        ),
        Entry(response=Response("404", outcome=OUTCOME)),
    )

    found = parse_resource(body)
    assert found["type"] == kind
    assert found["entry"][0]["response"] == {
        "status": "201 Created",
        "location": location,
        "etag": 'W/"1"',
        "lastModified": MOMENT,
        "outcome": {"resourceType": "OperationOutcome"},
    }
    assert found["entry"][1] == {
        "response": {"status": "404", "outcome": {"resourceType": "OperationOutcome"}}
    }


TEXTS = st.text(max_size=8)
OPTIONAL = st.none() | TEXTS
BODIES = st.none() | st.sampled_from([ADA, WEIGHT, OUTCOME])
MODES: st.SearchStrategy[SearchMode | None] = st.sampled_from([None, "match", "include", "outcome"])
ENTRIES = st.builds(
    Entry,
    full_url=OPTIONAL,
    resource=BODIES,
    mode=MODES,
    request=st.none() | st.builds(Request, TEXTS, TEXTS),
    response=st.none() | st.builds(Response, TEXTS, OPTIONAL, OPTIONAL, OPTIONAL, BODIES),
)


@given(
    entries=st.lists(ENTRIES, max_size=4),
    links=st.lists(st.builds(Link, TEXTS, TEXTS), max_size=2),
    total=st.none() | st.integers(0, 10**9),
)
def test_any_text_and_any_selection_of_members_is_json_that_says_the_same(
    entries: list[Entry], links: list[Link], total: int | None
) -> None:
    body = bundle_bytes(
        "searchset", id="b1", last_updated=MOMENT, entries=entries, total=total, links=links
    )

    found: dict[str, Any] = msgspec.json.decode(body)
    assert found.get("total") == total
    assert found.get("link", []) == [{"relation": each.relation, "url": each.url} for each in links]
    assert [_flat(each) for each in found.get("entry", [])] == [_expected(each) for each in entries]


def _flat(entry: dict[str, Any]) -> list[Any]:
    response = entry.get("response") or {}
    request = entry.get("request") or {}
    return [
        entry.get("fullUrl"),
        entry.get("resource"),
        entry.get("search", {}).get("mode"),
        [request.get(name) for name in ("method", "url")],
        [response.get(name) for name in ("status", "location", "etag", "lastModified", "outcome")],
    ]


def _expected(entry: Entry) -> list[Any]:
    request, response = entry.request, entry.response
    return [
        entry.full_url,
        _decoded(entry.resource),
        entry.mode,
        [request.method, request.url] if request else [None] * 2,
        [
            response.status,
            response.location,
            response.etag,
            response.last_modified,
            _decoded(response.outcome),
        ]
        if response
        else [None] * 5,
    ]


class _Found(NamedTuple):
    type: str
    id: str
    body: bytes


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Patient", "Observation"]), st.from_regex(LOGICAL_ID, fullmatch=True)
        )
    ),
    st.sampled_from(["http://h/fhir", "https://[::1]:8000/fhir", 'http://a"b\\'])
    | st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from(["match", "include"]),
)
def test_what_a_search_found_is_written_as_any_other_entry(
    keys: list[tuple[str, str]], base_url: str, mode: SearchMode
) -> None:
    found = [_Found(kind, logical_id, ADA) for kind, logical_id in keys]
    entries = [Entry(f"{base_url}/{each.type}/{each.id}", each.body, mode) for each in found]
    outcome = Entry(resource=OUTCOME, mode="outcome")

    body = bundle_bytes(
        "searchset",
        id="b1",
        last_updated=MOMENT,
        found=found_entries(base_url, found, mode),
        entries=[outcome],
    )

    assert body == a_bundle("searchset", *entries, outcome)


def _decoded(body: bytes | None) -> Any:
    return None if body is None else msgspec.json.decode(body)


def test_a_bundle_has_an_xml_form_like_any_other_resource() -> None:
    body = a_bundle(
        "searchset", Entry(full_url="http://h/Patient/ada", resource=ADA, mode="match"), total=1
    )

    found = parse_resource(body)
    assert parse_xml(to_xml(found, R4), R4) == found
