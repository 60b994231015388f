"""One URL, several purposes: Consents, opt-outs and purposes of use over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess
from time import monotonic
from typing import Any

import pytest

from fhir_server.demonstration.identifiers import nhs_number
from fhir_server.wiring import clock
from tests.rest.access import Guarded, guarded
from tests.support.commands import typed
from tests.support.patience import PATIENCE

NHS = "https://fhir.nhs.uk/Id/nhs-number"
ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
SCOPES = "http://terminology.hl7.org/CodeSystem/consentscope"
TODAY = (datetime.fromtimestamp(clock() / 1_000_000, UTC) - timedelta(days=1)).date().isoformat()
"""Yesterday, which is past wherever the tests run."""
LONG_AGO = "2020-01-01"


def patient(logical_id: str, number: int) -> dict[str, Any]:
    identifier = [{"system": NHS, "value": nhs_number(number)}]
    return {"resourceType": "Patient", "id": logical_id, "identifier": identifier}


def observation(logical_id: str, whose: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": logical_id,
        "status": "final",
        "code": {"coding": [{"code": "hba1c"}]},
        "subject": {"reference": f"Patient/{whose}"},
    }


def consent(logical_id: str, whose: str, purpose: str) -> dict[str, Any]:
    return {
        "resourceType": "Consent",
        "id": logical_id,
        "status": "active",
        "scope": {"coding": [{"system": SCOPES, "code": "patient-privacy"}]},
        "category": [{"text": "privacy"}],
        "policyRule": {"text": "opt-out"},
        "patient": {"reference": f"Patient/{whose}"},
        "provision": {"type": "deny", "purpose": [{"system": ACT_REASON, "code": purpose}]},
    }


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the store is."""
    return tmp_path_factory.mktemp("disclosure") / "store.db"


@pytest.fixture(scope="module")
def ward(store: Path) -> Iterator[Guarded]:
    """Serve a ward of three people; each has an observation."""
    with guarded(store) as served, served.client() as client:
        for number, each in enumerate(("ada", "grace", "joan"), 1):
            assert client.put(f"Patient/{each}", json=patient(each, number)).status_code == 201
            answer = client.put(f"Observation/of-{each}", json=observation(f"of-{each}", each))
            assert answer.status_code == 201
        yield served


def optout(store: Path, *arguments: str) -> CompletedProcess[str]:
    """Run the command on the store that is being served."""
    return typed("optout", *arguments, "--store", f"sqlite:{store}")


def load(store: Path, *numbers: int, as_of: str = TODAY) -> None:
    """Load a register of these people."""
    file = store.with_name("register.txt")
    file.write_text("NHS number\n" + "".join(f"{nhs_number(each)}\n" for each in numbers))
    done = optout(store, "load", str(file), "--as-of", as_of)
    assert (done.returncode, done.stdout) == (
        0,
        f"{len(numbers)} NHS numbers loaded, as of {as_of}\n",
    )


def seen(ward: Guarded, purpose: str, path: str = "Observation?code=hba1c") -> list[str]:
    """Return the ids that a search finds for a purpose; their number is the total."""
    with ward.client(purpose=purpose) as client:
        body = client.get(path).json()
        counted = client.get(f"{path}&_summary=count").json()
    found = [each["resource"]["id"] for each in body.get("entry", ())]
    assert counted["total"] == len(found)
    return sorted(found)


@pytest.mark.parametrize("purpose", ["HMARKT", "COVAUTH", "HTEST", "fun"])
@pytest.mark.parametrize("path", ["Patient/ada", "Patient/nobody", "Observation?code=hba1c", ""])
def test_purposes_that_nobody_may_have_get_one_answer_whatever_there_is(
    ward: Guarded, purpose: str, path: str
) -> None:
    with ward.client(purpose=purpose) as client:
        answer = client.get(path)

    assert answer.status_code == 403
    assert answer.json()["issue"][0]["diagnostics"] == (
        "Nothing is disclosed for the token's purpose of use"
    )


@pytest.mark.parametrize("purpose", ["HRESCH", "TREAT"])
def test_how_a_search_is_answered_is_told_to_no_audience(
    ward: Guarded, store: Path, purpose: str
) -> None:
    load(store, 1)
    with ward.client(purpose=purpose) as client:
        asked = client.get("Observation?code=hba1c&_explain=true")
        unknown = client.get("Observation?code=hba1c&_explains=true")

    assert asked.status_code == unknown.status_code == 400
    assert "matches" not in asked.text


def test_a_file_that_is_no_register_changes_nothing(ward: Guarded, store: Path) -> None:
    load(store, 2)
    file = store.with_name("broken.txt")
    file.write_text(f"{nhs_number(1)}\n1234567890\n")
    refused = [
        optout(store, "load", str(file), "--as-of", TODAY),
        optout(store, "load", str(file)),
        optout(store, "load", str(file.with_name("none.txt")), "--as-of", TODAY),
        optout(store, "load", str(file), "--as-of", "2999-01-01"),
    ]

    assert [each.returncode for each in refused] == [1] * 4
    assert "line 2 holds no NHS number" in refused[0].stderr
    assert all(each.stderr.count("\n") == 1 for each in refused)
    assert seen(ward, "HRESCH") == ["of-ada", "of-joan"]


def test_a_register_that_is_out_of_date_stops_what_it_is_for_and_nothing_else(
    ward: Guarded, store: Path
) -> None:
    load(store, 2, as_of=LONG_AGO)
    # Where it was read just now its date is remembered for half a second.
    until = monotonic() + PATIENCE
    with ward.client(purpose="HRESCH") as client:
        while (refused := client.get("Observation?code=hba1c")).status_code == 200:
            assert monotonic() < until
    told = optout(store, "status")

    assert refused.status_code == 403
    assert "optout load" in refused.json()["issue"][0]["diagnostics"]
    assert told.returncode == 1
    assert "out of date" in told.stderr
    assert len(seen(ward, "TREAT")) == 3
    load(store)
    assert optout(store, "status").returncode == 0


def test_an_opt_out_takes_effect_on_a_running_server_and_for_other_uses_alone(
    ward: Guarded, store: Path
) -> None:
    load(store)
    before = seen(ward, "HRESCH")
    load(store, 1)

    assert before == ["of-ada", "of-grace", "of-joan"]
    assert seen(ward, "HRESCH") == ["of-grace", "of-joan"]
    assert seen(ward, "HOPERAT", "Patient?identifier:missing=false") == ["grace", "joan"]
    assert seen(ward, "TREAT") == before
    assert seen(ward, "PUBHLTH") == before


def test_who_opted_out_is_as_absent_as_who_was_never_there(ward: Guarded, store: Path) -> None:
    load(store, 1)
    with ward.client(purpose="HRESCH") as client:
        hidden, absent = client.get("Patient/ada"), client.get("Patient/xyz")
        history = client.get("Patient/ada/_history")
        included = client.get("Observation?_id=of-ada&_include=Observation:subject").json()
        chained = client.get(f"Observation?patient.identifier={nhs_number(1)}").json()

    assert hidden.status_code == absent.status_code == 404
    assert hidden.text.replace("ada", "xyz") == absent.text
    assert history.status_code == 404
    assert included["total"] == chained["total"] == 0


def test_a_consent_takes_effect_with_its_write_until_it_is_withdrawn(
    ward: Guarded, store: Path
) -> None:
    load(store)
    with ward.client(purpose="TREAT") as carer:
        before = seen(ward, "HRESCH")
        made = carer.put("Consent/c", json=consent("c", "grace", "HRESCH"))
        denied = seen(ward, "HRESCH")
        moved = carer.put("Consent/c", json=consent("c", "grace", "TREAT"))
        own = seen(ward, "TREAT")
        research = seen(ward, "HRESCH")

    assert (made.status_code, moved.status_code) == (201, 200)
    assert before == ["of-ada", "of-grace", "of-joan"]
    assert denied == own == ["of-ada", "of-joan"]
    assert research == before
    with ward.client(purpose="PATADMIN") as booking:
        assert booking.delete("Consent/c").status_code == 204
    assert seen(ward, "TREAT") == before


def test_an_open_cursor_obeys_what_was_laid_down_meanwhile(ward: Guarded, store: Path) -> None:
    load(store)
    with ward.client(purpose="HRESCH") as client:
        page = client.get("Observation?code=hba1c&_count=1").json()
        first = page["entry"][0]["resource"]["id"]
        following = next(each["url"] for each in page["link"] if each["relation"] == "next")
        others = {"of-ada": 1, "of-grace": 2, "of-joan": 3}
        del others[first]
        hidden = min(others)
        load(store, others[hidden])
        rest = client.get(following).json()

    assert [each["resource"]["id"] for each in rest["entry"]] == sorted(others)[1:]


def test_a_conditional_write_tells_nothing_of_what_is_hidden(ward: Guarded) -> None:
    body = {"resourceType": "Basic", "code": {"text": "x"}, "subject": {"reference": "Patient/ada"}}
    condition = {"if-none-exist": "subject=Patient/ada"}
    with ward.client(purpose="TREAT") as carer, ward.client(purpose="PATADMIN") as other:
        assert carer.post("Basic", json=body).status_code == 201
        assert carer.put("Consent/c", json=consent("c", "ada", "PATADMIN")).status_code == 201
        seen_by_carer = carer.post("Basic", json=body, headers=condition)
        hidden = other.post("Basic", json=body, headers=condition)
        carer.delete("Consent/c").raise_for_status()

    assert seen_by_carer.status_code == 200
    assert hidden.status_code == 201
