"""A small trust for the tests of roles: a ward, thirteen people, what is sensitive of some, and who asks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx

from fhir_server.demonstration.identifiers import nhs_number
from fhir_server.rules import enforcement
from fhir_server.storage.sqlite.store import open_store
from fhir_server.wiring import clock
from tests.rest.access import Guarded, guarded

NHS = "https://fhir.nhs.uk/Id/nhs-number"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
SCOPES = "http://terminology.hl7.org/CodeSystem/consentscope"
PEOPLE = 13

CONSULTANT = {"role": "R8000", "purpose": "TREAT"}
EMERGENCY = {"role": "R8000", "purpose": "BTG"}
NURSE = {"role": "S8000:G8000:R8001", "purpose": "TREAT"}
RECEPTIONIST = {"role": "R8009", "purpose": "PATADMIN"}
ANALYST = {"role": "R8012", "purpose": "HOPERAT", "programme": None}
INSURER = {"role": "R8000", "purpose": "COVAUTH"}
MARKETER = {"role": "R8000", "purpose": "HMARKT"}
PATIENT = {"patient": "p1", "purpose": None}
OFFICER = {"role": "R0001", "purpose": "HCOMPL"}
INTEGRATION = {"role": "integration", "purpose": "TREAT"}


def security(system: str, code: str) -> dict[str, Any]:
    return {"meta": {"security": [{"system": system, "code": code}]}}


RESTRICTED, SEALED = security(CONFIDENTIALITY, "R"), security(CONFIDENTIALITY, "V")
MENTAL_HEALTH = security(ACT_CODE, "PSY")


def a_patient(number: int) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": f"p{number}",
        "identifier": [{"system": NHS, "value": nhs_number(number)}],
        "gender": "female" if number <= 9 else "male",
        "name": [{"family": "Lovelace"}],
    }


def an_observation(name: str, whose: str, code: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "code": {"coding": [{"code": code}]},
        "subject": {"reference": f"Patient/{whose}"},
    } | more


def a_denial(name: str, whose: str, *purposes: str) -> dict[str, Any]:
    """Return a Consent that denies these purposes, or everything."""
    named = [{"system": ACT_REASON, "code": each} for each in purposes]
    return {
        "resourceType": "Consent",
        "id": name,
        "status": "active",
        "scope": {"coding": [{"system": SCOPES, "code": "patient-privacy"}]},
        "category": [{"text": "privacy"}],
        "policyRule": {"text": "as said"},
        "patient": {"reference": f"Patient/{whose}"},
        "provision": {"type": "deny", **({"purpose": named} if named else {})},
    }


def people() -> Iterator[dict[str, Any]]:
    """Yield thirteen people with a weight each."""
    for number in range(1, PEOPLE + 1):
        yield a_patient(number)
        yield an_observation(f"o{number}", f"p{number}", "weight")


@contextmanager
def running_trust(
    folder: Path, resources: Iterable[dict[str, Any]], **settings: Any
) -> Iterator[Guarded]:
    """Serve a store with these resources: the last of the people opted out, and users have no role by default."""
    store = folder / "store.db"
    asyncio.run(_register(store))
    given = {"default_role": None, "default_purpose": None} | settings
    with guarded(store, **given) as served:
        write(served, *resources)
        yield served


def write(trust: Guarded, *resources: dict[str, Any]) -> None:
    """Write resources as the integration engine does, for another purpose than care where they deny that."""
    with trust.client("system/*.cruds", **INTEGRATION) as client:
        for each in resources:
            client.put(f"{each['resourceType']}/{each['id']}", json=each).raise_for_status()


async def _register(store: Path) -> None:
    async with open_store(store, clock=clock, enforcement=enforcement()) as opened:
        await opened.replace_opt_outs([nhs_number(PEOPLE)], as_of=clock())


def get(
    trust: Guarded, who: dict[str, Any], path: str, scope: str = "user/*.cruds"
) -> httpx.Response:
    with trust.client("patient/*.rs" if who is PATIENT else scope, **who) as client:
        return client.get(path)


def post(
    trust: Guarded, who: dict[str, Any], path: str, scope: str = "user/*.cruds", **parameters: Any
) -> httpx.Response:
    """Invoke an operation with texts and numbers as parameters."""
    given = [
        {"name": name, "valueInteger" if isinstance(value, int) else "valueString": value}
        for name, value in parameters.items()
    ]
    body = {"resourceType": "Parameters", **({"parameter": given} if given else {})}
    with trust.client(scope, **who) as client:
        return client.post(path, json=body, headers={"content-type": "application/fhir+json"})


def ids(answer: httpx.Response) -> set[str]:
    return {each["resource"]["id"] for each in answer.json().get("entry", ())}


def told(answer: httpx.Response) -> str:
    issue: str = answer.json()["issue"][0]["diagnostics"]
    return issue
