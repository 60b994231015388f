"""What a write tells of what its caller may not see, and what it could change about that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from fhir_server.demonstration.identifiers import nhs_number
from fhir_server.policy.personal import NHS_NUMBER
from fhir_server.wiring import clock
from tests.rest.access import Guarded
from tests.rest.leaks.conftest import (
    ADMINISTRATION,
    a_consent,
    a_patient,
    an_observation,
    names,
    told,
)
from tests.support.commands import typed

PATCH = [{"op": "replace", "path": "/status", "value": "amended"}]
KIND = {"content-type": "application/json-patch+json"}
TAKEN = ["bobs", "withdrawn", "deleted"]


@pytest.mark.parametrize("name", TAKEN)
@pytest.mark.parametrize("match", [{}, {"if-match": 'W/"1"'}, {"if-match": 'W/"7"'}])
def test_a_change_of_the_hidden_answers_as_one_of_nothing(
    clerk: httpx.Client, name: str, match: dict[str, str]
) -> None:
    none = "x" * len(name)
    patch: dict[str, Any] = {"json": PATCH, "headers": KIND | match}

    def asked(each: str) -> list[tuple[int, str, dict[str, str]]]:
        answers = (
            clerk.patch(f"Observation/{each}", **patch),
            clerk.delete(f"Observation/{each}", headers=match),
            clerk.patch(f"Observation?_id={each}", **patch),
            clerk.delete(f"Observation?_id={each}"),
        )
        return [told(answer) for answer in answers]

    absent = [(status, text.replace(none, name), headers) for status, text, headers in asked(none)]
    assert asked(name) == absent


@pytest.mark.parametrize("name", TAKEN)
def test_nothing_hidden_is_written_over_however_it_is_addressed(
    ward: Guarded, clerk: httpx.Client, name: str
) -> None:
    mine = an_observation(name, "ada")
    entry = {"resource": mine, "request": {"method": "PUT", "url": f"Observation/{name}"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    with ward.client(purpose="TREAT") as sighted:
        before = sighted.get(f"Observation/{name}/_history").json()["entry"]
        answers = [
            clerk.put(f"Observation/{name}", json=mine),
            clerk.put("Observation?_id=none", json=mine),
            clerk.post("", json=bundle),
        ]
        matched = clerk.put(f"Observation/{name}", json=mine, headers={"if-match": 'W/"2"'})
        after = sighted.get(f"Observation/{name}/_history").json()["entry"]

    assert [each.status_code for each in answers] == [404] * 3
    assert all("is not known here" in each.text for each in answers)
    assert (matched.status_code, "no current version" in matched.text) == (412, True)
    assert after == before


@pytest.mark.parametrize("match", [{}, {"if-match": 'W/"1"'}])
@pytest.mark.parametrize("role", ["R8000", "R8009"])
def test_in_a_role_of_people_nothing_is_put_at_an_address_of_ones_own_choice(
    ward: Guarded, role: str, match: dict[str, str]
) -> None:
    """So that no address tells whether something hidden stands there: Bob denies what they ask for."""

    def asked(name: str) -> list[tuple[int, str, dict[str, str]]]:
        mine = a_patient(name, 7, "New")
        entry = {"resource": mine, "request": {"method": "PUT", "url": f"Patient/{name}"}}
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
        criteria = f"Patient?identifier={NHS_NUMBER}|{nhs_number(7)}"
        answers = (
            staff.put(f"Patient/{name}", json=mine, headers=match),
            staff.put(criteria, json=mine, headers=match),
            staff.post("", json=bundle),
        )
        batch = staff.post("", json=bundle | {"type": "batch"})
        return [(200, str(batch.json()["entry"]), {}), *(told(each) for each in answers)]

    with ward.client("user/*.cruds", purpose=ADMINISTRATION, role=role) as staff:
        taken, free = asked("bob"), asked("xyz")
        assert staff.get("Patient/ada").status_code == 200

    absent = [(status, text.replace("xyz", "bob"), headers) for status, text, headers in free]
    assert taken == absent
    statuses = [status for status, _, _ in taken]
    assert statuses == ([200, 412, 412, 405] if match else [200, 405, 405, 405])
    assert all("POST to Patient instead" in text for _, text, _ in (taken[0], taken[-1]))


def test_an_address_that_is_free_is_open_to_who_may_create(own_ward: Guarded) -> None:
    """One Consent does not stop a feed that names its own resources: a system's, not a person's role."""
    with own_ward.client(purpose=ADMINISTRATION, role="service") as clerk:
        made = clerk.put("Observation/new", json=an_observation("new", "ada"))
        changed = clerk.put("Observation/new", json=an_observation("new", "ada", 6))
        assert clerk.delete("Observation/new").status_code == 204
        back = clerk.put("Observation/new", json=an_observation("new", "ada", 7))

    assert [each.status_code for each in (made, changed, back)] == [201, 200, 201]


@pytest.mark.parametrize("criteria", ["_id=bobs", "patient.family=Menabrea", "value-quantity=93"])
def test_criteria_do_not_find_the_hidden(own_ward: Guarded, criteria: str) -> None:
    new = {name: value for name, value in an_observation("", "ada").items() if name != "id"}
    with own_ward.client(purpose=ADMINISTRATION) as clerk:
        created = clerk.post("Observation", json=new, headers={"if-none-exist": criteria})
        updated = clerk.put(f"Observation?{criteria}", json=new)

    assert [created.status_code, updated.status_code] == [201, 201]


def test_a_conditional_reference_finds_nothing_hidden(own_ward: Guarded) -> None:
    observation = an_observation("", "x") | {
        "subject": {"reference": f"Patient?identifier={nhs_number(2)}"}
    }
    del observation["id"]
    entry = {"resource": observation, "request": {"method": "POST", "url": "Observation"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    with own_ward.client(purpose=ADMINISTRATION) as clerk:
        refused = clerk.post("", json=bundle)

    assert refused.status_code == 412
    assert "finds nothing" in refused.text


@pytest.mark.parametrize("whose", ["bob", "nobody"])
def test_a_reference_to_the_hidden_is_taken_as_one_to_nothing(
    own_ward: Guarded, whose: str
) -> None:
    new = {name: value for name, value in an_observation("", whose).items() if name != "id"}
    with own_ward.client(purpose=ADMINISTRATION) as clerk:
        made = clerk.post("Observation", json=new)

    assert made.status_code == 201
    assert made.headers["etag"] == 'W/"1"'


def a_provenance(*targets: str) -> dict[str, Any]:
    return {
        "resourceType": "Provenance",
        "recorded": "2026-11-23T10:00:00Z",
        "target": [{"reference": each} for each in targets],
        "agent": [{"who": {"display": "somebody"}}],
    }


def test_what_would_tell_of_the_hidden_is_refused_as_what_would_tell_of_nothing(
    own_ward: Guarded,
) -> None:
    with own_ward.client(purpose=ADMINISTRATION) as clerk:
        of_bob, of_nothing = (
            clerk.post("Provenance", json=a_provenance("Observation/adas", each))
            for each in ("Observation/bobs", "Observation/none")
        )
        made = clerk.post("Provenance", json=a_provenance("Observation/adas"))

    assert of_bob.status_code == 422
    assert "this Provenance is about Observation/bobs, and you see nothing there" in of_bob.text
    status, text, headers = told(of_nothing)
    assert told(of_bob) == (status, text.replace("/none", "/bobs"), headers)
    assert made.status_code == 201


def test_what_tells_of_the_hidden_is_hidden_whoever_wrote_it(own_ward: Guarded) -> None:
    with own_ward.client() as everybody:
        made = everybody.post("Provenance", json=a_provenance("Observation/bobs"))
        made.raise_for_status()
    where = f"Provenance/{made.json()['id']}"
    with (
        own_ward.client(purpose=ADMINISTRATION) as clerk,
        own_ward.client(purpose="TREAT") as doctor,
    ):
        assert clerk.get(where).status_code == 404
        assert clerk.get("Provenance?_summary=count").json()["total"] == 0
        assert doctor.get(where).status_code == 200


def test_what_is_written_together_may_tell_of_itself(own_ward: Guarded) -> None:
    new = an_observation("", "ada") | {"id": "new"}
    entries = [
        {
            "resource": a_provenance("Observation/new"),
            "request": {"method": "POST", "url": "Provenance"},
        },
        {"resource": new, "request": {"method": "PUT", "url": "Observation/new"}},
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    with own_ward.client(purpose=ADMINISTRATION) as clerk:
        written = clerk.post("", json=bundle)

    assert written.status_code == 200, written.text


WRITES: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("POST", "Observation", {}),
    ("PUT", "Observation/bobs", {}),
    ("PUT", "Observation/adas", {}),
    ("PUT", "Observation?_id=adas", {}),
    ("DELETE", "Observation/adas", {}),
    ("DELETE", "Observation/nothing", {}),
    ("DELETE", "Observation?_id=bobs", {}),
    ("POST", "Observation", {"if-none-exist": "_id=bobs"}),
)


@pytest.mark.parametrize("purpose", ["HRESCH", "HOPERAT", "POPHLTH", "HPAYMT"])
def test_purposes_that_opt_outs_bind_write_nothing_whatever_there_is(
    own_ward: Guarded, tmp_path: Path, purpose: str
) -> None:
    register = _register(own_ward, tmp_path)
    with own_ward.client(purpose=purpose) as other:
        answers = [
            other.request(
                method, url, json=an_observation(url.rpartition("/")[2], "ada"), headers=headers
            )
            for method, url, headers in WRITES
        ]
        consent = other.put("Consent/mine", json=a_consent("mine", "bob", "HRESCH"))

    assert register == 0
    assert {each.status_code for each in (*answers, consent)} == {403}
    assert len({each.text for each in (*answers, consent)}) == 1


def _register(ward: Guarded, folder: Path) -> int:
    """Load an empty register of opt-outs into the store that is served."""
    yesterday = datetime.fromtimestamp(clock() / 1e6, UTC) - timedelta(days=1)
    file = folder / "register.txt"
    file.write_text("NHS number\n")
    day = yesterday.date().isoformat()
    store = f"sqlite:{folder / 'fhir.db'}"
    return typed("optout", "load", str(file), "--as-of", day, "--store", store).returncode


def test_nobody_takes_another_persons_nhs_number(own_ward: Guarded) -> None:
    """As one person with Bob, Ada could consent to what he refused."""
    other = a_patient("ada", 2, "Lovelace")
    both = a_patient("ada", 1, "Lovelace")
    both["identifier"].append({"system": NHS_NUMBER, "value": nhs_number(2)})
    change = [{"op": "replace", "path": "/identifier/0/value", "value": nhs_number(2)}]
    with own_ward.client("patient/*.cruds", patient="ada") as ada:
        bundle = {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [{"resource": other, "request": {"method": "PUT", "url": "Patient/ada"}}],
        }
        answers = [
            ada.put("Patient/ada", json=other),
            ada.put("Patient/ada", json=both),
            ada.put("Patient?_id=ada", json=other),
            ada.patch("Patient/ada", json=change, headers=KIND),
            ada.post("", json=bundle),
        ]
        own = ada.put("Patient/ada", json=a_patient("ada", 1, "King"))

    assert [each.status_code for each in answers] == [403] * 5
    assert own.status_code == 200


def test_a_link_to_another_patient_opens_nothing(own_ward: Guarded) -> None:
    linked = a_patient("ada", 1, "Lovelace")
    linked["link"] = [{"other": {"reference": "Patient/bob"}, "type": "seealso"}]
    with own_ward.client("patient/*.cruds", patient="ada") as ada:
        assert ada.put("Patient/ada", json=linked).status_code == 200
        assert ada.get("Patient/bob").status_code == 404
        assert ada.get("Patient/bob/Observation").json()["total"] == 0
        assert names(ada.get("Patient?_include=Patient:link").json()) == ["ada"]


def test_nobody_consents_for_another(own_ward: Guarded) -> None:
    with own_ward.client("patient/*.cruds", patient="ada") as ada:
        made = ada.put("Consent/bobs", json=a_consent("bobs", "bob"))
        new = {name: value for name, value in a_consent("", "bob").items() if name != "id"}
        posted = ada.post("Consent", json=new)
        deleted = ada.delete("Consent/bobs")
    with own_ward.client(purpose=ADMINISTRATION) as clerk:
        assert clerk.get("Patient/bob").status_code == 404

    assert (made.status_code, posted.status_code, deleted.status_code) == (403, 403, 204)


def test_who_moves_a_resource_to_another_patient_has_it_refused(own_ward: Guarded) -> None:
    with own_ward.client("patient/*.cruds", patient="ada") as ada:
        assert ada.put("Observation/adas", json=an_observation("adas", "bob")).status_code == 403
        assert ada.get("Observation/adas").json()["subject"]["reference"] == "Patient/ada"
