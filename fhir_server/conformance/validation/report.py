"""What a validation has found so far, and where it is."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeAlias

from fhir_server.fhir.outcome import Issue

MOST_ISSUES: Final = 100
"""After so many issues the rest is not looked at: a broken client learns no more from the next one."""

LONGEST_QUOTE: Final = 60
"""Characters of a value that a message quotes."""

Place: TypeAlias = "tuple[Place | None, str, int | None, int]"
"""An element: its parent's place, its name, its index in a list, and how deep it lies.

A plain tuple, since one is made for each element of a valid resource too, and only read for an issue.
"""


class Problem(NamedTuple):
    """What is wrong with a value, wherever it stands: a FHIR issue code and what to tell."""

    code: str
    text: str


class Pointer(NamedTuple):
    """A reference to a contained resource, to be resolved when the whole resource has been seen."""

    text: str
    targets: frozenset[str]
    place: Place


class Full(Exception):
    """The report holds as many issues as anyone will read."""


class Report:
    """Collects issues; raises Full when there are enough of them."""

    __slots__ = ("conditional_references", "issues", "pointers")

    def __init__(self) -> None:
        self.issues: list[Issue] = []
        self.pointers: list[Pointer] = []
        self.conditional_references = False

    def add(
        self, problem: Problem, place: Place, name: str | None = None, index: int | None = None
    ) -> None:
        """Record a problem of the element at `place`, or of its child `name`."""
        at = place if name is None else child(place, name, index)
        self.issues.append(Issue("error", problem.code, problem.text, location(at)))
        if len(self.issues) == MOST_ISSUES:
            self.issues.append(
                Issue(
                    "information", "too-costly", f"Only the first {MOST_ISSUES} issues are listed."
                )
            )
            raise Full


def root(name: str) -> Place:
    """Return the place of a whole resource."""
    return (None, name, None, 0)


def child(place: Place, name: str, index: int | None = None) -> Place:
    """Return the place of an element within another."""
    return (place, name, index, place[3] + 1)


def location(place: Place) -> str:
    """Return the FHIRPath expression of a place: `Patient.name[0].given[1]`.

    Of the subset that OperationOutcome allows: names and indexes, so a choice is `Observation.value`.
    """
    steps: list[str] = []
    at: Place | None = place
    while at is not None:
        at, name, index, _ = at
        steps.append(name if index is None else f"{name}[{index}]")
    return ".".join(reversed(steps))


def shown(value: str | int | Decimal) -> str:
    """Return a value as it is quoted to people: not without end."""
    if type(value) is int and value.bit_length() > LONGEST_QUOTE:
        return "a number of many digits"
    text = str(value)
    return f"'{text}'" if len(text) <= LONGEST_QUOTE else f"'{text[: LONGEST_QUOTE - 3]}...'"


def kind(value: Any) -> str:
    """Name the JSON type of a value."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return "a string"
        case dict():
            return "an object"
        case list():
            return "a list"
        case _:
            return "a number"


def mistyped(needed: str, value: object) -> Problem:
    """Say that another JSON type is needed."""
    return Problem("structure", f"{needed} is needed here, not {kind(value)}")
