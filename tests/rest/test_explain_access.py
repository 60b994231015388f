"""`$explain-access`: the decision, what it rests on, and that it is what a request is answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fhir_server.auth.server.users import User
from tests.rest.access import Guarded, guarded
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
from tests.support.smart import enrol

GUARDIAN = {"role": "R5105", "purpose": "HCOMPL"}


PEOPLE = (
    User("ada", "Ada", role="R8000", organisation="X26", purposes=("TREAT", "BTG")),
    User("rita", "Rita", role="R8009", organisation="X26", purposes=("PATADMIN",)),
    User("pat", "Pat", patients=("p3",)),
    User("paul", "Paul", patients=("p1", "p3")),
)
"""Who has an account here."""


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
    folder = tmp_path_factory.mktemp("explain")
    with running_trust(folder, records()) as served:
        enrol(folder / "store.db", *PEOPLE)
        yield served


def explained(
    trust: Guarded, resource: str, by: Mapping[str, str] = OFFICER, /, **claims: str
) -> dict[str, Any]:
    """Return what is told, by name."""
    answer = post(trust, dict(by), "$explain-access", resource=resource, **claims)
    assert answer.status_code == 200, answer.text
    return values(answer.json()["parameter"])


def values(parameters: list[dict[str, Any]]) -> dict[str, Any]:
    """Return values, or parts, by name."""
    return {
        each["name"]: next((v for k, v in each.items() if k.startswith("value")), each.get("part"))
        for each in parameters
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
        ("Observation/o1/$explain-access?user=eve", 404, "'eve' has no account here"),
        ("Observation/o1/$explain-access?user=ada&role=R8009", 400, "which has its own"),
        ("Observation/o1/$explain-access?user=ada&organisation=X1", 400, "which has its own"),
        ("Observation/o1/$explain-access?user=ada&user=rita", 400, "takes one user"),
        ("Observation/o1/$explain-access?user=paul", 400, "records of several"),
        ("Observation/o1/$explain-access?user=ada&scopes=openid", 400, "no scope on resources"),
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
        ("Observation/o3", {"purpose": "PATRQT", "patient": "p1"}, "deny", "scopes"),
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


@pytest.mark.parametrize(
    ("resource", "scopes", "rule"),
    [
        ("Observation/o1", "user/Patient.rs", "scopes"),
        ("Observation/o1", "user/Observation.s", "scopes"),
        ("Observation/o1", "patient/*.rs", "scopes"),
        ("Observation/o1", "user/Observation.rs?code=fame", "scopes"),
        ("Observation/o3", "user/Patient.rs", "scopes"),
        ("Observation/o1", "user/Observation.rs?code=weight", "default:direct-care"),
        ("Observation/o1", "openid user/Observation.r", "default:direct-care"),
        ("Observation/o3", "user/Observation.r", "consent:deny"),
    ],
)
def test_scopes_bound_what_is_told_as_they_bound_a_request(
    trust: Guarded, resource: str, scopes: str, rule: str
) -> None:
    reviewer = GUARDIAN if "?" in scopes else OFFICER
    found = explained(trust, resource, reviewer, scopes=scopes, **CONSULTANT)
    read = get(trust, CONSULTANT, resource, scopes)

    assert found["rule"] == rule
    assert (read.status_code == 200) is (found["decision"] == "permit")


@pytest.mark.parametrize("resource", ["Observation/o1", "Observation/o3", "Observation/none"])
@pytest.mark.parametrize("code", ["weight", "fame"])
def test_a_reviewer_who_sees_no_records_learns_by_no_scope_what_they_hold(
    trust: Guarded, resource: str, code: str
) -> None:
    """Values could be found out one by one: `user/Observation.r?value-quantity=gt5`, and so on."""
    scopes = f"user/Observation.rs?code={code}"

    refused = post(
        trust, OFFICER, "$explain-access", resource=resource, scopes=scopes, **CONSULTANT
    )

    assert refused.status_code == 403
    assert f"reach {resource} would tell what it holds: you do not see it" in refused.text


@pytest.mark.parametrize(
    ("resource", "asked", "rule", "said"),
    [
        ("Observation/o1", {"user": "ada", "purpose": "HRESCH"}, "claims", "for TREAT, BTG, not"),
        ("Observation/o1", {"user": "paul", "patient": "p2"}, "claims", "may not choose"),
        ("Observation/o1", {"user": "pat"}, "scopes", "do not reach Observation/o1"),
        ("Observation/o3", {"user": "pat", "scopes": "user/*.rs"}, "scopes", "do not reach"),
        ("Observation/o1", {"user": "paul", "patient": "p3"}, "scopes", "do not reach"),
        ("Observation/o1", {"user": "rita"}, "role", "does not see Observation"),
        ("Observation/o3", {"user": "ada"}, "consent:deny", "denies"),
        ("Observation/r2", {"user": "ada"}, "label:restricted", ""),
        ("Observation/o1", {"user": "ada"}, "default:direct-care", ""),
        ("Observation/o1", {"user": "Ada", "purpose": "BTG"}, "default:break-glass", ""),
        ("Observation/o3", {"user": "pat"}, "default:own-request", ""),
        ("Observation/o1", {"user": "paul", "patient": "p1"}, "default:own-request", ""),
    ],
)
def test_of_an_account_it_is_told_what_its_token_would_be_answered(
    trust: Guarded, resource: str, asked: dict[str, str], rule: str, said: str
) -> None:
    found = explained(trust, resource, **asked)

    assert found["rule"] == rule
    assert said in found["words"]
    if rule != "claims":
        claims = {"role": None, "purpose": None, "organisation": None} | values(found["caller"])
        scope = asked.get("scopes") or ("patient/*.rs" if "patient" in claims else "user/*.rs")
        # A scope user/ is never given to who is bound to own records.
        scope = scope.replace("user/", "none/") if asked["user"] == "pat" else scope
        read = get(trust, claims, resource, scope)
        assert (read.status_code == 200) is (found["decision"] == "permit")


def test_the_claims_of_the_account_are_told(trust: Guarded) -> None:
    found = explained(trust, "Observation/o1", user="ada")

    assert values(found["caller"]) == {"role": "R8000", "purpose": "TREAT", "organisation": "X26"}


def test_without_a_register_of_opt_outs_nothing_is_told_for_what_needs_it(tmp_path: Path) -> None:
    with guarded(tmp_path / "store.db", default_role=None, default_purpose=None) as bare:
        found = explained(bare, "Observation/o1", role="R8012", purpose="HOPERAT")

    assert (found["decision"], found["rule"]) == ("deny", "claims")
    assert "register of opt-outs is missing" in found["words"]


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

    assert "explain-access" in [each["name"] for each in rest["operation"]]
