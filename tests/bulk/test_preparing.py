"""Bytes become drafts, or a report of what is wrong with them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fhir_server.bulk.preparing import (
    Preparation,
    Prepared,
    Rejected,
    Result,
    Transaction,
    preparation,
    prepare_items,
)
from tests.support.data import ROOT

PATIENT = {"resourceType": "Patient", "id": "ada", "active": True}
INVALID = {"resourceType": "Patient", "id": "bob", "gender": "alien"}


@pytest.fixture(scope="module")
def made_with() -> Preparation:
    return preparation(ROOT / "profiles" / "r4", "http://localhost/fhir")


@pytest.fixture(scope="module")
def keeping() -> Preparation:
    return preparation(ROOT / "profiles" / "r4", "http://localhost/fhir", keep_invalid=True)


def prepare(made_with: Preparation, *bodies: Any) -> list[Result]:
    items = [
        (line, body if isinstance(body, bytes) else json.dumps(body).encode())
        for line, body in enumerate(bodies, 1)
    ]
    return prepare_items(made_with, items)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"{", None),
        ({"resourceType": "Nothing", "id": "x"}, "resourceType"),
        ({"resourceType": "Patient", "id": "a b"}, "id"),
        ({"resourceType": "Patient", "id": 7}, "id"),
        (INVALID, "Patient.gender"),
    ],
)
def test_what_cannot_be_loaded_is_reported_with_line_and_place(
    made_with: Preparation, body: Any, place: str | None
) -> None:
    first, second = prepare(made_with, PATIENT, body)

    assert isinstance(first, Prepared)
    assert isinstance(second, Rejected)
    assert second.line == 2
    assert not second.kept
    (issue, *_) = json.loads(second.outcome)["issue"]
    assert issue.get("expression") in ([place], None) if place is None else [[place]]


def test_what_is_refused_at_any_step_stands_where_its_line_does(made_with: Preparation) -> None:
    unaddressed, misnamed = {**PATIENT, "id": "a b"}, {**PATIENT, "resourceType": "Nothing"}
    of_the_month = {"resourceType": "Bundle", "type": "transaction", "entry": []}
    bodies = [PATIENT, b"{", PATIENT, INVALID, of_the_month, PATIENT, unaddressed, misnamed] * 20

    found = prepare(made_with, *bodies)

    assert [each.line for each in found] == [*range(1, len(bodies) + 1)]
    kinds = [Prepared, Rejected, Prepared, Rejected, Transaction, Prepared, Rejected, Rejected]
    assert [*map(type, found)] == kinds * 20


def test_the_invalid_is_loaded_as_it_is_when_that_is_asked_for(keeping: Preparation) -> None:
    draft, report = prepare(keeping, INVALID)

    assert isinstance(draft, Prepared)
    assert b'"gender":"alien"' in draft.rest
    assert isinstance(report, Rejected)
    assert report.kept


def test_a_draft_travels_whole(made_with: Preparation) -> None:
    (found,) = prepare(made_with, PATIENT)

    assert isinstance(found, Prepared)
    assert str(found.draft.key) == "Patient/ada"
    assert found.draft.rest == b'"active":true'
    assert found.draft.record.compartments == ("ada",)


def test_the_same_content_without_an_id_gets_the_same_id(made_with: Preparation) -> None:
    nameless = {"resourceType": "Patient", "active": True}

    first, second, other = prepare(made_with, nameless, nameless, {**nameless, "active": False})

    assert isinstance(first, Prepared)
    assert isinstance(second, Prepared)
    assert isinstance(other, Prepared)
    assert first.id == second.id != other.id


@pytest.mark.parametrize("kind", ["batch", "collection", "searchset", "history"])
def test_a_bundle_of_records_is_unpacked(made_with: Preparation, kind: str) -> None:
    entries = [{"resource": PATIENT}, {"resource": INVALID}, {"request": {"method": "DELETE"}}]
    bundle = {"resourceType": "Bundle", "type": kind, "entry": entries}

    found, report = prepare(made_with, bundle)

    assert isinstance(found, Prepared)
    assert isinstance(report, Rejected)
    assert json.loads(report.outcome)["issue"][0]["expression"] == ["Bundle.entry[1].resource"]


def test_a_transaction_stays_whole_and_a_document_is_a_resource(made_with: Preparation) -> None:
    transaction = {"resourceType": "Bundle", "type": "transaction", "entry": []}
    document = {"resourceType": "Bundle", "id": "d", "type": "document"}

    first, second = prepare(made_with, transaction, document)

    assert isinstance(first, Transaction)
    assert isinstance(second, Prepared)
    assert second.type == "Bundle"
