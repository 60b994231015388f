"""One store and its callers by choice, for what chance seldom makes: writes at hidden addresses, hidden steps of a way."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.catalogue.backfill import Backfill
from fhir_server.fhir.resource import Key
from fhir_server.policy.access import Access
from fhir_server.policy.scopes import parse_scopes
from fhir_server.wiring import service_of
from tests.noninterference.asking import LATER, SETTINGS, Clock
from tests.noninterference.keeping import Kept
from tests.noninterference.scripts import Ask
from tests.noninterference.sides import write
from tests.noninterference.worlds import ACT_REASON, LABELS, Resource, Step, to

STEPS_AT_MOST = 50


def _observation(name: str) -> Resource:
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "code": {"text": "x"},
        "subject": to("Patient", "bob"),
    }


def _place(name: str, above: str | None = None, about: str | None = None) -> Resource:
    extension = {"url": "urn:about", "valueReference": to("Patient", str(about))}
    return {
        "resourceType": "Location",
        "id": name,
        **({"partOf": to("Location", above)} if above else {}),
        **({"extension": [extension]} if about else {}),
    }


DENIAL: Resource = {
    "resourceType": "Consent",
    "id": "c",
    "status": "active",
    "scope": {
        "coding": [
            {
                "system": "http://terminology.hl7.org/CodeSystem/consentscope",
                "code": "patient-privacy",
            }
        ]
    },
    "category": [{"text": "privacy"}],
    "policyRule": {"text": "as told"},
    "patient": to("Patient", "bob"),
    "provision": {"type": "deny", "purpose": [{"system": ACT_REASON, "code": "PATADMIN"}]},
}

UNCLEAR: Resource = {
    **DENIAL,
    "id": "unclear",
    "provision": {"purpose": [{"system": ACT_REASON, "code": "HRESCH"}]},
}

PARAMETER: Resource = {
    "resourceType": "SearchParameter",
    "id": "spoken",
    "url": "urn:spoken",
    "name": "spoken",
    "description": "x",
    "status": "active",
    "code": "spoken",
    "base": ["Patient"],
    "type": "token",
    "expression": "Patient.communication.language",
}

RESOURCES: Sequence[Resource] = (
    {"resourceType": "Patient", "id": "bob"},
    _observation("o0"),
    _observation("o1"),
    {**_observation("o2"), "status": "preliminary"},
    _observation("o2"),
    _observation("o3"),
    {**_observation("o3"), "subject": to("Patient", "ada")},
    {
        "resourceType": "Provenance",
        "id": "told",
        "recorded": "2026-11-23T10:00:00Z",
        "target": [to("Observation", "o0")],
        "agent": [{"who": {"display": "somebody"}}],
    },
    {
        "resourceType": "Task",
        "id": "told",
        "status": "requested",
        "intent": "order",
        "focus": to("Provenance", "told"),
    },
    _place("site"),
    _place("ward", "site", "bob"),
    _place("room", "ward"),
    _place("hall", "site"),
    {
        "resourceType": "Encounter",
        "id": "e0",
        "status": "finished",
        "class": {"system": LABELS, "code": "AMB"},
        "location": [{"location": to("Location", "hall")}],
    },
    {
        "resourceType": "List",
        "id": "problems",
        "status": "current",
        "mode": "working",
        "code": {"coding": [{"system": "http://loinc.org", "code": "11450-4"}]},
        "subject": to("Patient", "bob"),
    },
    DENIAL,
    UNCLEAR,
    PARAMETER,
)

ASKS = (
    Ask("GET", "/Location?partof:below=site"),
    Ask("GET", "/Encounter?location:below=site"),
    Ask("GET", "/Condition?patient=bob&_list=$current-problems"),
    Ask("GET", "/SearchParameter/$status"),
    Ask("GET", "/Consent/$not-computed"),
    Ask("GET", "/Observation?_summary=count"),
    Ask("GET", "/Observation/o2/_history"),
    Ask("GET", "/Observation/o3/_history"),
    Ask("GET", "/Provenance?_summary=count"),
    Ask("GET", "/Task/told"),
    Ask(
        "POST",
        "/Observation",
        {"resourceType": "Observation", "status": "final", "code": {"text": "x"}},
        (("if-none-exist", "subject=Patient/bob"),),
    ),
)


def _caller(scopes: str, purpose: str, role: str, patient: str = "ada") -> Access:
    return Access(
        "https://issuer.example",
        "someone",
        parse_scopes(scopes),
        patient=patient,
        role=role,
        purpose=purpose,
    )


CALLERS = (
    _caller("system/*.cruds", "PATADMIN", "integration"),
    _caller("user/Encounter.rs", "PATADMIN", "R8000"),
    _caller("patient/*.rs", "PATRQT", "patient"),
    _caller("system/*.rs", "PATADMIN", "integration", "cy"),
    _caller("user/Observation.rs?status=final", "TREAT", "R8000"),
    _caller("user/Consent.rs?_id=c", "HCOMPL", "R0001"),
)


async def build_chosen(kept: Kept) -> None:
    """Write what was chosen into a new store."""
    clock = Clock()
    async with kept.open(clock) as store:
        service = await service_of(SETTINGS, store)
        steps: list[Step] = [(Key(each["resourceType"], each["id"]), each) for each in RESOURCES]
        for step in (*steps, (Key("Observation", "o1"), None)):
            clock.tick()
            await write(service, step)
        backfill = Backfill(store, service.register, "test")
        for _ in range(STEPS_AT_MOST):
            if not await backfill.step(LATER):
                break
