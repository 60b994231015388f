"""Breaking the glass: whose record it opens, to whom, for how long; and what it never opens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.rest.access import Guarded
from tests.rest.trust import (
    CONSULTANT,
    EMERGENCY,
    INTEGRATION,
    MENTAL_HEALTH,
    NURSE,
    OFFICER,
    PATIENT,
    RESTRICTED,
    SEALED,
    a_denial,
    a_patient,
    an_observation,
    get,
    ids,
    post,
    running_trust,
    told,
)

REASON = "found unconscious in the street"
ALL_OF_P1 = {"p1", "o1", "r1", "c1"}


def records() -> Iterator[dict[str, Any]]:
    """Yield two people who deny everything, one whose record is sealed, and one who said nothing."""
    for number in range(1, 5):
        yield a_patient(number) | (SEALED if number == 3 else {})
        if number != 3:
            yield an_observation(f"o{number}", f"p{number}", "weight")
    yield an_observation("r1", "p1", "fame", **RESTRICTED)
    yield an_observation("v1", "p1", "seal", **SEALED)
    yield an_observation("r4", "p4", "fame", **RESTRICTED)
    yield an_observation("m4", "p4", "mood", **MENTAL_HEALTH)
    yield an_observation("both", "p1", "kin", performer=[{"reference": "Patient/p2"}])
    yield a_denial("c1", "p1")
    yield a_denial("c2", "p2")


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Serve the trust."""
    with running_trust(tmp_path_factory.mktemp("glass"), records()) as served:
        yield served


def a_clinician(name: str, **changes: Any) -> dict[str, Any]:
    return EMERGENCY | {"sub": name} | changes


def broken(trust: Guarded, who: dict[str, Any], patient: str = "p1", **more: Any) -> dict[str, str]:
    """Break the glass; return what it says, by name."""
    answer = post(trust, who, f"Patient/{patient}/$break-glass", reason=REASON, **more)
    assert answer.status_code == 200, answer.text
    return {
        each["name"]: each.get("valueInstant") or each["valueReference"]["reference"]
        for each in answer.json()["parameter"]
    }


@pytest.mark.parametrize(
    ("who", "scope", "status"),
    [
        ({"role": "R8009", "purpose": "PATADMIN"}, "user/*.cruds", 403),
        ({"role": "R8003", "purpose": "TREAT"}, "user/*.cruds", 403),
        ({"role": "R0001", "purpose": "HCOMPL"}, "user/*.cruds", 403),
        ({"role": "R8012", "purpose": "HOPERAT", "programme": None}, "user/*.cruds", 403),
        (CONSULTANT, "system/*.cruds", 403),
        (CONSULTANT | {"sub": "an-app"}, "user/*.cruds", 403),
        ({"purpose": "TREAT"}, "system/*.cruds", 403),
        (CONSULTANT, "user/Observation.rs", 403),
        (CONSULTANT | {"patient": "p2"}, "patient/*.rs", 404),
    ],
)
def test_who_may_not_is_refused(
    trust: Guarded, who: dict[str, Any], scope: str, status: int
) -> None:
    answer = post(trust, who, "Patient/p1/$break-glass", scope, reason=REASON)

    assert answer.status_code == status
    assert get(trust, EMERGENCY, "Patient/p1").status_code == 404


@pytest.mark.parametrize(
    ("given", "told_of"),
    [
        ({}, "a reason in words"),
        ({"reason": "   x       "}, "a reason in words"),
        ({"reason": REASON, "minutes": 31}, "it is 1 to 30"),
        ({"reason": REASON, "minutes": 0}, "it is 1 to 30"),
        ({"reason": REASON, "minutes": "ten"}, "it is 1 to 30"),
        ({"reason": REASON, "code": "TREAT"}, "it is BTG or ETREAT"),
        ({"reason": REASON, "patient": "p2"}, "has no parameter"),
    ],
)
def test_a_request_that_says_too_little_opens_nothing(
    trust: Guarded, given: dict[str, Any], told_of: str
) -> None:
    answer = post(trust, a_clinician("vague"), "Patient/p1/$break-glass", **given)

    assert answer.status_code == 400
    assert told_of in told(answer)
    assert get(trust, a_clinician("vague"), "Patient/p1").status_code == 404


def test_it_is_asked_by_post_alone(trust: Guarded) -> None:
    answer = get(trust, EMERGENCY, f"Patient/p1/$break-glass?reason={REASON}")

    assert answer.status_code == 405


def test_who_is_sealed_is_as_absent_as_who_was_never_there(trust: Guarded) -> None:
    sealed = post(trust, a_clinician("s"), "Patient/p3/$break-glass", reason=REASON)
    absent = post(trust, a_clinician("s"), "Patient/nobody/$break-glass", reason=REASON)

    assert sealed.status_code == absent.status_code == 404
    assert sealed.text.replace("p3", "nobody") == absent.text


def test_each_way_to_read_shows_the_record_of_that_patient_and_no_other(trust: Guarded) -> None:
    who = a_clinician("ada")
    others = {"p4", "o4", "m4"}
    listed = "?_type=Patient,Observation,Consent&_count=50"
    before = ids(get(trust, who, listed))
    broken(trust, who)

    assert before == others
    assert ids(get(trust, who, listed)) == others | ALL_OF_P1
    assert get(trust, who, "Observation/r1").status_code == 200
    assert get(trust, who, "Observation/r1/_history/1").status_code == 200
    assert get(trust, who, "Observation/o1/_history").status_code == 200
    assert ids(get(trust, who, "Observation/_history")) == {"o1", "r1", "o4", "m4"}
    assert ids(get(trust, who, "Patient/p1/$everything")) == ALL_OF_P1
    assert ids(get(trust, who, "Patient/p1/Observation")) == {"o1", "r1"}
    assert ids(get(trust, who, "Observation/$lastn?patient=p1")) == {"o1", "r1"}
    assert ids(get(trust, who, "Observation?_id=o1&_include=Observation:subject")) == {"o1", "p1"}
    assert ids(get(trust, who, "Observation?subject:Patient.gender=female&_sort=code&_count=50")) == {"o1", "r1", "o4", "m4"}  # fmt: skip
    assert get(trust, who, "Observation?code=weight&_summary=count").json()["total"] == 2
    assert ids(get(trust, who, "Patient?_has:Observation:subject:code=fame")) == {"p1"}
    for hidden in ("Observation/v1", "Observation/both", "Patient/p2", "Patient/p3", "Observation/r4"):  # fmt: skip
        assert get(trust, who, hidden).status_code == 404


def test_it_is_for_who_asked_and_for_that_purpose_alone(trust: Guarded) -> None:
    broken(trust, a_clinician("grace"))

    assert get(trust, a_clinician("grace"), "Patient/p1").status_code == 200
    assert get(trust, a_clinician("grace", purpose="ETREAT"), "Patient/p1").status_code == 200
    assert get(trust, a_clinician("grace", purpose="TREAT"), "Patient/p1").status_code == 404
    assert get(trust, a_clinician("joan"), "Patient/p1").status_code == 404
    assert get(trust, a_clinician("grace", client_id="app-2"), "Patient/p1").status_code == 404
    assert get(trust, a_clinician("grace", role="R8003"), "Patient/p1").status_code == 403


def test_nothing_is_written_in_an_emergency(trust: Guarded) -> None:
    who = a_clinician("writer")
    broken(trust, who)
    with trust.client("user/*.cruds", **who) as client:
        written = client.put("Observation/o1", json=an_observation("o1", "p1", "other"))
        deleted = client.delete("Consent/c1")

    assert written.status_code == deleted.status_code == 403


def test_a_nurse_sees_in_an_emergency_what_she_is_not_cleared_for(trust: Guarded) -> None:
    who = NURSE | {"sub": "nurse", "purpose": "BTG"}
    before = ids(get(trust, who, "Observation?patient=p4"))
    broken(trust, who, "p4", code="ETREAT", minutes=5)

    assert before == {"o4"}
    assert ids(get(trust, who, "Observation?patient=p4")) == {"o4", "m4", "r4"}


def test_two_emergencies_open_two_records(trust: Guarded) -> None:
    who = a_clinician("busy")
    broken(trust, who, "p1")
    broken(trust, who, "p2")

    assert {"o1", "o2", "both"} <= ids(get(trust, who, "Observation?_count=50"))


def test_who_opened_it_ends_it_at_once_and_others_cannot(trust: Guarded) -> None:
    who = a_clinician("short")
    review = broken(trust, who)["review"]
    foreign = post(trust, a_clinician("joan"), f"{review}/$end-break-glass")
    still = get(trust, who, "Patient/p1").status_code
    ended = post(trust, who, f"{review}/$end-break-glass")

    assert (foreign.status_code, still, ended.status_code) == (404, 200, 200)
    assert get(trust, who, "Patient/p1").status_code == 404
    assert post(trust, who, f"{review}/$end-break-glass").status_code == 404


def test_a_review_lies_before_the_privacy_officer_who_may_end_it(trust: Guarded) -> None:
    who = a_clinician("watched", organisation="RR8")
    review = broken(trust, who, code="ETREAT")["review"]
    task = get(trust, OFFICER, review).json()
    ended = post(trust, OFFICER, f"{review}/$end-break-glass")

    assert task["reasonCode"]["text"] == REASON
    assert task["reasonCode"]["coding"][0]["code"] == "ETREAT"
    assert task["for"] == {"reference": "Patient/p1"}
    assert task["requester"]["identifier"]["value"] == "watched"
    assert task["owner"]["identifier"]["value"] == "RR8"
    assert ended.status_code == 200
    assert get(trust, who, "Patient/p1").status_code == 404
    assert get(trust, who, review).status_code == 404


def test_the_officer_completes_a_review_and_changes_nothing_else(trust: Guarded) -> None:
    review = broken(trust, a_clinician("done"))["review"]
    with trust.client("user/*.cruds", **OFFICER) as officer:
        task = officer.get(review).json() | {"status": "completed"}
        completed = officer.put(review, json=task)
        refused = officer.put("Patient/p4", json=a_patient(4))

    assert completed.status_code == 200
    assert refused.status_code == 403


def test_it_is_on_record_with_its_reason_and_the_patient_sees_that(trust: Guarded) -> None:
    broken(trust, a_clinician("recorded"))
    events = get(trust, OFFICER, "AuditEvent?patient=p1&_count=200").json()["entry"]
    own = get(trust, PATIENT, "AuditEvent?patient=p1&_count=200")

    alerts = [each["resource"] for each in events if REASON in str(each["resource"])]
    assert any("recorded" in str(each) for each in alerts)
    assert all(each["type"]["code"] == "110113" for each in alerts)
    assert {each["id"] for each in alerts} <= ids(own)


def test_what_is_said_meanwhile_is_obeyed_by_all_others(trust: Guarded) -> None:
    who = a_clinician("open")
    broken(trust, who, "p4")
    with trust.client("system/*.cruds", **INTEGRATION) as client:
        client.put("Consent/c4", json=a_denial("c4", "p4")).raise_for_status()
    seen = get(trust, who, "Patient/p4"), get(trust, CONSULTANT, "Patient/p4")
    with trust.client("system/*.cruds", role="integration", purpose="PATADMIN") as client:
        # It denies all care, and so its own deletion by it: the person ends it.
        refused = client.delete("Consent/c4")

    assert [each.status_code for each in seen] == [200, 404]
    assert refused.status_code == 204
