"""Consents in time, within each other, and against each other: what is denied fails closed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fhir_server.demonstration.identifiers import nhs_number
from fhir_server.policy.personal import NHS_NUMBER
from tests.rest.access import Guarded, guarded
from tests.rest.leaks.conftest import (
    ACT_REASON,
    ADMINISTRATION,
    LABELS,
    a_consent,
    a_patient,
    an_observation,
)

NUMBER = {"system": NHS_NUMBER, "value": nhs_number(1)}
FUTURE = {"start": "2999-01-01"}
PAST = {"end": "2000-01-01"}
RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
PERMIT = {"type": "permit", "purpose": [{"system": ACT_REASON, "code": ADMINISTRATION}]}
OBSERVATIONS = {"class": [{"system": RESOURCE_TYPES, "code": "Observation"}]}

CASES: list[tuple[str, list[dict[str, Any]], bool]] = [
    ("one that has begun", [a_consent("c0", "ada", period={"start": "2000-01-01"})], False),
    ("one that is over", [a_consent("c0", "ada", period=PAST)], True),
    ("one that has yet to begin", [a_consent("c0", "ada", period=FUTURE)], True),
    ("one that is inactive", [a_consent("c0", "ada") | {"status": "inactive"}], True),
    ("one with an exception", [a_consent("c0", "ada", provision=[PERMIT | OBSERVATIONS])], True),
    (
        "one with an exception that is over",
        [a_consent("c0", "ada", provision=[PERMIT | OBSERVATIONS | {"period": PAST}])],
        False,
    ),
    (
        "one with an exception for other things",
        [
            a_consent(
                "c0",
                "ada",
                provision=[PERMIT | {"class": [{"system": RESOURCE_TYPES, "code": "Encounter"}]}],
            )
        ],
        False,
    ),
    ("two that differ", [a_consent("c0", "ada"), a_consent("c1", "ada", type="permit")], False),
    ("one for another purpose", [a_consent("c0", "ada", "PUBHLTH")], True),
    (
        "one of who has the number",
        [a_consent("c0", "ada") | {"patient": {"identifier": NUMBER}}],
        False,
    ),
    (
        "one of a contained patient with the number",
        [
            a_consent("c0", "ada")
            | {
                "contained": [{"resourceType": "Patient", "id": "p", "identifier": [NUMBER]}],
                "patient": {"reference": "#p"},
            }
        ],
        False,
    ),
    (
        "one of who has another number",
        [a_consent("c0", "ada") | {"patient": {"identifier": NUMBER | {"value": nhs_number(3)}}}],
        True,
    ),
    (
        "one on what bears a label",
        [a_consent("c0", "ada", securityLabel=[{"system": LABELS, "code": "PSY"}])],
        True,
    ),
]


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Serve one person, about whom each case lays down its own."""
    with guarded(tmp_path_factory.mktemp("consents") / "fhir.db") as served:
        yield served


@pytest.mark.parametrize(
    ("consents", "shown"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_is_shown_is_what_consents_leave(
    there: Guarded, consents: list[dict[str, Any]], *, shown: bool
) -> None:
    with there.client(purpose="TREAT") as owner, there.client(purpose=ADMINISTRATION) as clerk:
        owner.put("Patient/ada", json=a_patient("ada", 1, "Lovelace")).raise_for_status()
        owner.put("Observation/adas", json=an_observation("adas", "ada")).raise_for_status()
        for name in ("c0", "c1"):
            owner.delete(f"Consent/{name}").raise_for_status()
        for each in consents:
            owner.put(f"Consent/{each['id']}", json=each).raise_for_status()
        read = clerk.get("Observation/adas").status_code
        found = clerk.get("Observation?patient=ada").json()["total"]

    assert (read, found) == ((200, 1) if shown else (404, 0))


def test_who_writes_a_consent_that_is_not_computed_is_told(there: Guarded) -> None:
    """With what became of it: one of nobody is applied to nobody, others deny what goes beyond care."""
    asked = {"prefer": "return=OperationOutcome"}
    doubtful = a_consent("doubtful", "ada", code=[{"text": "abortion"}])
    nobodys = a_consent("nobodys", "ada") | {"patient": {"display": "Ada"}}
    with there.client(purpose="TREAT") as owner:
        told = [
            owner.put(f"Consent/{each['id']}", json=each, headers=asked).json()["issue"][1:]
            for each in (doubtful, nobodys, a_consent("clear", "ada"))
        ]
        for each in ("doubtful", "nobodys", "clear"):
            owner.delete(f"Consent/{each}").raise_for_status()

    assert [[(i["severity"], i["code"]) for i in each] for each in told] == [
        [("warning", "not-supported")],
        [("warning", "not-supported")],
        [],
    ]
    assert "Consent.provision.code" in told[0][0]["diagnostics"]
    assert "nobody" in told[1][0]["diagnostics"]


def test_a_label_that_is_added_hides_from_then_on(own_ward: Guarded) -> None:
    """And its writer, once it is hidden, does not take it off again."""
    label = {"system": LABELS, "code": "PSY"}
    denial = a_consent("labelled", "ada", securityLabel=[label])
    labelled = an_observation("adas", "ada", meta={"security": [label]})
    with own_ward.client(purpose="TREAT") as owner:
        owner.put("Consent/labelled", json=denial).raise_for_status()
    with own_ward.client(purpose=ADMINISTRATION) as clerk:
        before = clerk.get("Observation/adas").status_code
        assert clerk.put("Observation/adas", json=labelled).status_code == 200
        after = clerk.get("Observation/adas").status_code
        taken_off = clerk.put("Observation/adas", json=an_observation("adas", "ada")).status_code
        remove = [{"op": "remove", "path": "/meta/security"}]
        kind = {"content-type": "application/json-patch+json"}
        patched = clerk.patch("Observation/adas", json=remove, headers=kind).status_code

    assert (before, after, taken_off, patched) == (200, 404, 404, 404)


def test_a_consent_takes_an_open_cursor_along(own_ward: Guarded) -> None:
    with (
        own_ward.client(purpose="TREAT") as owner,
        own_ward.client(purpose=ADMINISTRATION) as clerk,
    ):
        page = clerk.get("Observation?_count=1&_sort=_id").json()
        following = next(each["url"] for each in page["link"] if each["relation"] == "next")
        owner.put("Consent/adas", json=a_consent("adas", "ada")).raise_for_status()
        rest = clerk.get(following).json()

    assert [each["resource"]["id"] for each in page["entry"]] == ["adas"]
    assert "entry" not in rest
