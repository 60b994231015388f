"""The waiting list for planned operations.

https://hl7.org/fhir/R4/servicerequest.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from fhir_server.demonstration.codes import PLATFORM, own_extension, reference, snomed
from fhir_server.demonstration.moments import days_before
from fhir_server.demonstration.people import consultants, person
from fhir_server.demonstration.trust import Trust, chance, the_patient
from fhir_server.fhir.resource import Resource

# Procedure, the position of its specialty among the consultants, its share of the list.
_OPERATIONS = (
    (snomed("52734007", "Total replacement of hip"), 0, 25),
    (snomed("609588000", "Total replacement of knee joint"), 0, 25),
    (snomed("54885007", "Extraction of cataract"), 1, 30),
    (snomed("44558001", "Repair of inguinal hernia"), 2, 12),
    (snomed("38102005", "Cholecystectomy"), 2, 8),
)
_CLINICAL_PRIORITIES = {"P2": 15, "P3": 35, "P4": 50}
_LONGEST_DAYS = 560
_ELECTIVE = snomed("103390000", "Elective")


@dataclass(frozen=True, slots=True)
class Entry:
    """One patient who waits: for what, since when, how urgently."""

    patient: int
    operation: Resource
    specialty: int
    clinical_priority: str
    since: date

    @property
    def id(self) -> str:
        """The logical id of the ServiceRequest."""
        return f"referral-{self.patient:04}"


def waiting_list(trust: Trust) -> Sequence[Entry]:
    """Return who waits, in the order in which they are to be treated: priority first, then the longest wait."""
    draw = trust.dice("waiting")
    entries = []
    for patient in trust.patients:
        if not person(trust, patient).adult or not chance(draw, 0.45):
            continue
        operation, specialty, _ = draw.choices(_OPERATIONS, [share for *_, share in _OPERATIONS])[0]
        priority = draw.choices(list(_CLINICAL_PRIORITIES), list(_CLINICAL_PRIORITIES.values()))[0]
        # The product of two draws: most wait some months, a few more than a year.
        since = days_before(trust.today, 7 + int(draw.random() * draw.random() * _LONGEST_DAYS))
        entries.append(Entry(patient, operation, specialty, priority, since))
    return sorted(entries, key=lambda entry: (entry.clinical_priority, entry.since, entry.patient))


def referrals(trust: Trust) -> Iterator[Resource]:
    """Yield the waiting list as ServiceRequests."""
    for entry in waiting_list(trust):
        yield _referral(trust, entry)


def _referral(trust: Trust, entry: Entry) -> Resource:
    surgeon = consultants(trust)[entry.specialty]
    return {
        "resourceType": "ServiceRequest",
        "id": entry.id,
        "extension": [
            own_extension(
                "clinical-priority",
                valueCoding={
                    "system": f"{PLATFORM}/CodeSystem/clinical-priority",
                    "code": entry.clinical_priority,
                },
            ),
            own_extension("rtt-start", valueDate=entry.since.isoformat()),
        ],
        "status": "active",
        "intent": "order",
        "category": [_ELECTIVE],
        "priority": "urgent" if entry.clinical_priority == "P2" else "routine",
        "code": entry.operation,
        "subject": the_patient(entry.patient),
        "authoredOn": entry.since.isoformat(),
        "requester": reference("Organization", trust.practice(entry.patient)),
        "performer": [reference("Practitioner", surgeon)],
    }
