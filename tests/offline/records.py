"""Others' records in a store, with histories, deletions, denials, values and an audit log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fhir_server.audit.event import Agent, Event, encoded
from fhir_server.bulk.loading import Tally
from fhir_server.fhir.resource import Key
from fhir_server.offline.loading import load_into_store
from fhir_server.offline.opting_out import load_opt_outs
from fhir_server.rules import enforcement
from fhir_server.settings import Settings
from fhir_server.storage.contract import Delete
from fhir_server.wiring import clock, opened_store
from tests.storage.conftest import NHS_NUMBER
from tests.support.data import shared_data

EVENT = Event(1_795_000_000_000_000, "read", agent=Agent("https://issuer.example", "dr-jones"))
NUMBERS = ("9990000018", "9990000026", "9990000034")


def records(every: int) -> Iterator[dict[str, Any]]:
    """Yield every so many of the records of each type."""
    for path in sorted((shared_data() / "records").glob("*.ndjson")):
        for line in path.read_text().splitlines()[::every]:
            yield json.loads(line)


def a_consent(patient: str) -> dict[str, Any]:
    """Return a Consent that denies research."""
    research = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HRESCH"}
    return {
        "resourceType": "Consent",
        "id": f"of-{patient}",
        "status": "active",
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "category": [{"coding": [{"code": "59284-0", "system": "http://loinc.org"}]}],
        "patient": {"reference": f"Patient/{patient}"},
        "policyRule": {"coding": [{"code": "OPTIN"}]},
        "provision": {"type": "deny", "purpose": [research]},
    }


async def fill(settings: Settings, folder: Path, *, every: int = 1) -> int:
    """Load records, every third of them in two versions, and delete every seventh; return how many there are."""
    known = list(records(every))
    patients = [each for each in known if each["resourceType"] == "Patient"]
    for patient, number in zip(patients, NUMBERS, strict=False):
        patient["identifier"] = [{"system": NHS_NUMBER, "value": number}]
    async with opened_store(settings, enforcement()) as store:
        await store.audit_log.append(encoded(EVENT), durable=True)
        await store.key_values.put("client", "app", b"{}", now=clock())
        await store.key_values.put("session", "s", b"{}", now=clock())
        await store.secret("cursor")
    await _load(settings, folder, [*known, a_consent(patients[0]["id"])])
    await _load(settings, folder, [each | {"language": "en"} for each in known[::3]])
    gone = [Delete(Key(each["resourceType"], each["id"])) for each in known[::7]]
    async with opened_store(settings, enforcement()) as store:
        await store.write(gone, atomic=False)
    await load_opt_outs(settings, set(NUMBERS[1:]), as_of=clock())
    return len(known)


async def _load(settings: Settings, folder: Path, resources: list[dict[str, Any]]) -> None:
    source, tally = folder / "records.ndjson", Tally()
    source.write_text("".join(json.dumps(each) + "\n" for each in resources))
    await load_into_store(
        settings, [source], report=lambda *_: None, tally=tally, processes=1, keep_invalid=True
    )
    assert tally.rejected == 0
