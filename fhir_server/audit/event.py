"""What happened, as the log keeps it: who asked for what, why it was let, what was shown or changed. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

import msgspec

from fhir_server.fhir.instants import instant
from fhir_server.fhir.resource import Stored
from fhir_server.policy.access import Access
from fhir_server.policy.decision import Audience

SUCCESS = 200


class Agent(msgspec.Struct, frozen=True, array_like=True):
    """Who asked, as a verified token told: see `fhir_server.policy.access.Access`."""

    issuer: str
    subject: str
    client: str | None = None
    organisation: str | None = None
    role: str | None = None
    purpose: str | None = None
    patient: str | None = None


class Touched(msgspec.Struct, frozen=True, array_like=True):
    """One version that was shown (action R), or made (C, U, D)."""

    action: str
    type: str
    id: str
    version: int


class Event(msgspec.Struct, frozen=True, array_like=True):
    """One thing that happened, at a moment in microseconds since 1970.

    `kind` is a code of `fhir_server.audit.kinds`; `status` that of the answer in HTTP; `asked` method, path and
    parameters as they were sent. `rule` is what permitted or refused it, `because` the Consents that did.
    `patients` are those whom it concerns besides the patients of what was touched; `note` is a reason in words.
    `audience` is who asked as the decision on disclosure has it, `emergency` the patients whose records a grant opened.
    """

    moment: int
    kind: str
    status: int = SUCCESS
    request_id: str = ""
    asked: str = ""
    agent: Agent | None = None
    address: str = ""
    rule: str = ""
    because: tuple[str, ...] = ()
    touched: tuple[Touched, ...] = ()
    patients: tuple[str, ...] = ()
    note: str = ""
    audience: Audience | None = None
    emergency: tuple[str, ...] = ()


encoded = msgspec.msgpack.Encoder().encode
"""Return an event as the log keeps it."""

decoded = msgspec.msgpack.Decoder(Event).decode
"""Return an event of the log."""


def as_json(event: Event, number: int) -> str:
    """Return an event as one line of JSON."""
    told = {"number": number, **msgspec.structs.asdict(event), "moment": instant(event.moment)}
    told["audience"] = event.audience and asdict(event.audience)
    told["agent"] = event.agent and msgspec.structs.asdict(event.agent)
    told["touched"] = [msgspec.structs.asdict(each) for each in event.touched]
    return msgspec.json.encode(told).decode()


def agent_of(access: Access) -> Agent:
    """Return who asks."""
    return Agent(
        access.issuer,
        access.subject,
        access.client,
        access.organisation,
        access.role,
        access.purpose,
        access.patient,
    )


def shown(versions: Iterable[Stored]) -> tuple[Touched, ...]:
    """Return what was shown."""
    return tuple([Touched("R", each.key.type, each.key.id, each.version) for each in versions])
