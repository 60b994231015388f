"""The diaries of a trust: which theatre or clinic is open when, who runs it and who is to come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from fhir_server.demonstration.codes import DIABETES, GENERAL_PRACTICE
from fhir_server.demonstration.diabetes import register
from fhir_server.demonstration.people import SPECIALTIES, consultants
from fhir_server.demonstration.places import clinic, theatre
from fhir_server.demonstration.trust import THEATRES, Trust
from fhir_server.demonstration.waiting import waiting_list
from fhir_server.fhir.resource import Resource


@dataclass(frozen=True, slots=True)
class Taker:
    """Who takes a slot, and the referral behind it, if there is one."""

    patient: int
    referral: str | None = None


@dataclass(frozen=True, slots=True)
class Diary:
    """The book of one theatre or clinic: when it is open, who runs it and who comes."""

    id: str
    title: str
    location: str
    practitioner: str
    specialty: Resource
    opens: time
    slots: int
    minutes: int
    takers: Iterable[Taker]

    @property
    def service(self) -> str:
        """The id of the HealthcareService."""
        return f"service-{self.id}"

    def starts(self, day: date) -> Iterator[datetime]:
        """Yield the wall-clock starts of a day's slots."""
        first = datetime.combine(day, self.opens)
        return (first + timedelta(minutes=self.minutes * place) for place in range(self.slots))


def diaries(trust: Trust) -> Iterator[Diary]:
    """Yield a diary for each theatre, the foot clinic and the vaccination clinic."""
    doctors = consultants(trust)
    waiting = waiting_list(trust)
    for number in range(1, THEATRES + 1):
        key = theatre(trust, number)
        takers = [
            Taker(entry.patient, entry.id) for entry in waiting if entry.specialty == number - 1
        ]
        specialty, doctor = SPECIALTIES[number - 1], doctors[number - 1]
        yield Diary(key, f"Theatre {number}", key, doctor, specialty, time(8), 4, 120, takers)
    place, doctor = clinic(trust), doctors[-1]
    feet = [Taker(patient) for patient in register(trust)]
    key = f"foot-clinic-{trust.number}"
    yield Diary(key, "Diabetic foot clinic", place, doctor, DIABETES, time(9), 8, 20, feet)
    anyone = [Taker(patient) for patient in trust.patients]
    trust.dice("vaccination").shuffle(anyone)
    key = f"vaccination-{trust.number}"
    yield Diary(
        key, "Vaccination clinic", place, doctor, GENERAL_PRACTICE, time(13), 12, 10, anyone
    )
