"""References: https://hl7.org/fhir/R4/references.html.

What the text of a reference says by itself is judged where it stands; a reference to a contained resource, and
each contained resource that nothing refers to, when the whole resource has been seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from fhir_server.conformance.validation.primitives import PRIMITIVES
from fhir_server.conformance.validation.report import Place, Pointer, Problem, Report, shown

_ID = r"[A-Za-z0-9\-.]{1,64}"
_relative = re.compile(rf"([A-Za-z]+)/{_ID}(?:/_history/{_ID})?").fullmatch
_restful = re.compile(rf"https?://.*/([A-Za-z]+)/{_ID}(?:/_history/{_ID})?").fullmatch
_absolute = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+").fullmatch
_conditional = re.compile(r"([A-Za-z]+)\?\S+").fullmatch
_links = re.compile(rf"""["'](#{_ID})["']""").findall
_uri = PRIMITIVES["uri"]


class References:
    """Judges the references to some target types; no targets means any type."""

    __slots__ = ("_targets", "_types")

    def __init__(self, targets: frozenset[str], types: frozenset[str]) -> None:
        self._targets = targets
        self._types = types

    def check(self, value: Any, place: Place, report: Report) -> None:
        """Record what is wrong with a Reference beyond its shape."""
        if type(value) is not dict:
            return
        text = value.get("reference")
        if type(text) is not str or not text:
            if _is_bare(value):
                report.add(_BARE, place)
            problem = self._judge_target(None, value.get("type"))
        elif text[0] == "#":
            report.pointers.append(Pointer(text, self._targets, place))
            return
        else:
            problem = self._judge(text, value.get("type"), report)
        if problem is not None:
            report.add(problem, place, "reference" if text else None)

    def _judge(self, text: str, stated: object, report: Report) -> Problem | None:
        named = _relative(text)
        if named is None and report.conditional_references:
            named = _conditional(text)
        if named is None:
            fault = _uri(text) if _absolute(text) else _malformed(text)
            if fault is not None:
                return fault
            named = _restful(text)
            if named is None or named[1] not in self._types:
                return self._judge_target(None, stated)
        elif named[1] not in self._types:
            return Problem("value", f"{shown(text)} names no resource type of R4: {named[1]}")
        return self._judge_target(named[1], stated)

    def _judge_target(self, name: str | None, stated: object) -> Problem | None:
        """Hold the type that the text names, and the one in Reference.type, to the targets."""
        if type(stated) is str:
            short = stated.removeprefix("http://hl7.org/fhir/StructureDefinition/")
            if short != (name or short):
                text = f"the reference is to {name}, while its type says {shown(stated)}"
                return Problem("value", text)
            # Reference.type may name a logical model, of which nothing is known here.
            name = name or (short if short in self._types else None)
        if name is not None and self._targets and name not in self._targets:
            return _wrong_target(name, self._targets)
        return None


def check_pointers(resource: dict[str, Any], place: Place, report: Report) -> None:
    """Resolve the references to contained resources, and find the contained that nothing needs."""
    given = resource.get("contained")
    contained = given if type(given) is list else []
    types = {
        f"#{each.get('id')}": str(each.get("resourceType"))
        for each in contained
        if type(each) is dict
    }
    for text, targets, at in report.pointers:
        if text in types:
            if targets and types[text] not in targets:
                report.add(_wrong_target(types[text], targets), at, "reference")
        elif text != "#":
            report.add(_unresolved(text, types), at, "reference")
    if types:
        _check_needed(resource, contained, place, report)


def _check_needed(
    resource: dict[str, Any], contained: list[Any], place: Place, report: Report
) -> None:
    """Hold dom-3: a contained resource is referred to, or refers to the resource that contains it."""
    mentioned = set(_fragments(resource))
    for index, each in enumerate(contained):
        if type(each) is not dict or type(each.get("id")) is not str:
            continue
        if f"#{each['id']}" not in mentioned and "#" not in _fragments(each):
            report.add(_UNNEEDED, place, "contained", index)


def _fragments(value: Any) -> Iterator[str]:
    """Yield what may refer within a resource: references, canonicals, uris, links in narratives."""
    remaining = [value]
    while remaining:
        each = remaining.pop()
        if type(each) is dict:
            remaining.extend(each.values())
        elif type(each) is list:
            remaining.extend(each)
        elif type(each) is str:
            if each.startswith("#"):
                yield each
            elif "<div" in each:
                # An image in a narrative may be contained, too.
                yield from _links(each)


def _is_bare(value: Mapping[str, Any]) -> bool:
    return not any(
        name in value for name in ("reference", "_reference", "identifier", "display", "extension")
    )


def _malformed(text: str) -> Problem:
    forms = "Type/id, an absolute URL, urn:uuid:…, #id, or in a transaction Type?search"
    return Problem("value", f"{shown(text)} is no reference: write {forms}")


def _wrong_target(name: str, targets: frozenset[str]) -> Problem:
    allowed = ", ".join(sorted(targets))
    return Problem("value", f"{name} cannot be referred to here: allowed are {allowed}")


def _unresolved(text: str, types: Mapping[str, str]) -> Problem:
    there = f"contained are {', '.join(sorted(types))}" if types else "none is contained"
    return Problem("invariant", f"no contained resource has the id of {shown(text)}: {there}")


_BARE = Problem("required", "a Reference needs a reference, an identifier or a display")
_UNNEEDED = Problem(
    "invariant",
    "the contained resource is not referred to from the resource, nor refers to it (dom-3)",
)
