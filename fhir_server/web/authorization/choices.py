"""A patient as people recognise one, and what people type to find one. Pure.

Names, dates and NHS numbers are written as NHS staff know them: SMITH, Ada (Ms); 01-Feb-1980; 999 123 4567.
https://digital.nhs.uk/data-and-information/information-standards (ISB 1505, 1506, 1504)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from fhir_server.fhir.resource import Resource

NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number"

LONGEST_SOUGHT = 100
"""Characters that are looked at, as many as the field takes."""

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_NUMBER = re.compile(r"(?<!\d)(\d{3})[ -]?(\d{3})[ -]?(\d{4})(?!\d)", re.ASCII)
_DATES = (
    re.compile(r"(?<!\d)(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})(?!\d)", re.ASCII),
    re.compile(
        r"(?<!\d)(?P<day>\d{1,2})[-/.](?P<month>\d{1,2})[-/.](?P<year>\d{4})(?!\d)", re.ASCII
    ),
    re.compile(
        r"(?<!\d)(?P<day>\d{1,2})[- ](?P<name>[A-Za-z]{3})[a-z]*[- ](?P<year>\d{4})(?!\d)", re.ASCII
    ),
)
_WORD = re.compile(r"[^\W_]")
"""What a name has at least one of; the search asks for it too."""
_OFFICIAL = ("official", "usual")


@dataclass(frozen=True, slots=True)
class Choice:
    """What can be chosen: its id, what it is called, and what tells it from others of that name."""

    id: str
    name: str
    details: str


def patient_choice(resource: Resource) -> Choice:
    """Return a Patient as a choice."""
    details = (
        _number(resource.get("identifier", ())),
        _born(resource.get("birthDate")),
        resource.get("gender"),
        "has died" if _has_died(resource) else None,
    )
    name = _name(resource.get("name", ()))
    return Choice(resource["id"], name, ", ".join(each for each in details if each))


def encounter_choice(resource: Resource) -> Choice:
    """Return an Encounter as a choice: what kind, since when."""
    kind = resource.get("class", {})
    types = (each.get("text") or _display(each) for each in resource.get("type", ()))
    name = next((each for each in types if each), None) or kind.get("display") or "Visit or stay"
    started = resource.get("period", {}).get("start")
    since = f"since {written(started[:10])}" if started else ""
    return Choice(resource["id"], name, since)


def criteria(sought: str) -> tuple[tuple[str, str], ...]:
    """Return search parameters for what somebody typed: NHS number, date of birth, parts of the name; all have to match."""
    found: list[tuple[str, str]] = []

    def number(match: re.Match[str]) -> str:
        found.append(("identifier", f"{NHS_NUMBER}|{''.join(match.groups())}"))
        return " "

    def birth_date(match: re.Match[str]) -> str:
        day = _date(match.groupdict())
        if day is None:
            return match[0]
        found.append(("birthdate", day.isoformat()))
        return " "

    sought = "".join(each if each.isprintable() else " " for each in sought[:LONGEST_SOUGHT])
    for each in _DATES:
        sought = each.sub(birth_date, sought)
    sought = _NUMBER.sub(number, sought)
    found += (
        ("name", _escaped(each)) for each in re.split(r"[\s,()]+", sought) if _WORD.search(each)
    )
    return tuple(found)


def written(day: str) -> str:
    """Return a FHIR date as it is written for people: 01-Feb-1980, Feb-1980, 1980."""
    year, *rest = day.split("-")
    if not rest:
        return year
    month = _MONTHS[int(rest[0]) - 1]
    return f"{rest[1]}-{month}-{year}" if len(rest) > 1 else f"{month}-{year}"


def _name(names: Sequence[Mapping[str, Any]]) -> str:
    ranked = sorted(names, key=lambda each: _rank(each.get("use")))
    if not ranked:
        return "No name recorded"
    name = ranked[0]
    family = name.get("family", "").upper()
    given = " ".join(name.get("given", ()))
    called = ", ".join(each for each in (family, given) if each) or name.get(
        "text", "No name recorded"
    )
    return f"{called} ({' '.join(name['prefix'])})" if name.get("prefix") else called


def _rank(use: str | None) -> int:
    return _OFFICIAL.index(use) if use in _OFFICIAL else len(_OFFICIAL)


def _number(identifiers: Sequence[Mapping[str, Any]]) -> str | None:
    for each in identifiers:
        value = each.get("value", "")
        if each.get("system") == NHS_NUMBER and value:
            return f"NHS number {value[:3]} {value[3:6]} {value[6:]}"
    return None


def _born(day: str | None) -> str | None:
    return None if day is None else f"born {written(day)}"


def _has_died(resource: Resource) -> bool:
    return "deceasedDateTime" in resource or resource.get("deceasedBoolean") is True


def _display(concept: Mapping[str, Any]) -> str | None:
    displays = (each.get("display") for each in concept.get("coding", ()))
    return next((each for each in displays if each), None)


def _date(parts: Mapping[str, str | None]) -> date | None:
    name = parts.get("name")
    try:
        month = int(parts["month"] or 0) if name is None else _MONTHS.index(name.title()) + 1
        return date(int(parts["year"] or 0), month, int(parts["day"] or 0))
    except ValueError:
        return None


def _escaped(text: str) -> str:
    """Return text as a search value stands for it: https://hl7.org/fhir/R4/search.html#escaping."""
    return re.sub(r"([\\$|,])", r"\\\1", text)
