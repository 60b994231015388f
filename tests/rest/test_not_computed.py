"""`Consent/$not-computed`: reviewers are told which Consents are not applied as they were meant, others nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fhir_server.demonstration.identifiers import nhs_number
from fhir_server.operations import not_computed
from fhir_server.policy.consents import ACT_REASON
from fhir_server.policy.personal import NHS_NUMBER
from tests.rest.access import Guarded
from tests.rest.trust import CONSULTANT, EMERGENCY, OFFICER, a_denial, get, people, running_trust

PATH = "Consent/$not-computed"
UNTYPED = {"purpose": [{"system": ACT_REASON, "code": "HRESCH"}]}


def a_contained_patient(*numbers: int) -> dict[str, Any]:
    """Return what a Consent says that names its patient inside itself."""
    told = [{"system": NHS_NUMBER, "value": nhs_number(each)} for each in numbers]
    contained = {"resourceType": "Patient", "id": "p", "identifier": told}
    return {"patient": {"reference": "#p"}, "contained": [contained]}


def records() -> Iterator[dict[str, Any]]:
    """Yield people, Consents that are clear, and some that are not."""
    yield from people()
    yield a_denial("clear", "p1", "HRESCH")
    yield a_denial("untyped", "p2") | {"provision": UNTYPED}
    yield a_denial("coded", "p3") | {"provision": {"type": "deny", "code": [{"text": "x"}]}}
    yield a_denial("over", "p4") | {"status": "inactive", "provision": UNTYPED}
    yield a_denial("nobody's", "p5") | {"id": "nobodys", "patient": {"display": "somebody"}}
    yield a_denial("several", "p6") | a_contained_patient(6, 7)


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Serve the trust."""
    with running_trust(tmp_path_factory.mktemp("not-computed"), records()) as served:
        yield served


def told(bundle: Mapping[str, Any]) -> dict[str, str]:
    """Return what is said of each Consent that is shown."""
    shown = [each for each in bundle.get("entry", ()) if each["search"]["mode"] == "match"]
    (outcome,) = [each for each in bundle["entry"] if each["search"]["mode"] == "outcome"]
    issues = [each["diagnostics"] for each in outcome["resource"]["issue"]]
    names = [each["resource"]["id"] for each in shown]
    return {name: "; ".join(each for each in issues if f"/{name} " in each) for name in names}


@pytest.mark.parametrize("who", [CONSULTANT, EMERGENCY, {"role": "R8009", "purpose": "PATADMIN"}])
def test_it_is_for_those_who_review(trust: Guarded, who: dict[str, Any]) -> None:
    assert get(trust, who, PATH).status_code == 403


def test_each_active_consent_that_is_not_applied_as_it_was_meant_is_told_with_the_reason(
    trust: Guarded,
) -> None:
    answer = get(trust, OFFICER, PATH)

    assert answer.status_code == 200, answer.text
    found = told(answer.json())
    assert found.keys() == {"untyped", "coded", "nobodys", "several"}
    assert "has no type" in found["untyped"]
    assert "provision.code" in found["coded"]
    assert "applied to nobody" in found["nobodys"]
    assert "several NHS numbers" in found["several"]


def test_all_are_found_however_many_are_looked_through_at_once(
    trust: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(not_computed, "READ_AT_ONCE", 1)
    path, pages, found = PATH, 0, set()

    while path:
        bundle = get(trust, OFFICER, path).json()
        entries = bundle.get("entry", ())
        found |= {each["resource"]["id"] for each in entries if each["search"]["mode"] == "match"}
        links = {each["relation"]: each["url"] for each in bundle["link"]}
        path, pages = links.get("next", "").removeprefix(f"{trust.base}/"), pages + 1

    assert pages >= 5
    assert found == {"untyped", "coded", "nobodys", "several"}


def test_where_all_are_clear_nothing_is_told(tmp_path: Path) -> None:
    with running_trust(tmp_path, [*people(), a_denial("clear", "p1")]) as clear:
        bundle = get(clear, OFFICER, PATH).json()

    assert bundle["resourceType"] == "Bundle"
    assert "entry" not in bundle
