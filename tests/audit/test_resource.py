"""The AuditEvents of an event: valid R4, one for each patient, and of no other patient."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.audit.event import Agent, Event, Touched
from fhir_server.audit.kinds import KINDS
from fhir_server.audit.resource import BALP, Origin, audit_events
from fhir_server.conformance.definitions import definitions_in
from fhir_server.conformance.validation import Validator
from fhir_server.search.indexing import Extractor
from fhir_server.settings import definitions_folder

DEFINITIONS = definitions_in(definitions_folder())
VALIDATOR = Validator(DEFINITIONS)
EXTRACTOR = Extractor(DEFINITIONS, base_url="https://node.example/fhir")
ORIGIN = Origin("https://node.example/fhir", b"k" * 32)
DOCTOR = Agent("https://issuer.example", "dr-jones", "ehr", "RR8", "R8000", "TREAT")
MOMENT = 1_795_000_000_000_000


def an_event(kind: str = "read", **changes: Any) -> Event:
    given_: dict[str, Any] = {
        "request_id": "r-1",
        "asked": "GET Observation/weight",
        "agent": DOCTOR,
        "address": "10.0.0.7",
        "rule": "default:direct-care",
        "touched": (Touched("R", "Observation", "weight", 3),),
    }
    return Event(MOMENT, kind, **(given_ | changes))


def made(event: Event, *concerned: tuple[str, ...], number: int = 1) -> list[dict[str, Any]]:
    return audit_events(event, number, concerned, ORIGIN)


def patients_of(resource: dict[str, Any]) -> set[str]:
    return set(EXTRACTOR.extract(resource).mentions)


def test_a_call_without_a_token_makes_none() -> None:
    assert made(an_event(status=401, agent=None, touched=())) == []


@pytest.mark.parametrize("status", [200, 304, 400, 403, 404, 422, 500])
@pytest.mark.parametrize("kind", [*KINDS, "a-kind-of-another-release"])
def test_each_is_valid(kind: str, status: int) -> None:
    event = an_event(
        kind,
        status=status,
        note="The reason, with <signs> & more",
        patients=("ada",) if kind.startswith("break") else (),
        because=("Consent/c",),
        touched=() if status >= 400 else (Touched("R", "Observation", "weight", 3),),
    )

    found = made(event, *((("ada",),) if event.touched else ()))

    assert found
    for each in found:
        assert VALIDATOR.validate(each) == ()


@pytest.mark.parametrize(
    "bare",
    [
        Event(MOMENT, "sign-in"),
        Event(MOMENT, "load", note="3 resources"),
        Event(MOMENT, "read", agent=Agent("https://issuer.example", "backend", "backend")),
    ],
)
def test_what_is_not_known_is_left_out(bare: Event) -> None:
    (found,) = made(bare)

    assert VALIDATOR.validate(found) == ()


@given(
    concerned=st.lists(
        st.lists(st.sampled_from(["ada", "bob", "eve"]), unique=True).map(tuple), max_size=6
    ),
    kinds=st.lists(st.sampled_from(["Observation", "Patient", "Group"]), min_size=6, max_size=6),
    kind=st.sampled_from(sorted(KINDS)),
    asked=st.sampled_from(
        [
            "GET Patient/ada/$everything",
            "GET Observation?patient=Patient/ada",
            "GET Observation?patient=Patient/ada,Patient/bob",
            "GET Observation?patient=ada&subject=Patient/bob",
            "GET Observation?patient.name=bob",
        ]
    ),
)
def test_an_audit_event_of_one_patient_tells_of_no_other(
    concerned: list[tuple[str, ...]], kinds: list[str], kind: str, asked: str
) -> None:
    ids = ["ada", "bob", "eve", "o1", "o2", "o3"]
    touched = tuple(
        Touched("R", kinds[number], ids[number], 1) for number, _ in enumerate(concerned)
    )

    found = made(an_event(kind, touched=touched, asked=asked), *concerned)

    owners = [patients_of(each) for each in found]
    everyone = {each for patients in concerned for each in patients}
    assert all(len(each) <= 1 for each in owners)
    assert set().union(*owners) == everyone
    for each, (*owner,) in zip(found, owners, strict=True):
        if owner and "bob" in asked:
            assert not any("query" in entity for entity in each["entity"])


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("GET Observation?patient=Patient/ada&code=x", True),
        ("GET Observation?subject:Patient=ada", True),
        ("GET Patient/ada/Observation?code=x", True),
        ("GET Patient/ada/$everything", True),
        ("GET Observation?code=x", False),
        ("GET Observation?patient=Patient/ada,Patient/bob", False),
        ("GET Observation?patient=Patient/ada&subject=Patient/bob", False),
        ("GET Patient/bob/Observation?patient=ada", False),
        ("GET Patient?name=ada", False),
    ],
)
def test_only_a_query_for_one_patient_stands_in_that_ones_audit_event(
    asked: str, *, expected: bool
) -> None:
    found = made(an_event("search-type", asked=asked), ("ada",))

    with_query = {
        frozenset(patients_of(each)): any("query" in entity for entity in each["entity"])
        for each in found
    }
    by_patient = {frozenset({"ada"}): expected}
    assert with_query == (by_patient if expected else by_patient | {frozenset[str](): True})


@pytest.mark.parametrize(
    ("kind", "action", "patients", "expected"),
    [
        ("read", "R", ("ada",), "PatientRead"),
        ("read", "R", (), "Read"),
        ("vread", "R", ("ada",), "PatientRead"),
        ("create", "C", ("ada",), "PatientCreate"),
        ("update", "U", ("ada",), "PatientUpdate"),
        ("delete", "D", ("ada",), "PatientDelete"),
        ("patch", "U", ("ada",), None),
        ("history-instance", "R", ("ada",), None),
    ],
)
def test_a_profile_is_claimed_where_it_holds(
    kind: str, action: str, patients: tuple[str, ...], expected: str | None
) -> None:
    touched = (Touched(action, "Observation", "weight", 1),)

    (found,) = made(an_event(kind, touched=touched), patients)

    assert found.get("meta") == (expected and {"profile": [BALP + expected]})
    assert found["action"] == action


def test_no_profile_is_claimed_of_a_failure_or_without_an_address() -> None:
    assert "profile" not in made(an_event(status=404, touched=()))[0]["meta"]
    assert "meta" not in made(an_event(address=""), ("ada",))[0]


def test_a_query_that_may_name_anyone_is_restricted_and_nothing_else_is() -> None:
    asked = "GET Patient?name=bob"
    own, nobodys = made(an_event("search-type", asked=asked), ("ada",))
    (refused,) = made(an_event(status=404, touched=()))
    (place,) = made(an_event(touched=(Touched("R", "Location", "ward", 1),)), ())

    assert [each["code"] for each in nobodys["meta"]["security"]] == ["R"]
    assert [each["code"] for each in refused["meta"]["security"]] == ["R"]
    assert "security" not in own.get("meta", {})
    assert "security" not in place["meta"]


def test_it_is_the_same_each_time_and_no_number_shows_in_its_id() -> None:
    first, again = made(an_event(), ("ada",)), made(an_event(), ("ada",))
    others = [made(an_event(), ("ada",), number=each)[0]["id"] for each in range(2, 20)]

    assert first == again
    assert len({first[0]["id"], *others}) == 19
    assert all(len(each) == 32 for each in others)


def test_it_says_in_words_who_did_what_and_why() -> None:
    (found,) = made(an_event(), ("ada",))

    assert found["text"]["div"] == (
        '<div xmlns="http://www.w3.org/1999/xhtml">dr-jones (role R8000) of RR8 read the Observation'
        " weight for direct care on 18 November 2026 at 11:06 (UK time).</div>"
    )
