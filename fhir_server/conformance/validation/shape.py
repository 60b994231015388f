"""The shape of an element: which children it may and must have, and the check of each.

A shape is compiled when the first element of its kind is met, so a type costs nothing before it is used, and types
that contain themselves need no special care. Checking is one pass over the properties that are there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from fhir_server.conformance.validation.report import Place, Problem, Report, mistyped, shown

DEEPEST: Final = 100
"""How deep elements may nest: each level costs Python frames, and no real resource comes near."""

ValueCheck = Callable[[Any, Place, Report], None]
"""Records what is wrong with the value at a place."""

PropertyCheck = Callable[[Any, dict[str, Any], Place, Report], None]
"""Records what is wrong with a property's value, given the object that has it and that object's place."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A choice element: https://hl7.org/fhir/R4/formats.html#choice."""

    name: str
    properties: Mapping[str, str]
    """Each property that it may be written as, `_` partners included -> the property without `_`."""
    required: bool


@dataclass(frozen=True, slots=True)
class Children:
    """What an element of one shape consists of.

    `required` pairs a name with the partner that may stand in for it (none: the name again).
    `rules` are checks of the element as a whole; invariants of types belong there.
    """

    properties: Mapping[str, PropertyCheck]
    required: tuple[tuple[str, str], ...]
    choices: tuple[Choice, ...]
    rules: tuple[ValueCheck, ...]


class Shape:
    """Checks the elements of one kind."""

    __slots__ = ("_children", "_compile", "_id_suffices")

    def __init__(self, compile_children: Callable[[], Children], *, id_suffices: bool) -> None:
        self._compile = compile_children
        self._children: Children | None = None
        self._id_suffices = id_suffices

    def check(self, value: Any, place: Place, report: Report) -> None:
        """Record what is wrong with an element."""
        if type(value) is not dict:
            report.add(mistyped("an object", value), place)
        elif not value or (len(value) == 1 and "id" in value and not self._id_suffices):
            report.add(_EMPTY, place)
        elif place[3] > DEEPEST:
            report.add(_TOO_DEEP, place)
        else:
            self._check_children(value, place, report)

    def _check_children(self, value: dict[str, Any], place: Place, report: Report) -> None:
        children = self._children
        if children is None:
            children = self._children = self._compile()
        properties = children.properties
        for name, item in value.items():
            check = properties.get(name)
            if check is None:
                report.add(_unknown(name, children), place)
            else:
                check(item, value, place, report)
        for name, partner in children.required:
            if name not in value and partner not in value:
                report.add(_missing(name), place, name)
        for choice in children.choices:
            _check_choice(choice, value, place, report)
        for rule in children.rules:
            rule(value, place, report)


def _check_choice(choice: Choice, value: dict[str, Any], place: Place, report: Report) -> None:
    if choice.properties.keys().isdisjoint(value):
        if choice.required:
            report.add(_missing(f"{choice.name}[x]"), place, choice.name)
        return
    found = {choice.properties[name] for name in value if name in choice.properties}
    if len(found) > 1:
        report.add(_several(choice, found), place, choice.name)


def _unknown(name: str, children: Children) -> Problem:
    for choice in children.choices:
        if name == choice.name:
            text = (
                f"{name}[x] is written with its type, for example {next(iter(choice.properties))}"
            )
            return Problem("structure", text)
    near = get_close_matches(name, children.properties, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return Problem("structure", f"there is no property {shown(name)} here{hint}")


def _missing(name: str) -> Problem:
    return Problem("required", f"{name} is required, and is missing")


def _several(choice: Choice, found: set[str]) -> Problem:
    return Problem(
        "structure", f"{choice.name}[x] may be given once, not as {' and '.join(sorted(found))}"
    )


_EMPTY = Problem("structure", "the element is empty: give it content, or leave it out")
_TOO_DEEP = Problem("too-costly", f"elements nest deeper than {DEEPEST} levels")
