"""The members as those who look after them see them: how each stands, and how it fared lately."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from fhir_server.federation.endpoints import ODS, endpoint_key
from fhir_server.federation.health import History, Look, Persons
from fhir_server.federation.hub import Hub
from fhir_server.federation.members import Capabilities, Member
from fhir_server.fhir.instants import instant
from fhir_server.fhir.resource import Resource

Standing: TypeAlias = Literal["well", "failing", "left alone", "not asked", "unknown"]
"""How a member stands: `left alone` by the breaker of a process, `not asked` since its Endpoint says so."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One member: what it declared, and how it fared."""

    member: Member
    capabilities: Capabilities
    history: History

    @property
    def standing(self) -> Standing:
        """How it stands, by the latest look at it."""
        if self.member.withheld:
            return "not asked"
        if self.history.open_in:
            return "left alone"
        if self.history.last is None:
            return "unknown"
        return "well" if self.history.last.state in {"ok", "partial"} else "failing"

    @property
    def persons(self) -> Persons | None:
        """The last time that it was asked whom it knows, if it is to be."""
        return self.history.persons if self.member.locator else None


async def roster(hub: Hub, *, now: int) -> Sequence[Listed]:
    """Return the members in the order of their ids; raise FhirError."""
    registered = await hub.known_members(now=now)
    histories = await hub.health.histories(hub.kept, hub.open_members, now=now)
    return [
        Listed(each.member, capabilities, histories.get(each.member.id, History()))
        for each, capabilities in registered.items()
    ]


def roster_parameters(members: Sequence[Listed]) -> Resource:
    """Return the members as a Parameters resource; what is private to the hub is not in it."""
    told = [{"name": "member", "part": _parts(each)} for each in members]
    return {"resourceType": "Parameters", **({"parameter": told} if told else {})}


def _parts(listed: Listed) -> list[Resource]:
    member, known, history = listed.member, listed.capabilities, listed.history
    found: list[tuple[str, str, Any]] = [
        ("id", "valueId", member.id),
        ("endpoint", "valueReference", {"reference": str(endpoint_key(member.id))}),
        ("name", "valueString", member.name),
        ("address", "valueUrl", member.base),
        ("standing", "valueString", listed.standing),
        ("required", "valueBoolean", member.required),
        ("types", "valueInteger", len(known.types)),
        ("looks", "valueInteger", len(history.looks)),
        ("failures", "valueInteger", sum(each.state != "ok" for each in history.looks)),
        ("breakersOpen", "valueInteger", history.open_in),
    ]
    optional = [
        ("organisation", "valueIdentifier", member.ods and {"system": ODS, "value": member.ods}),
        ("withheld", "valueString", member.withheld),
        ("fhirVersion", "valueCode", known.fhir_version),
        ("software", "valueString", known.software),
        ("declared", "valueInstant", known.taken and instant(known.taken)),
        ("maximumCount", "valuePositiveInt", known.abilities.most),
        ("searches", "valueString", "; ".join(known.told)),
    ]
    found += [(name, kind, value) for name, kind, value in optional if value]
    parts: list[Resource] = [{"name": name, kind: value} for name, kind, value in found]
    parts += _persons(listed)
    looks = {"lastLook": history.last, "lastFailure": history.last_failure}
    return [*parts, *({"name": name, "part": _look(each)} for name, each in looks.items() if each)]


def told_of(persons: Persons) -> str:
    """Return how many people a member knows, as of when, or why that is not known."""
    if persons.problem:
        return f"whom it knows is not known since {instant(persons.moment)}: {persons.problem}"
    return f"knows {persons.count} people as of {instant(persons.moment)}"


def _persons(listed: Listed) -> list[Resource]:
    """Return how many people it knows, as of when, and why that is not known."""
    known = listed.persons
    if known is None:
        return []
    told: list[Resource] = [{"name": "personsAsOf", "valueInstant": instant(known.moment)}]
    if known.problem:
        return [*told, {"name": "personsProblem", "valueString": known.problem}]
    return [*told, {"name": "persons", "valueInteger": known.count}]


def _look(look: Look) -> list[Mapping[str, Any]]:
    told: list[Mapping[str, Any]] = [
        {"name": "when", "valueInstant": instant(look.moment)},
        {"name": "occasion", "valueCode": look.occasion},
        {"name": "status", "valueCode": look.state},
    ]
    if look.occasion == "check":
        # How long a search took depends on what was left out of it, and whoever asked for one may ask for this.
        told.append({"name": "milliseconds", "valueInteger": look.milliseconds})
    if look.problem:
        told.append({"name": "problem", "valueString": look.problem})
    return told
