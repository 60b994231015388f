"""What to ask the trusts of the synthetic platform as one, and what their answers say in words. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from fhir_server.demonstration.codes import PLATFORM
from fhir_server.demonstration.immunisation import FLU
from fhir_server.fhir.resource import Resource

Names: TypeAlias = Mapping[str, str]
"""What the members of the federation are called, by their ids."""

BEDS = "Location?physical-type=bd&operational-status=U&_count=500"
SLOTS = "Slot?status=free&specialty=110&_sort=start&_count=3&_total=accurate"
IN_A_HURRY = 0.5
"""Seconds, for somebody who cannot wait for the slow one."""

_FLU = FLU.product["coding"][0]
STOCK = (
    f"Observation?code={PLATFORM}/CodeSystem/stock%7Cstock-on-hand"
    f"&component-value-concept={_FLU['system']}%7C{_FLU['code']}&_count=500"
)


@dataclass(frozen=True, slots=True)
class Question:
    """A search at a hub: what it is for, its address there, how it is told, and how many seconds it is waited for."""

    title: str
    target: str
    told: Callable[[Resource, Names], str]
    deadline: float | None = None


def questions() -> tuple[Question, ...]:
    """Return what is asked on the first screen."""
    return (
        Question("Where is a bed free?", BEDS, beds),
        Question("When is the next free theatre session in orthopaedics?", SLOTS, slots),
        Question("How much flu vaccine is there?", STOCK, doses),
        Question("And for somebody who waits half a second at most?", BEDS, beds, IN_A_HURRY),
    )


def beds(page: Resource, names: Names) -> str:
    """Tell how many beds are free at each member."""
    found = Counter(member for member, _ in matches(page))
    return f"{found.total()} free beds: {_listed(found, names)}{_missing(page, names)}"


def slots(page: Resource, names: Names) -> str:
    """Tell the first slots, and how many there are."""
    found = [f"{_moment(slot['start'])} at {names[member]}" for member, slot in matches(page)]
    in_all = f" ({page['total']} in all)" if "total" in page else ""
    return f"{'; '.join(found)}{in_all}{_missing(page, names)}"


def doses(page: Resource, names: Names) -> str:
    """Tell how many doses each member has."""
    found: Counter[str] = Counter()
    for member, count in matches(page):
        found[member] += count["valueQuantity"]["value"]
    return f"{found.total()} doses: {_listed(found, names)}{_missing(page, names)}"


def matches(page: Resource) -> Iterator[tuple[str, Resource]]:
    """Yield each match of a federated page, after the id of its member."""
    for each in page["entry"]:
        if each["search"]["mode"] == "match":
            yield each["extension"][0]["valueString"], each["resource"]


def _missing(page: Resource, names: Names) -> str:
    """Return who is missing from a page, in words; nothing where nobody is."""
    told = []
    for listed in page["entry"][-1]["resource"]["extension"]:
        parts: dict[str, Any] = {each["url"]: each for each in listed["extension"]}
        state = parts["status"]["valueCode"]
        if state != "ok":
            told.append(f"{names[parts['member']['valueString']]} ({state})")
    return f"; missing: {', '.join(told)}" if told else ""


def _listed(found: Counter[str], names: Names) -> str:
    return ", ".join(f"{names[member]} {found[member]}" for member in names if member in found)


def _moment(text: str) -> str:
    return f"{datetime.fromisoformat(text):%a %d %b %H:%M}"
