"""`$explain-access`: the decision, what it rests on, and that it is what a request is answered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.rest.access import Guarded
from tests.rest.trust import (
    CONSULTANT,
    EMERGENCY,
    MENTAL_HEALTH,
    OFFICER,
    RESTRICTED,
    a_denial,
    an_observation,
    get,
    people,
    post,
    running_trust,
    told,
)

GUARDIAN = {"role": "R5105", "purpose": "HCOMPL"}


def records() -> Iterator[dict[str, Any]]:
    """Yield the people, what is labelled, and two who said something."""
    yield from people()
    yield an_observation("m2", "p2", "mood", **MENTAL_HEALTH)
    yield an_observation("r2", "p2", "fame", **RESTRICTED)
    yield a_denial("c3", "p3", "TREAT")
    yield a_denial("c4", "p4", "HRESCH")
    yield {"resourceType": "Location", "id": "w1", "name": "Ward 1", "status": "active"}


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Serve the trust."""
    with running_trust(tmp_path_factory.mktemp("explain"), records()) as served:
        yield served


def explained(trust: Guarded, resource: str, **claims: str) -> dict[str, Any]:
    """Return what is told, by name."""
    answer = post(trust, OFFICER, "$explain-access", resource=resource, **claims)
    assert answer.status_code == 200, answer.text
    return {
        each["name"]: next((v for k, v in each.items() if k.startswith("value")), each.get("part"))
        for each in answer.json()["parameter"]
    }


@pytest.mark.parametrize("who", [CONSULTANT, EMERGENCY, {"role": "R8009", "purpose": "PATADMIN"}])
@pytest.mark.parametrize(
    "path",
    [
        "$explain-access?resource=Observation/o1&role=R8000&purpose=TREAT",
        "Observation/o1/$explain-access?role=R8000&purpose=TREAT",
        "Observation/none/$explain-access?role=R8000&purpose=TREAT",
    ],
)
def test_it_is_for_those_who_review(trust: Guarded, who: dict[str, Any], path: str) -> None:
    assert get(trust, who, path).status_code == 403


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("$explain-access?role=R8000&purpose=TREAT", 400, "needs resource="),
        ("$explain-access?resource=Observation&role=R8000&purpose=TREAT", 400, "needs resource="),
        ("$explain-access?resource=Observation/o1&role=R8000", 400, "needs purpose="),
        ("$explain-access?resource=Observations/o1&purpose=TREAT", 404, "no resource type"),
        ("$explain-access?resource=Observation/none&role=R8000&purpose=TREAT", 404, "not known"),
        ("$explain-access?resource=Observation/o1&purpose=TREAT&who=me", 400, "no parameter"),
        ("Observation/none/$explain-access?role=R8000&purpose=TREAT", 404, "not known"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(
    trust: Guarded, path: str, status: int, said: str
) -> None:
    answer = get(trust, OFFICER, path)

    assert answer.status_code == status
    assert said in told(answer)


@pytest.mark.parametrize(
    ("resource", "claims", "decision", "rule"),
    [
        ("Observation/o1", {"role": "R8000", "purpose": "TREAT"}, "permit", "default:direct-care"),
        ("Observation/o3", {"role": "R8000", "purpose": "TREAT"}, "deny", "consent:deny"),
        ("Observation/o3", {"role": "R8000", "purpose": "BTG"}, "deny", "consent:deny"),
        ("Observation/o1", {"role": "R8009", "purpose": "PATADMIN"}, "deny", "role"),
        ("Observation/o1", {"role": "R8012", "purpose": "HOPERAT"}, "deny", "numbers"),
        ("Location/w1", {"role": "R8012", "purpose": "HOPERAT"}, "permit", "default:planning"),
        ("Observation/o1", {"role": "R8009", "purpose": "TREAT"}, "deny", "claims"),
        ("Observation/o1", {"role": "R1", "purpose": "TREAT"}, "deny", "claims"),
        ("Observation/o1", {"purpose": "TREAT"}, "deny", "claims"),
        ("Observation/o1", {"role": "R8000", "purpose": "COVAUTH"}, "deny", "claims"),
        ("Observation/m2", {"role": "R8000", "purpose": "TREAT"}, "permit", "default:direct-care"),
        ("Observation/m2", {"role": "R8001", "purpose": "TREAT"}, "deny", "label:mental-health"),
        ("Observation/r2", {"role": "R8000", "purpose": "TREAT"}, "deny", "label:restricted"),
        ("Observation/o3", {"purpose": "PATRQT", "patient": "p3"}, "permit", "default:own-request"),
        ("Observation/o13", {"role": "service", "purpose": "HRESCH", "programme": "records", "organisation": "X99"}, "deny", "opt-out:deny"),
        ("Observation/o13", {"role": "service", "purpose": "HRESCH", "programme": "exempt", "organisation": "X99"}, "permit", "default:research"),
        ("Observation/o4", {"role": "service", "purpose": "HRESCH", "programme": "exempt", "organisation": "X99"}, "deny", "consent:deny"),
    ],
)  # fmt: skip
def test_what_is_told_is_what_a_request_is_answered(
    trust: Guarded, resource: str, claims: dict[str, str], decision: str, rule: str
) -> None:
    found = explained(trust, resource, **claims)
    asker = {"role": None, "programme": None} | claims
    scope = "patient/*.rs" if "patient" in claims else "user/*.rs"
    read = get(trust, asker, resource, scope)

    assert (found["decision"], found["rule"]) == (decision, rule)
    assert found["words"]
    assert (read.status_code == 200) is (decision == "permit")


def test_a_consent_is_named_with_what_it_lays_down(trust: Guarded) -> None:
    found = explained(trust, "Observation/o3", role="R8000", purpose="TREAT")

    assert found["because"] == [
        {"name": "consent", "valueReference": {"reference": "Consent/c3"}},
        {"name": "words", "valueString": "It denies everything for TREAT to anyone."},
    ]


def test_on_an_instance_the_resource_is_the_one_that_it_is_asked_on(trust: Guarded) -> None:
    path = "Observation/o3/$explain-access?role=R8000&purpose=TREAT"
    found = get(trust, GUARDIAN, path).json()["parameter"]

    assert {"name": "resource", "valueReference": {"reference": "Observation/o3"}} in found


def test_the_capability_statement_names_it(trust: Guarded) -> None:
    (rest,) = get(trust, OFFICER, "metadata").json()["rest"]

    assert [each["name"] for each in rest["operation"]] == ["explain-access"]
