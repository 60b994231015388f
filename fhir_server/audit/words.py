"""What happened, in words that a patient can read. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from zoneinfo import ZoneInfo

from fhir_server.audit.event import Event, Touched
from fhir_server.audit.kinds import SEARCHED, kind_of
from fhir_server.fhir.resource import Resource

PURPOSES = {
    "TREAT": "direct care",
    "COC": "coordination of care",
    "ETREAT": "emergency care",
    "ERTREAT": "emergency care",
    "BTG": "an emergency (break-glass)",
    "POPHLTH": "the health of a population",
    "PATADMIN": "administration",
    "CAREMGT": "management of care",
    "PATRQT": "the patient's own request",
    "FAMRQT": "a request of the family",
    "PUBHLTH": "public health",
    "HRESCH": "research",
    "HOPERAT": "planning",
}
"""Purposes of use in words; others are told by their code."""

_ZONE = ZoneInfo("Europe/London")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FAILED = 400


def narrative(event: Event, patient: str | None, touched: Sequence[Touched]) -> Resource:
    """Return the text of an AuditEvent: who did what, why and when."""
    said = sentence(event, patient, touched)
    div = f'<div xmlns="http://www.w3.org/1999/xhtml">{escape(said, quote=False)}</div>'
    return {"status": "generated", "div": div}


def sentence(event: Event, patient: str | None, touched: Sequence[Touched]) -> str:
    """Return one sentence; with a patient it is about that one's record."""
    failed = event.status >= _FAILED
    did = "was refused" if failed else kind_of(event.kind).says
    what = "" if failed else _what(event, touched)
    parts = [_who(event, patient), did, what, _why(event), f"on {moment(event.moment)}"]
    told = " ".join(each for each in parts if each)
    return f"{told}: {event.note}" if event.note else f"{told}."


def moment(microseconds: int) -> str:
    """Return a moment as people in the United Kingdom say it."""
    local = (_EPOCH + timedelta(microseconds=microseconds)).astimezone(_ZONE)
    return f"{local.day} {local:%B %Y at %H:%M} (UK time)"


def _who(event: Event, patient: str | None) -> str:
    agent = event.agent
    if agent is None:
        return "Someone without a name"
    if patient is not None and agent.patient == patient and agent.purpose in {None, "PATRQT"}:
        return f"The patient, or someone on their behalf ({agent.subject}),"
    role = f" (role {agent.role})" if agent.role else ""
    place = f" of {agent.organisation}" if agent.organisation else ""
    return f"{agent.subject}{role}{place}"


def _what(event: Event, touched: Sequence[Touched]) -> str:
    if kind_of(event.kind).type[1] != "rest":
        return ""
    if len(touched) == 1 and event.kind not in SEARCHED:
        (one,) = touched
        return f"the {one.type} {one.id}"
    counts = Counter(each.type for each in touched)
    told = ", ".join(f"{number} of type {kind}" for kind, number in sorted(counts.items()))
    return f"and was shown {told}" if told and event.kind in SEARCHED else told


def _why(event: Event) -> str:
    purpose = event.agent.purpose if event.agent else None
    if purpose is None:
        return ""
    return f"for {PURPOSES.get(purpose, f'the purpose {purpose}')}"
