"""`Patient/[id]/$break-glass`: a clinician opens one patient's record in an emergency, for some minutes.

What it lifts is said in `fhir_server.policy.decision`. Each grant makes a Task of its review, in one write with its
event; `Task/[id]/$end-break-glass` ends it early.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from fhir_server.fhir.errors import BadRequest, Forbidden, VersionConflict
from fhir_server.fhir.instants import instant
from fhir_server.fhir.resource import Key, Resource
from fhir_server.interactions.addressing import absent
from fhir_server.interactions.call import Call
from fhir_server.interactions.drafting import prepare
from fhir_server.interactions.emergencies import Grant, Grants, person_of
from fhir_server.operations.operation import Invocation, Operation, Parameter, Told
from fhir_server.policy.access import Access
from fhir_server.policy.disclosure import OVERSIGHT, Disclosure
from fhir_server.policy.roles import EMERGENCY
from fhir_server.policy.visibility import Visibility
from fhir_server.storage.contract import Put, Written

CODES = ("BTG", "ETREAT")
SHORTEST_REASON = 10
"""Characters: whoever reviews it has to learn something."""

_ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
_DEFINED = "https://example.org/fdp"
_ODS_CODE = "https://fhir.nhs.uk/Id/ods-organization-code"
_MINUTE = 60_000_000
_MOST_DIGITS = 4


@dataclass(frozen=True, slots=True)
class _Emergency:
    patient: Key
    who: Access
    reason: str
    code: str
    now: int
    until: int


async def break_glass(call: Call, asked: Invocation) -> Told:
    """Open the record of a patient; raise Forbidden, BadRequest, or NotFound for one that an emergency does not open."""
    who, disclosure = _clinician(call, asked)
    minutes = _minutes(asked, disclosure.emergency_minutes)
    until = asked.now + minutes * _MINUTE
    emergency = _Emergency(asked.key, who, _reason(asked), _code(asked), asked.now, until)
    await _check_opens(call, emergency)
    task = await _record(call, emergency)
    grant = Grant(person_of(who), asked.key.id, task.id, until)
    await Grants(call.store.key_values).give(grant, now=asked.now)
    parameters: list[Resource] = [
        {"name": "patient", "valueReference": {"reference": str(asked.key)}},
        {"name": "until", "valueInstant": instant(until)},
        {"name": "review", "valueReference": {"reference": str(task)}},
    ]
    return Told({"resourceType": "Parameters", "parameter": parameters})


async def end_break_glass(call: Call, asked: Invocation) -> Told:
    """End a grant at once: by whom it was given to, or who reviews; raise NotFound for all others."""
    grants = Grants(call.store.key_values)
    grant = await grants.by_task(asked.key.id, now=asked.now)
    own = asked.access is not None and grant is not None and grant.person == person_of(asked.access)
    if grant is None or not (own or _oversees(call)):
        raise absent(asked.key)
    await grants.end(grant, now=asked.now)
    if call.recording is not None:
        call.recording.kind, call.recording.patients = "break-glass-end", (grant.patient,)
    ended: Resource = {"name": "ended", "valueInstant": instant(asked.now)}
    return Told({"resourceType": "Parameters", "parameter": [ended]})


def _clinician(call: Call, asked: Invocation) -> tuple[Access, Disclosure]:
    """Return who asks, a person who signed in in a role that may; raise Forbidden."""
    who, disclosure = asked.access, call.disclosure
    if who is None or disclosure is None or disclosure.tables is None:
        raise Forbidden("Emergency access needs a token: it is on record who asks")
    role = disclosure.tables.roles.find(who.role or "")
    if role is None or not role.may_break_glass:
        raise Forbidden(f"Emergency access is for roles with the activity {EMERGENCY}")
    if who.subject == who.client or all(each.context == "system" for each in who.scopes.given):
        raise Forbidden("Emergency access is for a person who signed in, not for a system")
    return who, disclosure


def _oversees(call: Call) -> bool:
    if call.disclosure is None or call.audience is None:
        return False
    rule = call.disclosure.purposes.rule(call.audience.purpose)
    return rule is not None and rule.use == OVERSIGHT


def _reason(asked: Invocation) -> str:
    reason = (asked.value("reason") or "").strip()
    if len(reason) < SHORTEST_REASON:
        raise BadRequest("$break-glass needs a reason in words: it will be read by who reviews it")
    return reason


def _code(asked: Invocation) -> str:
    code = asked.value("code") or CODES[0]
    if code not in CODES:
        raise BadRequest(f"code={code[:40]!r}: it is {' or '.join(CODES)}")
    return code


def _minutes(asked: Invocation, most: int) -> int:
    text = asked.value("minutes")
    if text is None:
        return most
    if not (
        text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS and 0 < int(text) <= most
    ):
        raise BadRequest(f"minutes={text[:40]!r}: it is 1 to {most}")
    return int(text)


async def _check_opens(call: Call, emergency: _Emergency) -> None:
    """Raise NotFound for who is not there, or is withheld in an emergency too: these have one answer."""
    assert call.audience is not None, "who has a role has an audience"
    bound = call.sight.patient_of("Patient")
    if bound not in {None, emergency.patient.id}:
        raise absent(emergency.patient)
    audience = replace(call.audience, purpose=emergency.code, emergency=True)
    decided = await call.store.decision(emergency.patient, audience, at=emergency.now)
    if decided is None or decided.effect == "deny":
        raise absent(emergency.patient)


async def _record(call: Call, emergency: _Emergency) -> Key:
    """Write the Task, and the event with it."""
    key = Key("Task", call.new_id())
    if call.recording is not None:
        call.recording.kind, call.recording.note = "break-glass", emergency.reason
        call.recording.patients = (emergency.patient.id,)
    own = replace(call, sight=Visibility.system("the review of an emergency"), provenance=None)
    put = Put(prepare(own, _task(emergency), key), method="POST", expected=0)
    (written,) = await own.write((put,), atomic=True)
    if not isinstance(written, Written):
        raise VersionConflict("The id of the review is taken; please try again")
    return key


def _task(emergency: _Emergency) -> Resource:
    """Return the review: labelled, so that just those who review it and the patient see it."""
    who = emergency.who
    requester: Resource = {"identifier": {"system": who.issuer, "value": who.subject}}
    told: Resource = {
        "resourceType": "Task",
        "meta": {"security": [{"system": _CONFIDENTIALITY, "code": "R"}]},
        "status": "requested",
        "intent": "order",
        "code": {
            "coding": [{"system": f"{_DEFINED}/CodeSystem/task", "code": "break-glass-review"}],
            "text": "Review an emergency access",
        },
        "description": f"Emergency access until {instant(emergency.until)}, in the role {who.role}",
        "for": {"reference": str(emergency.patient)},
        "authoredOn": instant(emergency.now),
        "requester": requester,
        "reasonCode": {
            "coding": [{"system": _ACT_REASON, "code": emergency.code}],
            "text": emergency.reason,
        },
        "restriction": {
            "period": {"start": instant(emergency.now), "end": instant(emergency.until)}
        },
    }
    if who.organisation is not None:
        owner = {"identifier": {"system": _ODS_CODE, "value": who.organisation}}
        told["owner"] = {"type": "Organization", **owner}
    return told


BREAK_GLASS = Operation(
    name="break-glass",
    url=f"{_DEFINED}/OperationDefinition/Patient-break-glass",
    levels=("instance",),
    types=("Patient",),
    parameters=(Parameter("reason"), Parameter("code"), Parameter("minutes")),
    run=break_glass,
    rights="r",
    changes=True,
)

END_BREAK_GLASS = Operation(
    name="end-break-glass",
    url=f"{_DEFINED}/OperationDefinition/Task-end-break-glass",
    levels=("instance",),
    types=("Task",),
    parameters=(),
    run=end_break_glass,
    rights="r",
    changes=True,
)
