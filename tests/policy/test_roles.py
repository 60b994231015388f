"""What roles permit: the table that people review, its contradictions, and that a role never widens anything."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.fhir.errors import Forbidden
from fhir_server.policy.access import Access
from fhir_server.policy.disclosure import Disclosure, Standing
from fhir_server.policy.programmes import Programmes, read_programmes
from fhir_server.policy.rights import rights_of
from fhir_server.policy.roles import read_roles
from fhir_server.policy.scopes import LETTERS, parse_scopes
from tests.policy.support import KNOWN, PURPOSES, ROLES, TABLES

DISCLOSURE = Disclosure(PURPOSES, tables=TABLES)
PROGRAMME = {
    "id": "trial",
    "purposes": ["HRESCH"],
    "basis": "section 251",
    "organisation": "RXX",
    "exempt": True,
}


def access(scopes: str = "user/*.cruds", **changes: Any) -> Access:
    said = {"role": "R8000", "purpose": "TREAT", "organisation": "RXX"} | changes
    return Access("i", "s", parse_scopes(scopes), **said)


def standing(scopes: str = "user/*.cruds", **changes: Any) -> Standing:
    asked = access(scopes, **changes)
    return DISCLOSURE.standing(asked, rights_of(asked))


def a_table(role: dict[str, Any], **changes: Any) -> bytes:
    own = {"code": "A", "name": "a", "says": "", "grants": []} | role
    table = {"sets": {}, "concernNobody": ["Location"], "withoutRole": {}, "roles": [own]}
    return json.dumps(table | changes).encode()


def a_grant(**changes: Any) -> dict[str, Any]:
    grant = {"purposes": ["direct-care"], "types": ["Patient"], "letters": "rs"} | changes
    return {"grants": [grant]}


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (a_table(a_grant(purposes=["marketing"])), "marketing is no rule"),
        (a_table(a_grant(purposes=["TREAT"])), "TREAT is no rule"),
        (a_table(a_grant(types=["Patients"])), "Patients is no type"),
        (a_table(a_grant(letters="sr")), "'sr' are no letters"),
        (a_table(a_grant(letters="")), "'' are no letters"),
        (a_table(a_grant(letters="x")), "'x' are no letters"),
        (a_table(a_grant(counts=["*"])), "a use with records"),
        (a_table(a_grant(purposes=["research"])), "Patient may be about people"),
        (a_table(a_grant(purposes=["research"], types=["*"])), r"\* may be about people"),
        (a_table(a_grant(purposes=["planning"], types=["Location"], letters="u")), "nothing is written"),
        (a_table({"clearances": ["secret"]}), "no label secret"),
        (a_table({"activities": ["B0168"]}), "belong together"),
        (a_table(a_grant(purposes=["break-glass"])), "belong together"),
        (a_table({}, concernNobody=["Observation"]), "Observation is about a patient"),
        (a_table({}, concernNobody=["Ward"]), "Ward is no type"),
        (a_table({}, sets={"x": ["Bed"]}), "Bed is no type"),
        (a_table({}, withoutRole={"user": "B"}), "there is no role B"),
        (a_table({}, roles=[{"code": "A", "name": "", "says": "", "grants": []}] * 2), "there twice"),
        (a_table({"may": "all"}), "unknown field"),
    ],
)  # fmt: skip
def test_a_table_that_contradicts_itself_is_refused(table: bytes, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_roles(table, KNOWN)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"exempt": "yes"}, "exempt"),
        ({"purposes": ["TREAT"]}, "TREAT is no purpose that needs"),
        ({"purposes": ["HMARKT"]}, "HMARKT is no purpose that needs"),
        ({"basis": ""}, "says no basis"),
        ({"organisation": ""}, "says no basis"),
        ({"ends": "2027"}, "unknown field"),
    ],
)
def test_a_register_of_flows_that_says_too_little_or_too_much_is_refused(
    changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        programmes(PROGRAMME | changes)


def test_a_programme_is_registered_once() -> None:
    with pytest.raises(ValueError, match="there twice"):
        programmes(PROGRAMME, PROGRAMME)


def programmes(*each: dict[str, Any]) -> Programmes:
    return read_programmes(json.dumps({"programmes": each}).encode(), PURPOSES)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"role": "R9999"}, "'R9999' is not known"),
        ({"role": "r8000"}, "'r8000' is not known"),
        ({"role": "R8009"}, r"R8009 \(Receptionist\) is not for the purpose of use TREAT"),
        ({"role": "R8012"}, "R8012 .* not for the purpose"),
        ({"role": "R8000", "purpose": "HRESCH"}, "R8000 .* not for the purpose"),
        ({"role": "R8003", "purpose": "BTG"}, "R8003 .* not for the purpose"),
        ({"role": "R8000", "purpose": "HCOMPL"}, "R8000 .* not for the purpose"),
        ({"role": "R0001"}, "R0001 .* not for the purpose"),
        ({"role": None}, "names a role"),
        ({"role": "patient", "purpose": "PATRQT"}, "a patient in context"),
        ({"role": "service", "purpose": "PATRQT"}, "service .* not for the purpose"),
        ({"programme": "trial"}, "'trial' is not registered"),
        ({"purpose": "HMARKT"}, "Nothing is disclosed"),
        ({"role": "R9999", "purpose": "COVAUTH"}, "Nothing is disclosed"),
    ],
)
def test_what_a_role_is_not_for_is_refused_before_anything_is_looked_up(
    changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(Forbidden, match=told):
        standing(**changes)


def test_a_role_of_cis2_ends_with_the_code() -> None:
    assert standing(role="S8000:G8000:R8000").role == ROLES.find("R8000")


def test_a_system_without_a_role_is_a_backend_service_and_a_patient_is_a_patient() -> None:
    service = standing("system/*.rs", role=None)
    patient = standing("patient/*.rs", role=None, purpose=None, patient="ada")

    assert service.role == ROLES.find("service")
    assert patient.role == ROLES.find("patient")
    assert patient.audience.purpose == "PATRQT"


def test_who_asks_for_the_own_record_reaches_no_other_whatever_the_scopes() -> None:
    own = standing("user/*.cruds", role="patient", purpose="PATRQT", patient="ada").rights

    for letter in LETTERS:
        sight = own.by_letter[letter]
        assert {sight.patient_of(each) for each in ("Patient", "Observation", "Task")} == {"ada"}
        assert sight.patient_of("Location") is None


@pytest.mark.parametrize(
    ("role", "purpose", "letters"),
    [
        ("R8000", "TREAT", {"Observation": "cruds", "AuditEvent": "", "SearchParameter": "rs"}),
        ("R8000", "PATADMIN", {"Observation": "", "Appointment": "cruds", "Encounter": "cruds"}),
        ("R8000", "BTG", {"Observation": "rs", "AuditEvent": ""}),
        ("R8001", "TREAT", {"Observation": "crus"}),
        ("R8004", "TREAT", {"Observation": "rs"}),
        ("R8009", "PATADMIN", {"Observation": "", "Appointment": "crus", "Patient": "rus", "Slot": "crus", "Condition": "", "Location": "rs"}),
        ("R8012", "HOPERAT", {"Observation": "", "Patient": "", "Task": "", "Location": "rs"}),
        ("R0001", "HCOMPL", {"AuditEvent": "rs", "Observation": "", "Task": "rus", "Consent": "rs"}),
        ("R5105", "HCOMPL", {"Observation": "rs"}),
    ],
)  # fmt: skip
def test_the_table_of_roles_holds(role: str, purpose: str, letters: dict[str, str]) -> None:
    rights = standing(role=role, purpose=purpose).rights

    found = {
        kind: "".join(each for each in LETTERS if rights.by_letter[each].permits_type(kind))
        for kind in letters
    }

    assert found == letters


def test_numbers_of_people_are_for_other_uses_and_records_for_programmes() -> None:
    tables = TABLES.__class__(ROLES, programmes(PROGRAMME | {"records": True}), TABLES.counts)
    judged = Disclosure(PURPOSES, tables=tables)
    analyst = access("user/*.rs", role="R8012", purpose="HRESCH")
    researcher = access("user/*.rs", role="R8012", purpose="HRESCH", programme="trial")
    elsewhere = access("user/*.rs", role="R8012", purpose="HRESCH", programme="trial", organisation="RYY")  # fmt: skip

    counting = judged.standing(analyst, rights_of(analyst))
    reading = judged.standing(researcher, rights_of(researcher))

    assert counting.rights.counted is not None
    assert counting.rights.counted.permits_type("Patient")
    assert not counting.rights.counted.permits_type("Consent")
    assert not counting.audience.exempt
    assert reading.rights.counted is None
    assert reading.rights.sight("rs").permits_type("Patient")
    assert reading.audience.exempt
    assert "https://example.org/fdp/Id/programme|trial" in reading.audience.actors
    with pytest.raises(Forbidden):
        judged.standing(elsewhere, rights_of(elsewhere))


codes = st.sampled_from((*sorted(ROLES.by_code), None))
purposes = st.sampled_from(
    ("TREAT", "BTG", "PATADMIN", "PATRQT", "HOPERAT", "HRESCH", "PUBHLTH", "HCOMPL")
)
scopes = st.lists(
    st.sampled_from(("user/*.cruds", "user/Patient.rs", "user/Slot.cu", "patient/*.rs", "system/Observation.rs", "patient/Task.cruds")),
    max_size=3,
).map(" ".join)  # fmt: skip
types = st.sampled_from(("Patient", "Observation", "Slot", "Task", "Location", "AuditEvent"))


@given(role=codes, purpose=purposes, given_scopes=scopes, letter=st.sampled_from(LETTERS), kind=types)  # fmt: skip
def test_a_role_never_shows_more_than_the_scopes_do(
    role: str | None, purpose: str, given_scopes: str, letter: str, kind: str
) -> None:
    asked = access(given_scopes, role=role, purpose=purpose, patient="ada")
    alone = rights_of(asked)
    try:
        both = DISCLOSURE.standing(asked, alone).rights
    except Forbidden:
        return
    before, after = alone.by_letter[letter], both.by_letter[letter]

    assert not after.permits_type(kind) or before.permits_type(kind)
    assert after.patient_of(kind) == "ada" or before.patient_of(kind) == after.patient_of(kind)
    if both.counted is not None and both.counted.permits_type(kind):
        assert alone.by_letter["s"].permits_type(kind)


@given(role=st.sampled_from(sorted(ROLES.by_code)), kind=types, letter=st.sampled_from(LETTERS))
def test_no_role_is_told_a_record_of_people_for_another_use(
    role: str, kind: str, letter: str
) -> None:
    for purpose in ("HOPERAT", "HRESCH", "PUBHLTH", "POPHLTH", "HPAYMT"):
        asked = access(role=role, purpose=purpose)
        try:
            rights = DISCLOSURE.standing(asked, rights_of(asked)).rights
        except Forbidden:
            continue
        if rights.by_letter[letter].permits_type(kind):
            assert kind in ROLES.concern_nobody
            assert letter in "rs"
