"""Who asks all members at once with a token: refused before anybody is asked, told to members, decided on at both ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from time import time_ns
from typing import Any

import httpx2 as httpx
import jwt
import pytest

from fhir_server.auth.server.clients import Client
from fhir_server.demonstration.identifiers import nhs_number
from fhir_server.federation.members import Credentials
from fhir_server.offline.opting_out import load_opt_outs
from tests.rest.access import RECORDS
from tests.rest.trusting import (
    Federation,
    a_denial,
    a_patient,
    an_observation,
    federation,
    hub_client,
    identifier,
    put,
    shown,
    statuses,
)

PLANNING = {"purpose": "HOPERAT", "role": "R8012", **RECORDS}


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """Return a hub and two members with five people, some at both; tests leave it as it was."""
    with federation(tmp_path_factory.mktemp("callers"), "a", "b") as found:
        for number, each in enumerate(found.members.values()):
            with each.client() as client:
                put(client, {"resourceType": "Organization", "id": "o", "name": "Trust"})
                for person in range(number * 2, number * 2 + 3):
                    in_order = f"199{person}-01-0{number + 1}"
                    reference = {"reference": "Organization/o"}
                    put(
                        client,
                        a_patient(
                            f"p{person}",
                            person,
                            birthDate=in_order,
                            managingOrganization=reference,
                        ),
                        an_observation(f"o{person}", f"p{person}", effectiveDateTime=in_order),
                    )
        register_opt_outs(found)
        yield found


def asked(joined: Federation, path: str, **claims: Any) -> Any:
    """Return the answer to a caller."""
    with joined.client(**claims) as client:
        answer = client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "no scope": ({"scope": ""}, "Patient", "insufficient"),
    "a scope on another type": ({"scope": "user/Observation.rs"}, "Patient", ""),
    "a scope on another type than is searched at one member": (
        {"scope": "user/Observation.rs"},
        "a/Patient",
        "",
    ),
    "a scope to read alone": ({"scope": "user/Patient.r"}, "Patient", ""),
    "a scope to search alone": ({"scope": "user/Patient.s"}, "a/Patient/p0", ""),
    "a scope of one patient": (
        {"scope": "patient/*.rs", "patient": "p0", "purpose": "TREAT"},
        "Patient",
        "one patient",
    ),
    "the own record": (
        {"scope": "patient/*.rs", "patient": "p0", "purpose": "PATRQT", "role": None},
        "Patient",
        "one patient",
    ),
    "no organisation": ({"organisation": None}, "Patient", "names none"),
    "an organisation that is no code": ({"organisation": "X 99"}, "Patient", "organization_id"),
    "a purpose that nobody may have": ({"purpose": "HMARKT"}, "Patient", "Nothing is disclosed"),
    "a purpose that nobody knows": ({"purpose": "fun"}, "Patient", "Nothing is disclosed"),
    "an emergency": ({"purpose": "BTG"}, "Patient", "emergency"),
    "a role that nobody knows": ({"role": "R9999"}, "Patient", "not known here"),
    "a role that is not for it": ({"role": "R8012"}, "Patient", "not for the purpose"),
    "numbers alone": (
        {"role": "R8012", "purpose": "HOPERAT", "programme": None},
        "Patient",
        "not disclosed",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_caller_may_not_ask_at_all_is_asked_of_nobody(joined: Federation, name: str) -> None:
    claims, path, told = REFUSED[name]
    before = [tokens_given(joined, each) for each in joined.members]
    with joined.client(**claims) as client:
        refused = client.get(path)
    assert refused.status_code == 403
    assert refused.json()["resourceType"] == "OperationOutcome"
    assert told == "insufficient" or told in refused.text
    assert [tokens_given(joined, each) for each in joined.members] == before


def tokens_given(joined: Federation, name: str) -> int:
    """Return how many AuditEvents a member has of tokens for the hub."""
    with joined.members[name].client(purpose="HCOMPL", role="R5105") as client:
        body = client.get("AuditEvent?_summary=count&agent=hub").json()
        total: int = body.get("total", 0)
        return total


BY_RESULT = "Patient?_has:Observation:patient:date=1992-01-02"
"""An Observation that one of two members has of somebody whom both know."""


def test_a_patient_is_found_by_what_another_member_has(joined: Federation) -> None:
    found = asked(joined, BY_RESULT)
    assert shown(found) == ["Patient/p2", "Patient/p2"]
    assert (found["total"], statuses(found)) == (2, {"a": "ok", "b": "ok"})


def test_without_a_token_nothing_is_told(joined: Federation) -> None:
    for path in ("Patient", "a/Patient/p0", "a/Patient/nobody", "nobody/Patient/p0"):
        assert httpx.get(f"{joined.base}/{path}").status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        "Patient?_has:Observation:patient:encounter.status=finished",
        "Patient?_has:Observation:patient:_has:Provenance:target:recorded=2024",
        "Organization?_has:Patient:organization:birthdate=1990",
        "Observation?encounter.status=finished",
        "Observation?encounter:Encounter.status:not=finished",
        "Patient?_list=l",
        "Observation?patient.identifier=9990000018",
    ],
)
def test_what_would_be_found_by_way_of_somebody_else_is_not_asked(
    joined: Federation, path: str
) -> None:
    with joined.client() as client:
        refused = client.get(path)
    assert refused.status_code == 400
    assert "cannot be decided on here" in refused.text


def test_a_cursor_is_of_one_caller_for_one_purpose(joined: Federation) -> None:
    first = asked(joined, "Patient?_count=2&_sort=birthdate")
    (url,) = [each["url"] for each in first["link"] if each["relation"] == "next"]
    for other in ({"sub": "another"}, {"purpose": "PATADMIN", "role": "R8008"}, {"role": "R8001"}):
        with joined.client(**other) as client:
            assert client.get(url).status_code == 400, other
    with joined.client() as client:
        assert shown(client.get(url).json()) == ["Patient/p2", "Patient/p2"]


def test_what_is_registered_bounds_what_a_member_gives(joined: Federation) -> None:
    try:
        joined.members["a"].registered(registration(joined, on_behalf=("PATADMIN",)))
        by_purpose = asked(joined, "Patient", sub="by-purpose")
        joined.members["a"].registered(registration(joined, scopes=("system/Slot.rs",)))
        by_scope = asked(joined, "Patient", sub="by-scope")
        joined.members["a"].registered(registration(joined, organisation="RYY"))
        by_organisation = asked(joined, "Patient", sub="by-organisation")
    finally:
        joined.register()
    for each in (by_purpose, by_scope, by_organisation):
        assert statuses(each) == {"a": "unauthorised", "b": "ok"}
        assert "total" not in each
        assert shown(each) == ["Patient/p4", "Patient/p3", "Patient/p2"]
    assert "invalid_grant" in str(by_purpose)


def registration(joined: Federation, **changes: Any) -> Client:
    return hub_client(joined.base, **changes)


@pytest.mark.parametrize(
    ("changes", "claims", "told"),
    [
        ({"credentials": None}, {}, "unauthorised"),
        ({"credentials": None, "open": True}, {}, "unauthorised"),
        ({"credentials": Credentials("nobody", "", ("system/*.rs",))}, {}, "unauthorised"),
        ({"credentials": Credentials("plain", "", ("system/*.rs",), on_behalf=False)}, {}, "ok"),
        (
            {"credentials": Credentials("plain", "", ("system/*.rs",), on_behalf=False)},
            PLANNING,
            "unauthorised",
        ),
    ],
)
def test_a_member_is_asked_in_the_way_that_was_said_and_in_no_other(
    joined: Federation, changes: dict[str, Any], claims: dict[str, Any], told: str
) -> None:
    plain = registration(joined, id="plain", on_behalf=(), purpose="TREAT", role="integration")
    joined.members["a"].registered(plain)
    joined.enrol("a", **changes)
    try:
        assert statuses(asked(joined, "Patient", **claims))["a"] == told
    finally:
        joined.enrol("a")


def register_opt_outs(joined: Federation, *numbers: int) -> None:
    """Put these people on the hub's register of opt-outs, and nobody on those of the members."""
    now = time_ns() // 1000
    for each in joined.members.values():
        asyncio.run(load_opt_outs(each.settings, (), as_of=now))
    asyncio.run(load_opt_outs(joined.settings, list(map(nhs_number, numbers)), as_of=now))


def test_both_members_answer_as_one(joined: Federation) -> None:
    found = asked(joined, "Patient?_sort=birthdate")
    assert statuses(found) == {"a": "ok", "b": "ok"}
    assert shown(found) == [f"Patient/p{each}" for each in (0, 1, 2, 2, 3, 4)]
    assert found["total"] == 6
    assert asked(joined, "Patient?_summary=count")["total"] == 6
    # A person is looked for by number: the reference leads to somebody whom the match mentions.
    by_number = asked(joined, f"Observation?patient:Patient.identifier={nhs_number(2)}")
    assert shown(by_number) == ["Observation/o2", "Observation/o2"]


def test_one_member_is_asked_alone_and_the_others_are_told_nothing(joined: Federation) -> None:
    before = tokens_given(joined, "b")
    found = asked(joined, "a/Patient?_sort=birthdate", organisation="X26")
    assert statuses(found) == {"a": "ok"}
    assert shown(found) == ["Patient/p0", "Patient/p1", "Patient/p2"]
    assert tokens_given(joined, "b") == before


@pytest.mark.parametrize(("code", "number"), [("8480-6", 6), ("4548-4", 0)])
def test_a_scope_with_search_parameters_reaches_no_further_through_the_hub(
    joined: Federation, code: str, number: int
) -> None:
    found = asked(joined, "Observation", scope=f"user/Observation.rs?code={code}")
    assert statuses(found) == {"a": "ok", "b": "ok"}
    assert len(shown(found)) == number


def test_what_is_included_needs_a_scope_of_its_own(joined: Federation) -> None:
    path = "Patient?_id=p0&_include=Patient:organization"
    assert shown(asked(joined, path), "include") == ["Organization/o"]
    assert shown(asked(joined, path, scope="user/Patient.rs"), "include") == []


def test_a_member_records_the_caller_the_hub_and_the_purpose(joined: Federation) -> None:
    asked(joined, "Patient?birthdate=1991", sub="dr-who")
    with joined.members["a"].client(purpose="HCOMPL", role="R5105") as client:
        events = client.get("AuditEvent?patient=Patient/p1&_sort=-date").json()["entry"]
    told = str([each["resource"] for each in events])
    assert f"{joined.hub.issuer.url}#dr-who" in told
    assert "'value': 'hub'" in told
    assert "'code': 'TREAT'" in told
    assert "X99" in told


def test_the_hub_records_one_event_that_names_members_and_the_people_it_knows(
    joined: Federation,
) -> None:
    with joined.hub.client() as client:
        put(client, a_patient("known", 1))
    asked(joined, "Patient?birthdate=1991", sub="dr-hub")
    with joined.hub.client(purpose="HCOMPL", role="R5105") as client:
        found = client.get("AuditEvent?patient=Patient/known&_sort=-date").json()["entry"]
    events = [each["resource"] for each in found if "dr-hub" in str(each)]
    assert [each["outcomeDesc"] for each in events] == ["members: a ok, b ok"]


def test_what_was_denied_at_the_hub_is_as_if_no_member_had_it(joined: Federation) -> None:
    paths = ("Patient?_sort=birthdate&_count=2", "Observation?_sort=date", "Patient?_id=p2")
    with joined.hub.client() as client:
        put(client, a_patient("denying", 2), a_denial("denying", "TREAT"))
    try:
        first, observations, by_id = (asked(joined, each) for each in paths)
        counted = asked(joined, "Patient?_summary=count")
        by_result = asked(joined, BY_RESULT)
        with joined.client() as client:
            read = [
                [client.get(f"b/Patient/{each}{below}") for each in ("p2", "nobody")]
                for below in ("", "/_history", "/_history/1")
            ]
    finally:
        # For another purpose: for this one the Consent hides itself.
        with joined.hub.client(purpose="PATADMIN", role="integration") as client:
            assert client.delete("Consent/of-denying").status_code == 204
    assert shown(first) == ["Patient/p0", "Patient/p1"]
    assert shown(observations) == [f"Observation/o{each}" for each in (0, 1, 3, 4)]
    assert observations["total"] == 4
    assert (shown(by_id), by_id["total"]) == ([], 0)
    assert (shown(by_result), by_result["total"]) == ([], 0)
    assert counted["total"] == 4
    assert "fetched" not in str(first)
    assert "elapsed" not in str(first)
    for hidden, absent in read:
        assert hidden.status_code == absent.status_code == 404
        assert hidden.text.replace("p2", "nobody") == absent.text
    with joined.client() as client:
        assert client.get("b/Patient/p2/_history").json()["type"] == "history"
        assert client.get("b/Patient/p2/_history/1").json()["id"] == "p2"
    assert len(shown(asked(joined, "Patient"))) == 6


def test_what_is_hidden_here_cannot_be_written_over_and_is_answered_as_absent(
    joined: Federation,
) -> None:
    sealed = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    place = {"resourceType": "Location", "name": "A ward"}
    with joined.members["a"].client() as client:
        put(client, place | {"id": "seen"}, place | {"id": "kept", "meta": {"security": [sealed]}})
    answers = {}
    with joined.client(scope="user/*.cruds") as client:
        for each in ("kept", "nobody", "seen"):
            body = place | {"id": each}
            headers = {"If-Match": 'W/"1"', "Content-Type": "application/fhir+json"}
            answers[each] = client.put(f"a/Location/{each}", json=body, headers=headers)
    assert answers["kept"].status_code == answers["nobody"].status_code == 404
    assert answers["kept"].text.replace("kept", "nobody") == answers["nobody"].text
    # The hub is registered to read alone, whatever its callers may do.
    assert answers["seen"].status_code == 403


def test_what_is_denied_between_two_pages_is_on_none_that_follows(joined: Federation) -> None:
    first = asked(joined, "Patient?_count=2&_sort=birthdate")
    (url,) = [each["url"] for each in first["link"] if each["relation"] == "next"]
    with joined.hub.client() as client:
        put(client, a_patient("denying", 2), a_denial("denying", "TREAT"))
    try:
        with joined.client() as client:
            following = client.get(url).json()
    finally:
        with joined.hub.client(purpose="PATADMIN", role="integration") as client:
            assert client.delete("Consent/of-denying").status_code == 204
    assert shown(following) == ["Patient/p3", "Patient/p4"]
    assert [each["relation"] for each in following["link"]] == ["self"]


def test_a_request_goes_by_one_name_everywhere(joined: Federation) -> None:
    with joined.client() as client:
        client.get("Patient?birthdate=1990", headers={"X-Request-ID": "of-the-caller-7"})
    with joined.members["a"].client(purpose="HCOMPL", role="R5105") as client:
        told = client.get("AuditEvent?patient=Patient/p0&_sort=-date").text
    assert "of-the-caller-7" in told


def test_who_opted_out_at_the_hub_is_left_out_of_planning_and_so_is_who_is_not_known(
    joined: Federation,
) -> None:
    register_opt_outs(joined, 1, 99)
    strangers = (
        a_patient("no-number"),
        a_patient("not-verified", identifier=[identifier(77, "03")]),
        a_patient("verified", identifier=[identifier(78, "01")]),
        an_observation("of-no-number", "no-number"),
        an_observation("of-verified", "verified"),
    )
    with joined.members["a"].client() as client:
        put(client, *strangers)
        try:
            patients = asked(joined, "Patient?_count=50", **PLANNING)
            observations = asked(joined, "Observation?_count=50", **PLANNING)
            for_care = asked(joined, "Patient?_count=50")
        finally:
            for each in reversed(strangers):
                client.delete(f"{each['resourceType']}/{each['id']}")
            register_opt_outs(joined)
    assert statuses(patients) == {"a": "ok", "b": "ok"}
    assert sorted(shown(patients)) == [
        *(f"Patient/p{each}" for each in (0, 2, 2, 3, 4)),
        "Patient/verified",
    ]
    assert sorted(shown(observations)) == [
        "Observation/o0",
        "Observation/o2",
        "Observation/o2",
        "Observation/o3",
        "Observation/o4",
        "Observation/of-verified",
    ]
    assert len(shown(for_care)) == 9


def test_the_keys_of_assertions_are_published_and_sign_no_tokens(joined: Federation) -> None:
    (key,) = httpx.get(f"{joined.base}/jwks").json()["keys"]
    assert (key["alg"], key["use"]) == ("ES384", "sig")
    assert "d" not in key
    assert jwt.PyJWK(key).key_type == "EC"
