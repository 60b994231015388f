"""What a Consent lays down, as provisions: https://hl7.org/fhir/R4/consent.html. Pure.

What cannot be computed denies the uses beyond a person's care, and is reported: to guess either way would be to
disclose what was withheld, or to withhold from a ward what it needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from fhir_server.fhir.nhs_number import number_in
from fhir_server.fhir.resource import Resource
from fhir_server.policy.decision import EVER, Provision
from fhir_server.policy.labels import label
from fhir_server.search.parameter_types.date import interval
from fhir_server.search.parameter_types.reference import local
from fhir_server.search.record import BY_NUMBER

ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
SCOPES = "http://terminology.hl7.org/CodeSystem/consentscope"

MOST_NESTED = 5
"""How deep exceptions of exceptions may go before nobody can say what was meant."""

_PATIENT = "Patient/"
_PRIVACY = frozenset({"patient-privacy", "research"})
_DISCLOSING = frozenset({"access", "use", "disclose", "collect"})
_NOT_COMPUTED = ("data", "dataPeriod", "code")

_Element: TypeAlias = Mapping[str, Any]


@dataclass(slots=True)
class Reading:
    """What was understood of a Consent: whom it is about, its provisions, and what could not be.

    A person is the `Patient/1` of this server, or who has an NHS number: `#9990000018`.
    """

    person: str | None = None
    provisions: list[Provision] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_consent(consent: Resource, *, zone: ZoneInfo, base_url: str = "") -> Reading:
    """Return what a Consent lays down; nothing where it is not active, or about something else."""
    reading = Reading()
    if consent.get("status") != "active" or not _is_about_privacy(consent):
        return reading
    persons = _persons(consent, base_url)
    person = next(iter(persons), None)
    origin = f"Consent/{consent.get('id', '')}"
    if person is None:
        reading.problems.append(
            f"{origin} is applied to nobody: its patient names neither a patient of this server nor an NHS number"
        )
        return reading
    reading.person = person
    if len(persons) > 1:
        reading.problems.append(
            f"{origin} is of somebody with several NHS numbers: it is applied to the first of them alone"
        )
    reader = _Reader(origin, zone, base_url, reading)
    provision = consent.get("provision")
    if provision is None:
        if "OPTIN" not in _codes(consent.get("policyRule", {})):
            reader.give_up("it has no provision", None)
        return reading
    reader.read(provision, None, "Consent.provision")
    return reading


def _persons(consent: Resource, base_url: str) -> Sequence[str]:
    """Return whom a Consent is of: by the reference, else by the numbers beside it and in the Patient it contains."""
    patient = consent.get("patient", {})
    reference = patient.get("reference", "")
    if (person := local(reference, base_url)).startswith(_PATIENT):
        return [person]
    identifiers = [patient.get("identifier", {})]
    for each in consent.get("contained", ()):
        if each.get("resourceType") == "Patient" and reference == f"#{each.get('id')}":
            identifiers += each.get("identifier", ())
    numbers = filter(None, map(number_in, identifiers))
    return [f"{BY_NUMBER}{each}" for each in dict.fromkeys(numbers)]


def _is_about_privacy(consent: Resource) -> bool:
    """Tell whether it is on the use of data; what has another scope than the known ones may well be."""
    codings = consent.get("scope", {}).get("coding", ())
    known = {each.get("code") for each in codings if each.get("system") == SCOPES}
    return not known or not known.isdisjoint(_PRIVACY)


@dataclass(frozen=True, slots=True)
class _Reader:
    origin: str
    zone: ZoneInfo
    base_url: str
    reading: Reading

    def give_up(self, why: str, parent: Provision | None) -> None:
        """Deny other uses than care, and say why."""
        self.reading.problems.append(f"{self.origin} cannot be computed: {why}")
        self.reading.provisions.append(
            Provision("consent", "deny", self.origin, parent, secondary=True)
        )

    def read(self, element: _Element, parent: Provision | None, place: str, depth: int = 1) -> None:
        """Take a provision in, and its exceptions."""
        effect = element.get("type")
        if effect not in {"permit", "deny"}:
            self.give_up(f"{place} has no type", parent)
            return
        if not _discloses(element):
            return
        try:
            own = self._provision(element, effect, parent)
        except _NotComputable as problem:
            self.give_up(f"{place}.{problem}", parent)
            return
        self.reading.provisions.append(own)
        for number, each in enumerate(element.get("provision", ())):
            inner = f"{place}.provision[{number}]"
            if depth == MOST_NESTED:
                self.give_up(f"{inner} is nested too deep", own)
            else:
                self.read(each, own, inner, depth + 1)

    def _provision(self, element: _Element, effect: Any, parent: Provision | None) -> Provision:
        for name in _NOT_COMPUTED:
            if element.get(name):
                raise _NotComputable(name)
        since, until = self._period(element.get("period"))
        return Provision(
            "consent",
            effect,
            self.origin,
            parent,
            since,
            until,
            _of_system(element, "purpose", ACT_REASON),
            frozenset(self._actors(element.get("actor", ()))),
            _of_system(element, "class", RESOURCE_TYPES),
            frozenset(
                label(each.get("system", ""), each.get("code", ""))
                for each in element.get("securityLabel", ())
            ),
        )

    def _period(self, period: _Element | None) -> tuple[int, int]:
        if period is None:
            return -EVER, EVER
        first, last = (self._moment(period, name) for name in ("start", "end"))
        return (first[0] if first else -EVER, last[1] if last else EVER)

    def _moment(self, period: _Element, name: str) -> tuple[int, int] | None:
        text = period.get(name)
        if text is None:
            if f"_{name}" in period:
                raise _NotComputable(f"period.{name}")
            return None
        found = interval(text, self.zone)
        if found is None:
            raise _NotComputable(f"period.{name}")
        return found

    def _actors(self, actors: Sequence[_Element]) -> Iterator[str]:
        for each in actors:
            reference = each.get("reference", {})
            text, identifier = reference.get("reference"), reference.get("identifier", {})
            if text is None and "value" not in identifier:
                raise _NotComputable("actor")
            if text is not None:
                yield local(text, self.base_url)
            if "value" in identifier:
                yield f"{identifier.get('system', '')}|{identifier['value']}"


class _NotComputable(Exception):
    """An element of a provision has a meaning that is not computed; its name."""


def _discloses(element: _Element) -> bool:
    """Tell whether a provision is on disclosure: one on correcting data alone is not."""
    actions = [code for each in element.get("action", ()) for code in _codes(each)]
    return not actions or not _DISCLOSING.isdisjoint(actions)


def _of_system(element: _Element, name: str, system: str) -> frozenset[str]:
    codings = element.get(name, ())
    if any(each.get("system") != system or "code" not in each for each in codings):
        raise _NotComputable(name)
    return frozenset(each["code"] for each in codings)


def _codes(concept: _Element) -> set[str]:
    return {each.get("code", "") for each in concept.get("coding", ())}
