"""Services, schedules, slots and appointments of the coming fortnight: theatres and clinics.

https://hl7.org/fhir/R4/slot.html, https://hl7.org/fhir/R4/appointment.html
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from fhir_server.demonstration.codes import HL7, concept, reference
from fhir_server.demonstration.diaries import Diary, Taker, diaries
from fhir_server.demonstration.moments import at, days_before, workdays_after
from fhir_server.demonstration.people import SPECIALTIES, consultants
from fhir_server.demonstration.places import clinic
from fhir_server.demonstration.trust import Trust, chance, the_patient
from fhir_server.fhir.resource import Resource

_DAYS = 10
_STATUS_WEIGHTS = {"busy": 55, "free": 35, "busy-unavailable": 7, "busy-tentative": 3}
_BOOKING = {"busy": "booked", "busy-tentative": "pending"}
_PAST = {"fulfilled": 80, "noshow": 12, "cancelled": 8}
_BETTER = concept(f"{HL7}/appointment-cancellation-reason", "pat-fb", "Patient: Feeling Better")


def scheduling(trust: Trust) -> Iterator[Resource]:
    """Yield the trust's services, their schedules, slots and appointments, and past appointments."""
    for diary in diaries(trust):
        yield _service(trust, diary)
        yield _schedule(trust, diary)
        yield from _bookings(trust, diary)
    yield from _past_appointments(trust)


def _service(trust: Trust, diary: Diary) -> Resource:
    return {
        "resourceType": "HealthcareService",
        "id": diary.service,
        "active": True,
        "providedBy": trust.itself,
        "specialty": [diary.specialty],
        "location": [reference("Location", diary.location)],
        "name": f"{diary.title}, {trust.name}",
        "appointmentRequired": True,
    }


def _schedule(trust: Trust, diary: Diary) -> Resource:
    days = list(workdays_after(trust.today, _DAYS))
    return {
        "resourceType": "Schedule",
        "id": f"schedule-{diary.id}",
        "active": True,
        "specialty": [diary.specialty],
        "actor": [
            reference("Location", diary.location, diary.title),
            reference("Practitioner", diary.practitioner),
            reference("HealthcareService", diary.service),
        ],
        "planningHorizon": {"start": at(days[0], 0), "end": at(days[-1], 23, 59)},
    }


def _bookings(trust: Trust, diary: Diary) -> Iterator[Resource]:
    draw = trust.dice(diary.id)
    takers = iter(diary.takers)
    for day in workdays_after(trust.today, _DAYS):
        for start in diary.starts(day):
            status = draw.choices(list(_STATUS_WEIGHTS), list(_STATUS_WEIGHTS.values()))[0]
            taker = next(takers, None) if status in _BOOKING else None
            if status in _BOOKING and taker is None:
                status = "free"
            slot = _slot(diary, start, status)
            yield slot
            if taker is not None:
                yield _appointment(trust, diary, slot, taker)


def _slot(diary: Diary, start: datetime, status: str) -> Resource:
    end = start + timedelta(minutes=diary.minutes)
    return {
        "resourceType": "Slot",
        "id": f"slot-{diary.id}-{start:%Y%m%d-%H%M}",
        "specialty": [diary.specialty],
        "schedule": reference("Schedule", f"schedule-{diary.id}"),
        "status": status,
        "start": at(start.date(), start.hour, start.minute),
        "end": at(end.date(), end.hour, end.minute),
    }


def _appointment(trust: Trust, diary: Diary, slot: Resource, taker: Taker) -> Resource:
    booking = {
        "resourceType": "Appointment",
        "id": slot["id"].replace("slot", "appointment", 1),
        "status": _BOOKING[slot["status"]],
        "specialty": [diary.specialty],
        "description": diary.title,
        "start": slot["start"],
        "end": slot["end"],
        "minutesDuration": diary.minutes,
        "slot": [reference("Slot", slot["id"])],
        "created": at(days_before(trust.today, 3), 10),
        "participant": _participants(taker.patient, diary.practitioner, diary.location),
    }
    if taker.referral is not None:
        booking["basedOn"] = [reference("ServiceRequest", taker.referral)]
    return booking


def _past_appointments(trust: Trust) -> Iterator[Resource]:
    draw = trust.dice("past appointments")
    doctors = consultants(trust)
    for patient in trust.patients:
        if not chance(draw, 0.4):
            continue
        place = draw.randrange(len(doctors))
        day = days_before(trust.today, draw.randint(10, 700))
        status = draw.choices(list(_PAST), list(_PAST.values()))[0]
        past = {
            "resourceType": "Appointment",
            "id": f"appointment-{patient:04}-past",
            "status": status,
            "specialty": [SPECIALTIES[place]],
            "start": at(day, 10, 30),
            "end": at(day, 10, 50),
            "minutesDuration": 20,
            "created": at(days_before(day, 30), 9),
            "participant": _participants(patient, doctors[place], clinic(trust)),
        }
        yield past | ({"cancelationReason": _BETTER} if status == "cancelled" else {})


def _participants(patient: int, practitioner: str, location: str) -> list[Resource]:
    actors = (
        the_patient(patient),
        reference("Practitioner", practitioner),
        reference("Location", location),
    )
    return [{"actor": actor, "status": "accepted"} for actor in actors]
