"""The access demonstration: one URL, several tokens, and to each the right answer; and numbers for planning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.rest.access import Guarded
from tests.rest.trust import (
    ANALYST,
    CONSULTANT,
    INSURER,
    MARKETER,
    MENTAL_HEALTH,
    NURSE,
    OFFICER,
    PATIENT,
    PEOPLE,
    RECEPTIONIST,
    RESTRICTED,
    a_denial,
    an_observation,
    get,
    ids,
    people,
    running_trust,
    told,
)

CATEGORY = "https://example.org/fdp/CodeSystem/consent-category"


def an_opt_out(whose: str) -> dict[str, Any]:
    """Return a national opt-out that is kept as a Consent, unlabelled."""
    named = {"category": [{"coding": [{"system": CATEGORY, "code": "NDOP"}]}]}
    return a_denial("ndop", whose, "HRESCH") | named


def records() -> Iterator[dict[str, Any]]:
    """Yield the people, and what is sensitive of the first."""
    yield an_opt_out("p1")
    yield {"resourceType": "Location", "id": "w1", "name": "Ward 1", "status": "active"}
    yield from people()
    yield an_observation("psy", "p1", "mood", **MENTAL_HEALTH)
    yield an_observation("vip", "p1", "fame", **RESTRICTED)
    yield {
        "resourceType": "Appointment",
        "id": "a1",
        "status": "booked",
        "participant": [{"actor": {"reference": "Patient/p1"}, "status": "accepted"}],
    }


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Serve the trust."""
    with running_trust(tmp_path_factory.mktemp("roles"), records()) as served:
        yield served


URL = "Observation?patient=p1"


def test_one_url_and_five_tokens_have_five_right_answers(trust: Guarded) -> None:
    answers = {
        name: get(trust, who, URL)
        for name, who in (
            ("consultant", CONSULTANT),
            ("nurse", NURSE),
            ("receptionist", RECEPTIONIST),
            ("analyst", ANALYST),
            ("insurer", INSURER),
            ("marketer", MARKETER),
            ("patient", PATIENT),
        )
    }

    assert {name: each.status_code for name, each in answers.items()} == {
        "consultant": 200,
        "nurse": 200,
        "receptionist": 403,
        "analyst": 403,
        "insurer": 403,
        "marketer": 403,
        "patient": 200,
    }
    assert ids(answers["consultant"]) == {"o1", "psy"}
    assert ids(answers["nurse"]) == {"o1"}
    assert ids(answers["patient"]) == {"o1", "psy", "vip"}
    assert "R8009 (Receptionist)" in told(answers["receptionist"])
    assert "_summary=count" in told(answers["analyst"])
    assert told(answers["insurer"]) == told(answers["marketer"])


def test_a_receptionist_books_and_sees_the_least_that_this_needs(trust: Guarded) -> None:
    booked = get(trust, RECEPTIONIST, "Appointment?actor=Patient/p1&_include=Appointment:actor")
    with trust.client("user/*.cruds", **RECEPTIONIST) as client:
        arrived = client.patch(
            "Appointment/a1",
            json=[{"op": "replace", "path": "/status", "value": "arrived"}],
            headers={"content-type": "application/json-patch+json"},
        )
        deleted = client.delete("Patient/p1")
        chained = client.get("Patient?_has:Observation:subject:code=mood")

    assert ids(booked) == {"a1", "p1"}
    assert arrived.status_code == 200
    assert deleted.status_code == 403
    assert ids(chained) == set()


def test_a_role_that_nobody_knows_and_none_at_all_are_refused_by_name(trust: Guarded) -> None:
    unknown = get(trust, {"role": "R1234", "purpose": "TREAT"}, URL)
    missing = get(trust, {"purpose": "TREAT"}, URL)
    service = get(trust, {"purpose": "TREAT"}, URL, "system/*.rs")

    assert unknown.status_code == missing.status_code == 403
    assert "'R1234'" in told(unknown)
    assert "claim role" in told(missing)
    assert ids(service) == {"o1"}


@pytest.mark.parametrize(
    "path",
    [
        "Patient/p1",
        "Patient",
        "Patient?_summary=true",
        "Patient?_summary=count&_id=p1",
        "Patient/p1/_history",
        "Patient/_history",
        "Patient/p1/$everything",
        "Patient/p1/Observation",
        "Patient/p1/Observation?_summary=count",
        "Observation?code=weight",
        "Observation?code=weight&_elements=status",
        "Observation?code=weight&_total=accurate",
        "Observation/$lastn?patient=p1",
        "Observation?_summary=count&patient=p1",
        "Observation?_count=0&subject:Patient.identifier=x",
        "Task",
        "Practitioner",
        "AuditEvent",
        "AuditEvent?_summary=count",
        "Consent?_summary=count",
    ],
)
def test_no_way_to_ask_gives_an_analyst_a_record(trust: Guarded, path: str) -> None:
    answer = get(trust, ANALYST, path)

    assert answer.status_code == 403
    assert "p1" not in answer.text.replace("Patient/p1 could", "")


@pytest.mark.parametrize("asked", ["_summary=count", "_count=0", "_summary=count&_total=accurate"])
@pytest.mark.parametrize(
    ("criteria", "number"),
    [
        ("Patient?", 10),
        ("Patient?gender=female&", 10),
        ("Patient?gender=male&", None),
        ("Patient?gender=other&", None),
        ("Patient?gender:not=male&", 10),
        ("Observation?code=weight&", 10),
        ("Observation?code=mood&", None),
        ("Observation?code=weight&subject:Patient.gender=male&", None),
        ("Patient?_has:Observation:subject:code=weight&", 10),
    ],
)
def test_an_analyst_is_told_rounded_numbers_of_those_who_did_not_opt_out(
    trust: Guarded, criteria: str, number: int | None, asked: str
) -> None:
    answer = get(trust, ANALYST, criteria + asked)

    assert answer.status_code == 200
    body = answer.json()
    assert body.get("total") == number
    assert [each["search"]["mode"] for each in body["entry"]] == ["outcome"]
    assert {each["relation"] for each in body["link"]} == {"self"}
    issue = body["entry"][0]["resource"]["issue"][0]
    assert issue["code"] == ("suppressed" if number is None else "informational")


def test_none_and_a_few_are_told_alike(trust: Guarded) -> None:
    few, none = (
        get(trust, ANALYST, f"Patient?gender={each}&_summary=count").json()["entry"]
        for each in ("male", "other")
    )

    assert few == none


def test_what_concerns_nobody_is_shown_to_an_analyst_and_tells_of_nobody(trust: Guarded) -> None:
    shown = get(trust, ANALYST, "Location?status=active")
    counted = get(trust, ANALYST, "Location?_summary=count")
    chained = get(trust, ANALYST, "Location?_has:Appointment:location:patient=p1")
    all_of_it = get(trust, ANALYST, "?_count=50")

    assert ids(shown) == {"w1"}
    assert counted.json()["total"] == 1
    assert ids(chained) == set()
    assert ids(all_of_it) == {"w1"}


def test_a_national_opt_out_is_for_the_person_and_for_who_reviews(trust: Guarded) -> None:
    url = "Consent?patient=p1"

    assert ids(get(trust, CONSULTANT, url)) == set()
    assert "ndop" not in ids(get(trust, CONSULTANT, "Patient/p1/$everything"))
    assert ids(get(trust, PATIENT, url)) == ids(get(trust, OFFICER, url)) == {"ndop"}


def test_a_batch_is_no_way_round(trust: Guarded) -> None:
    urls = ["Patient/p1", "Patient?gender=male", "Patient?gender=male&_summary=count"]
    entries = [{"request": {"method": "GET", "url": each}} for each in urls]
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    with trust.client("user/*.cruds", **ANALYST) as client:
        answers = client.post("", json=bundle).json()["entry"]

    assert [each["response"]["status"][:3] for each in answers] == ["403", "403", "200"]
    assert "total" not in answers[2]["resource"]


def test_an_exemption_lifts_the_opt_out_and_nothing_else(trust: Guarded) -> None:
    exempt = {"purpose": "HRESCH", "programme": "exempt", "organisation": "X99"}
    bound = exempt | {"programme": "records"}
    url = "Observation?code=weight&_count=50"
    foreign = get(trust, exempt | {"organisation": "X11"}, url, "system/*.rs")
    unknown = get(trust, exempt | {"programme": "mine"}, url, "system/*.rs")

    everyone = {f"o{each}" for each in range(2, PEOPLE + 1)}
    # The first denies research by a Consent, which an exemption does not lift.
    assert ids(get(trust, exempt, url, "system/*.rs")) == everyone
    assert ids(get(trust, bound, url, "system/*.rs")) == everyone - {"o13"}
    assert ids(get(trust, exempt, "Observation?code=mood", "system/*.rs")) == set()
    assert foreign.status_code == unknown.status_code == 403


def test_each_of_five_answers_is_recorded_with_the_rule_that_gave_it(trust: Guarded) -> None:
    callers: dict[str, dict[str, Any]] = {
        "consultant": CONSULTANT,
        "receptionist": RECEPTIONIST,
        "analyst": ANALYST,
        "insurer": INSURER,
        "patient": PATIENT,
    }
    for name, who in callers.items():
        scope = "patient/*.rs" if who is PATIENT else "user/*.cruds"
        get(trust, {**who, "sub": name}, URL, scope)

    found = get(trust, OFFICER, "AuditEvent?_sort=-date&_count=200").json()["entry"]
    agents = [each["resource"]["agent"] for each in found]
    named = {
        user["name"]: app["policy"]
        for app, *others in reversed(agents)
        for user in others
        if user.get("name") in callers
    }

    rules = {name: [each.rpartition("/")[2] for each in policy] for name, policy in named.items()}
    assert rules == {
        "consultant": ["default:direct-care"],
        "receptionist": ["scopes-and-role"],
        "analyst": ["numbers"],
        "insurer": ["forbidden:insurance"],
        "patient": ["default:own-request"],
    }
