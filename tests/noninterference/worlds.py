"""Random stores: people, what is known of them, what they said, and what concerns nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any, TypeAlias

from fhir_server.demonstration.identifiers import nhs_number
from fhir_server.fhir.resource import Key
from fhir_server.policy.personal import NHS_NUMBER

Resource: TypeAlias = dict[str, Any]
Step: TypeAlias = tuple[Key, Resource | None]
"""A write: the resource, None where it is deleted."""

PEOPLE = {"ada": 1, "twin": 1, "bob": 2, "cy": 3}
"""Patients, and which person each is: two are of one NHS number."""

LABELS = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
ODS_CODE = "https://fhir.nhs.uk/Id/ods-organization-code"
RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
PURPOSES = ("TREAT", "HRESCH", "PATADMIN", "PUBHLTH", "PATRQT", "HOPERAT")
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
CATEGORIES = ("laboratory", "vital-signs")


def number_of(patient: str) -> str:
    """Return the NHS number of a patient."""
    return nhs_number(PEOPLE[patient])


def to(kind: str, name: str) -> Resource:
    """Return a reference."""
    return {"reference": f"{kind}/{name}"}


def coded(code: str) -> Resource:
    """Return a concept of one code."""
    return {"coding": [{"system": "urn:codes", "code": code}]}


def some(random: Random, chance: float, part: Resource) -> Resource:
    """Return an element, or nothing."""
    return part if random.random() < chance else {}


def a_patient(random: Random) -> Resource:
    name = random.choice(list(PEOPLE))
    identifier = [{"system": NHS_NUMBER, "value": number_of(name)}]
    other = random.choice(list(PEOPLE))
    return {
        "resourceType": "Patient",
        "id": name,
        "name": [{"family": random.choice(("Lovelace", "Menabrea"))}],
        **some(random, 0.8, {"identifier": identifier}),
        **some(random, 0.5, {"birthDate": random.choice(("1815-12-10", "1952"))}),
        **some(random, 0.2, {"link": [{"other": to("Patient", other), "type": "seealso"}]}),
        **some(random, 0.3, {"generalPractitioner": [to("Practitioner", "doc")]}),
    }


def an_observation(random: Random) -> Resource:
    whose = random.choice([*PEOPLE, "ada"])
    category = {"coding": [{"system": CATEGORY, "code": random.choice(CATEGORIES)}]}
    label = {"meta": {"security": [{"system": LABELS, "code": "PSY"}]}}
    member = {"hasMember": [to("Observation", f"o{random.randrange(6)}")]}
    contained = {
        "contained": [
            {"resourceType": "Practitioner", "id": "c", "name": [{"family": "Who"}]},
            {"resourceType": "Patient", "id": "p", "name": [{"family": "Lovelace"}]},
        ],
        "performer": [{"reference": "#c"}],
        "focus": [{"reference": "#p"}],
    }
    performer = {"performer": [to("Practitioner", "doc")]}
    return {
        "resourceType": "Observation",
        "id": f"o{random.randrange(6)}",
        "status": random.choice(("final", "amended")),
        "category": [category],
        "code": coded(random.choice("ab")),
        **some(random, 0.9, {"subject": to("Patient", whose)}),
        **random.choice(({}, performer, contained)),
        **some(random, 0.7, {"effectiveDateTime": f"202{random.randrange(3)}-05-01"}),
        **some(random, 0.5, {"valueQuantity": {"value": random.randrange(9), "unit": "mg"}}),
        **some(random, 0.3, {"note": [{"text": random.choice(("dizzy at night", "well"))}]}),
        **some(random, 0.2, label),
        **some(random, 0.2, member),
        **some(random, 0.2, {"device": _by_number(random)}),
        **some(random, 0.3, {"encounter": to("Encounter", f"e{random.randrange(2)}")}),
    }


def a_consent(random: Random) -> Resource:
    whose = random.choice(list(PEOPLE))
    inner = a_provision(random) | {"type": "permit"}
    provision = a_provision(random) | some(random, 0.3, {"provision": [inner]})
    return {
        "resourceType": "Consent",
        "id": f"c{random.randrange(3)}",
        "status": random.choice(("active", "active", "inactive")),
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
        "patient": to("Patient", whose),
        "provision": provision,
    }


def a_provision(random: Random) -> Resource:
    """Return what is denied, or permitted: to whom, for what, of what, and when."""
    purpose = [{"system": ACT_REASON, "code": random.choice(PURPOSES)}]
    actor = {
        "role": {"text": "recipient"},
        "reference": {"identifier": {"system": ODS_CODE, "value": random.choice(("RR8", "X26"))}},
    }
    kinds = [{"system": RESOURCE_TYPES, "code": random.choice(("Observation", "Encounter"))}]
    return {
        "type": random.choice(("deny", "deny", "deny", "permit")),
        **some(random, 0.6, {"purpose": purpose}),
        **some(random, 0.2, {"actor": [actor]}),
        **some(random, 0.2, {"class": kinds}),
        **some(random, 0.2, {"securityLabel": [{"system": LABELS, "code": "PSY"}]}),
        **some(random, 0.2, {"period": random.choice(({"end": "2020"}, {"start": "2020"}))}),
    }


def an_encounter(random: Random) -> Resource:
    return {
        "resourceType": "Encounter",
        "id": f"e{random.randrange(2)}",
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": to("Patient", random.choice(list(PEOPLE))),
        "location": [{"location": to("Location", random.choice(("site", "ward")))}],
    }


def a_place(random: Random) -> Resource:
    position = {"latitude": 54 + random.random() / 10, "longitude": -1.75}
    above = {"partOf": to("Location", random.choice(("site", "ward")))}
    return {
        "resourceType": "Location",
        "id": random.choice(("site", "ward")),
        "position": position,
        **some(random, 0.7, above),
        **some(random, 0.2, {"extension": [_about(random)]}),
    }


def _by_number(random: Random) -> Resource:
    """Return a reference that names a person by the number alone."""
    whose = random.choice(list(PEOPLE))
    return {"identifier": {"system": NHS_NUMBER, "value": number_of(whose)}}


def _about(random: Random) -> Resource:
    """Return an extension by which something that concerns nobody concerns a patient."""
    whose = to("Patient", random.choice(list(PEOPLE)))
    return {"url": "urn:about", "valueReference": whose}


def a_group(random: Random) -> Resource:
    members = [{"entity": to("Patient", random.choice(list(PEOPLE)))} for _ in range(2)]
    return {
        "resourceType": "Group",
        "id": "g",
        "type": "person",
        "actual": True,
        "member": members,
    }


def a_list(random: Random) -> Resource:
    entries = [{"item": to("Observation", f"o{random.randrange(6)}")} for _ in range(3)]
    subject = {"subject": to("Patient", random.choice(list(PEOPLE)))}
    return {
        "resourceType": "List",
        "id": f"l{random.randrange(2)}",
        "status": "current",
        "mode": "working",
        "entry": entries,
        **some(random, 0.6, subject),
    }


def a_binary(random: Random) -> Resource:
    whose = to("Patient", random.choice(list(PEOPLE)))
    context = {"securityContext": random.choice((whose, to("DocumentReference", "d")))}
    return {
        "resourceType": "Binary",
        "id": "b",
        "contentType": "text/plain",
        "data": random.choice(("aGVsbG8=", "d29ybGQ=")),
        **some(random, 0.6, context),
    }


def a_document(random: Random) -> Resource:
    return {
        "resourceType": "DocumentReference",
        "id": "d",
        "status": "current",
        "subject": to("Patient", random.choice(list(PEOPLE))),
        "content": [{"attachment": {"url": "Binary/b"}}],
    }


def an_appointment(random: Random) -> Resource:
    both = [
        {"actor": to("Patient", random.choice(list(PEOPLE))), "status": "accepted"}
        for _ in range(2)
    ]
    return {
        "resourceType": "Appointment",
        "id": "a",
        "status": "booked",
        "start": "2026-11-23T10:00:00Z",
        "end": "2026-11-23T10:10:00Z",
        "participant": both,
    }


def a_questionnaire(random: Random) -> Resource:
    title = random.choice(("Falls", "Sleep"))
    return {
        "resourceType": "Questionnaire",
        "id": "q",
        "url": "urn:q",
        "status": "active",
        "title": title,
    }


def a_response(random: Random) -> Resource:
    return {
        "resourceType": "QuestionnaireResponse",
        "id": "qr",
        "questionnaire": "urn:q",
        "status": "completed",
        "subject": to("Patient", random.choice(list(PEOPLE))),
    }


def a_practitioner(random: Random) -> Resource:
    family = random.choice(("Who", "Strange"))
    return {"resourceType": "Practitioner", "id": "doc", "name": [{"family": family}]}


def a_provenance(random: Random) -> Resource:
    told = (
        to("Observation", f"o{random.randrange(6)}"),
        to("Encounter", "e0/_history/1"),
        to("Provenance", "p1"),
        to("Task", "t"),
    )
    return {
        "resourceType": "Provenance",
        "id": random.choice(("p", "p1")),
        "recorded": "2026-11-23T10:00:00Z",
        "target": random.choices(told, (6, 1, 1, 1), k=random.choice((1, 1, 2))),
        "agent": [{"who": random.choice((to("Practitioner", "doc"), to("Patient", "cy")))}],
    }


def a_task(random: Random) -> Resource:
    whose = {"for": to("Patient", random.choice(list(PEOPLE)))}
    focus = (to("Observation", f"o{random.randrange(6)}"), to("Provenance", "p1"))
    return {
        "resourceType": "Task",
        "id": "t",
        "status": random.choice(("requested", "completed")),
        "intent": "order",
        "focus": random.choice(focus),
        **some(random, 0.2, whose),
    }


MAKERS: tuple[tuple[int, Callable[[Random], Resource]], ...] = (
    (5, a_patient),
    (12, an_observation),
    (3, a_consent),
    (2, an_encounter),
    (2, a_place),
    (1, a_group),
    (1, a_list),
    (1, a_binary),
    (1, a_document),
    (1, an_appointment),
    (1, a_questionnaire),
    (1, a_response),
    (1, a_practitioner),
    (3, a_provenance),
    (1, a_task),
)
_WEIGHTS = [weight for weight, _ in MAKERS]


def a_resource(random: Random) -> Resource:
    """Return some resource."""
    ((_, make),) = random.choices(MAKERS, _WEIGHTS)
    return make(random)


def a_world(random: Random, *, size: int = 45) -> Iterator[Step]:
    """Yield the writes of a store's past: what was written may be replaced, moved to another person, and deleted."""
    written: list[Key] = []
    for make in (a_practitioner, a_place):
        yield _step(make(random))
    for _ in range(size):
        if written and random.random() < 0.08:
            yield random.choice(written), None
            continue
        step = _step(a_resource(random))
        written.append(step[0])
        yield step


def _step(resource: Resource) -> Step:
    return Key(resource["resourceType"], resource["id"]), resource
