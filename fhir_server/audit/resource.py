"""The AuditEvents of an event: one for each patient whom it concerns, after IHE BALP. Pure, and the same each time.

https://hl7.org/fhir/R4/auditevent.html, https://profiles.ihe.net/ITI/BALP/

An AuditEvent belongs to its patient, who may read it: so it names no other, neither by what was touched nor by a
query that does not ask for this one alone. Such a query stands in an AuditEvent of its own, which concerns nobody and is restricted.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any
from urllib.parse import parse_qsl

from msgspec.structs import replace

from fhir_server.audit.event import Agent, Event, Touched
from fhir_server.audit.kinds import DICOM, INTERACTION, SEARCHED, Kind, kind_of
from fhir_server.audit.words import narrative
from fhir_server.fhir.instants import instant
from fhir_server.fhir.resource import Resource
from fhir_server.policy.decision import Decision
from fhir_server.policy.disclosure import ODS_CODE

BALP = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
REQUEST_ID = ("https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType", "XrequestId")
RULE = "https://example.org/fdp/rule/"
"""What the rule that decided is named by, in `agent.policy`."""

MOST_NAMED = 100
"""Resources that one AuditEvent names; of more it tells how many, and the log has them all."""

NOTHING_DECIDED: Mapping[str, Decision] = {}

_ENTITY = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
_PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_SOURCE = "http://terminology.hl7.org/CodeSystem/security-source-type"
_CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
_IP, _URI = "2", "5"
_BAD, _FAILED, _UNKNOWN = 400, 500, 401
_IN_PATH = re.compile(r"[A-Z]+ Patient/([A-Za-z0-9\-.]{1,64})(?:/|$)")


@dataclass(frozen=True, slots=True)
class Origin:
    """Which server tells: its FHIR base, and the key that ids are made by."""

    base_url: str
    key: bytes


def audit_events(
    event: Event,
    number: int,
    concerned: Sequence[tuple[str, ...]],
    origin: Origin,
    decided: Mapping[str, Decision] = NOTHING_DECIDED,
) -> list[Resource]:
    """Return the AuditEvents of the event of this number; `concerned` are the patients of each version touched.

    `decided` tells by patient what permitted it, where that was more than the rule of the purpose.

    There is none of a call without a token: the log tells of it, and whoever has no name can make any number.
    """
    if event.agent is None and event.status == _UNKNOWN:
        return []
    by_patient: dict[str, list[Touched]] = {each: [] for each in event.patients}
    nobodys: list[Touched] = []
    for each, patients in zip(event.touched, concerned, strict=True):
        for patient in patients:
            by_patient.setdefault(patient, []).append(each)
        if not patients:
            nobodys.append(each)
    anchored = set(by_patient) == {_anchor(event.asked)}
    found = [
        _audit_event(
            _permitted(event, decided.get(patient)),
            f"{number}.{patient}",
            patient,
            touched,
            origin,
            asked=anchored,
        )
        for patient, touched in sorted(by_patient.items())
    ]
    if not by_patient or nobodys or (event.kind in SEARCHED and not anchored):
        found.append(_audit_event(event, f"{number}.", None, nobodys, origin, asked=True))
    return found


def _permitted(event: Event, decision: Decision | None) -> Event:
    if decision is None or decision.effect != "permit":
        return event
    return replace(event, rule=decision.rule, because=decision.because)


def _anchor(asked: str) -> str | None:
    """Return the one patient that a request asks for: what it says besides is true of that one's record."""
    path, _, query = asked.partition("?")
    found = set(_IN_PATH.findall(path))
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name.partition(":")[0] in {"patient", "subject"}:
            found.add(value.removeprefix("Patient/"))
    return found.pop() if len(found) == 1 else None


def _audit_event(  # noqa: PLR0913 - what it is made of
    event: Event,
    name: str,
    patient: str | None,
    touched: Sequence[Touched],
    origin: Origin,
    *,
    asked: bool,
) -> Resource:
    kind = kind_of(event.kind)
    entities = list(_entities(event, patient, touched, asked=asked))
    agents = list(_agents(event, kind, origin))
    resource: Resource = {
        "resourceType": "AuditEvent",
        "id": blake2b(name.encode(), digest_size=16, key=origin.key).hexdigest(),
    }
    meta = dict(_meta(event, kind, patient, entities))
    if meta:
        resource["meta"] = meta
    code, display = event.kind, event.kind
    resource |= {
        "text": narrative(event, patient, touched),
        "type": _coding(*kind.type),
        "subtype": [_coding(*(kind.subtype or (INTERACTION, code, display)))],
        "action": _action(kind, touched),
        "recorded": instant(event.moment),
        "outcome": "8" if event.status >= _FAILED else "4" if event.status >= _BAD else "0",
    }
    if kind.type[1] == "110107":
        del resource["subtype"]
    if event.note:
        resource["outcomeDesc"] = event.note
    if event.agent is not None and event.agent.purpose:
        resource["purposeOfEvent"] = [_concept(_REASON, event.agent.purpose)]
    observer = {"observer": {"display": origin.base_url}, "type": [_coding(_SOURCE, "4")]}
    resource |= {"agent": agents, "source": observer}
    return resource | {"entity": entities} if entities else resource


def _action(kind: Kind, touched: Sequence[Touched]) -> str:
    actions = {each.action for each in touched}
    if not actions or actions == {"R"}:
        return "R" if kind.action in "CUD" and actions else kind.action
    return actions.pop() if len(actions) == 1 else "E"


def _agents(event: Event, kind: Kind, origin: Origin) -> Iterator[Resource]:
    """Yield the app, this server, the user and the organisation, as far as they are known."""
    reads, agent = kind.action == "R", event.agent
    ends = ("110152", "Destination Role ID"), ("110153", "Source Role ID")
    client, server = ends if reads else ends[::-1]
    user = agent is not None and agent.subject != agent.client
    app: Resource = {
        "type": _concept(DICOM, *client),
        "who": _app(agent),
        "requestor": not user,
    }
    if event.address:
        app["network"] = {"address": event.address, "type": _IP}
    if event.rule:
        app["policy"] = [RULE + event.rule]
    yield app
    yield {
        "type": _concept(DICOM, *server),
        "who": {"display": origin.base_url},
        "requestor": False,
        "network": {"address": origin.base_url, "type": _URI},
    }
    if agent is not None and user:
        yield _user(agent, _concept(_PARTICIPATION, "AUT" if kind.action in "CUD" else "IRCP"))
    if agent is not None and agent.organisation:
        yield {
            "type": _concept("http://terminology.hl7.org/CodeSystem/v3-RoleClass", "PROV"),
            "who": {"identifier": {"system": ODS_CODE, "value": agent.organisation}},
            "requestor": False,
        }


def _app(agent: Agent | None) -> Resource:
    if agent is None:
        return {"display": "unknown"}
    return {"identifier": {"system": agent.issuer, "value": agent.client or agent.subject}}


def _user(agent: Agent, part: Resource) -> Resource:
    found: Resource = {
        "type": part,
        "who": {"identifier": {"system": agent.issuer, "value": agent.subject}},
        "name": agent.subject,
        "requestor": True,
    }
    if agent.role:
        found["role"] = [{"text": agent.role}]
    if agent.purpose:
        found["purposeOfUse"] = [_concept(_REASON, agent.purpose)]
    return found


def _entities(
    event: Event, patient: str | None, touched: Sequence[Touched], *, asked: bool
) -> Iterator[Resource]:
    searched = event.kind in SEARCHED
    named = [] if searched else [each for each in touched if _may_name(each, patient)]
    if patient is not None:
        yield {
            "what": {"reference": f"Patient/{patient}"},
            "type": _coding(_ENTITY, "1"),
            "role": _coding(_ROLE, "1"),
            **_counted(touched if len(named) != len(touched) or len(named) > MOST_NAMED else ()),
        }
    yield from map(_named, named[:MOST_NAMED])
    if event.asked and asked and (searched or not named):
        yield {
            "type": _coding(_ENTITY, "2"),
            "role": _coding(_ROLE, "24"),
            "query": b64encode(event.asked.encode()).decode(),
        }
    for each in event.because:
        yield {
            "what": {"reference": each},
            "type": _coding("http://hl7.org/fhir/resource-types", "Consent"),
        }
    if event.request_id:
        yield {"what": {"identifier": {"value": event.request_id}}, "type": _coding(*REQUEST_ID)}


def _may_name(touched: Touched, patient: str | None) -> bool:
    """Tell whether an AuditEvent of a patient may name a resource: not another patient's own."""
    return touched.type != "Patient" or touched.id == patient


def _named(touched: Touched) -> Resource:
    return {
        "what": {"reference": f"{touched.type}/{touched.id}"},
        "type": _coding(_ENTITY, "2"),
        "role": _coding(_ROLE, "4"),
        "detail": [{"type": "version", "valueString": str(touched.version)}],
    }


def _counted(touched: Sequence[Touched]) -> Resource:
    counts = Counter(each.type for each in touched)
    if not counts:
        return {}
    return {
        "detail": [
            {"type": kind, "valueString": str(number)} for kind, number in sorted(counts.items())
        ]
    }


def _meta(
    event: Event, kind: Kind, patient: str | None, entities: Sequence[Resource]
) -> Iterator[tuple[str, Any]]:
    """Yield the profile, and that it is restricted where nobody owns a query, which may name anyone."""
    profile = _profile(event, kind, patient, entities)
    if profile:
        yield "profile", [profile]
    if patient is None and any("query" in each for each in entities):
        yield "security", [_coding(_CONFIDENTIALITY, "R")]


def _profile(
    event: Event, kind: Kind, patient: str | None, entities: Sequence[Resource]
) -> str | None:
    """Return the profile of BALP that an AuditEvent keeps, None where it keeps none."""
    slices = [each for each in entities if each["type"]["code"] == "2"]
    whole = len(slices) == 1 and event.status < _BAD and event.address and event.agent
    if not (kind.profile and whole):
        return None
    queried = "query" in slices[0]
    if queried != (kind.profile == "Query"):
        return None
    return f"{BALP}{'' if patient is None else 'Patient'}{kind.profile}"


def _coding(system: str, code: str, display: str = "") -> dict[str, Any]:
    return {"system": system, "code": code} | ({"display": display} if display else {})


def _concept(system: str, code: str, display: str = "") -> Resource:
    return {"coding": [_coding(system, code, display)]}
