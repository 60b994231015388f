"""What can be known of a search parameter's expression without a resource. Pure.

Which keys of a resource it needs, so that it is not evaluated where they are absent; which code system
its bare codes belong to; and which parameters ask for no more than others together do.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import TypeAlias

from fhir_server.conformance.definitions import Definitions, SearchParameter
from fhir_server.fhir.structure import Element

_STEPS = re.compile(r"[A-Za-z]\w*(?:\.[a-z]\w*)*\Z")
_FIRST_STEP = re.compile(r"\(*[A-Z]\w*\.([a-z]\w*)")
_CAST = re.compile(r"\(*[A-Z]\w*\.[a-z]\w*(?: as |\.as\(|\.ofType\()([A-Za-z]+)\)*")
_CANONICAL = frozenset(("canonical", "uri"))
_CONDITION = re.compile(r"\.where\([^()]*\)")
_TRUE_OF_NOTHING = re.compile(r"exists\(|empty\(|count\(|not\(|iif\(|!=| and | or ")
"""What may yield something where the element is absent."""


_WHOLE_SYSTEMS = {
    "http://hl7.org/fhir/ValueSet/mimetypes": "urn:ietf:bcp:13",
    "http://hl7.org/fhir/ValueSet/languages": "urn:ietf:bcp:47",
}
"""Value sets that are all of a code system, or are bound to no more than that: R4 lists no codes of these."""

Systems: TypeAlias = "str | Mapping[str, str]"
"""The one system of all codes, or that of each code."""


def alternatives(expression: str) -> list[str]:
    """Return the operands of the unions of an expression."""
    found, depth, quoted, start = [], 0, False, 0
    for position, character in enumerate(expression):
        if character == "'":
            quoted = not quoted
        elif not quoted and character == "|" and depth == 0:
            found.append(expression[start:position].strip())
            start = position + 1
        elif not quoted:
            depth += (character == "(") - (character == ")")
    return [*found, expression[start:].strip()]


def keys(definitions: Definitions, resource_type: str, expression: str) -> frozenset[str] | None:
    """Return the JSON keys without which an expression yields nothing; None if there are no such."""
    found: set[str] = set()
    for each in alternatives(expression):
        step = _FIRST_STEP.match(each)
        if step is None or _TRUE_OF_NOTHING.search(each):
            return None
        found.update(_keys(definitions, resource_type, step[1], _CAST.match(each)))
    return frozenset(found)


def _keys(
    definitions: Definitions, resource_type: str, name: str, cast: re.Match[str] | None
) -> Iterator[str]:
    element = _child(definitions, resource_type, resource_type, name)
    if element is None or not element.is_choice:
        yield name
        return
    for each in element.types:
        if cast is None or cast[1].lower() == each.code.lower():
            yield name + each.code[0].upper() + each.code[1:]


def _child(definitions: Definitions, type_name: str, path: str, name: str) -> Element | None:
    children = definitions.type(type_name).elements.get(path, ())
    return next((each for each in children if each.name.removesuffix("[x]") == name), None)


def implied_systems(definitions: Definitions, expression: str) -> Systems:
    """Return the code system of the codes that an expression yields: one of all, or those of the codes; else ""."""
    found = [_systems_of(definitions, each) for each in alternatives(expression)]
    return found[0] if all(each == found[0] for each in found) else ""


def is_canonical(definitions: Definitions, expression: str) -> bool:
    """Tell whether an expression yields nothing but canonical URLs."""
    return all(_yields_canonical(definitions, each) for each in alternatives(expression))


@lru_cache(maxsize=2048)
def is_string(definitions: Definitions, expression: str) -> bool:
    """Tell whether an expression yields nothing but strings."""
    found = [_element(definitions, each) for each in alternatives(expression)]
    return all(
        each is not None and [kind.code for kind in each.types] == ["string"] for each in found
    )


def _yields_canonical(definitions: Definitions, path: str) -> bool:
    if cast := _CAST.fullmatch(path):
        return cast[1] in _CANONICAL
    element = _element(definitions, _CONDITION.sub("", path))
    return element is not None and {each.code for each in element.types} <= _CANONICAL


def _systems_of(definitions: Definitions, path: str) -> Systems:
    element = _element(definitions, path)
    if element is None or element.binding is None or element.types[0].code != "code":
        return ""
    strength, bound = element.binding
    value_set = bound.partition("|")[0]
    if value_set in _WHOLE_SYSTEMS:
        return _WHOLE_SYSTEMS[value_set]
    systems = definitions.value_sets.get(value_set, {}) if strength == "required" else {}
    if len(systems) <= 1:
        return next(iter(systems), "")
    every = Counter(chain.from_iterable(systems.values()))
    # A code of two systems says of neither that it is meant.
    return {code: system for system, codes in systems.items() for code in codes if every[code] == 1}


def _element(definitions: Definitions, path: str) -> Element | None:
    """Return the element at the end of a plain path: `Patient.contact.gender`."""
    if not _STEPS.match(path):
        return None
    type_name, *steps = path.split(".")
    place, element = type_name, None
    for step in steps:
        element = _child(definitions, place.partition(".")[0], place, step)
        if element is None:
            return None
        place = _place_of(place, element)
    return element


def _place_of(place: str, element: Element) -> str:
    if element.same:
        return element.same
    code = element.types[0].code if element.types else "Element"
    return f"{place}.{element.name}" if code in {"BackboneElement", "Element"} else code


def unions(parameters: Mapping[str, SearchParameter]) -> dict[str, tuple[str, ...]]:
    """Return the parameters that others cover, each with those: `combo-code` is `code` or `component-code`.

    They need no entries of their own. References keep theirs: includes are followed by parameter. So do
    parameters that R4 does not have: they come and go, and what others are indexed by must not depend on that.
    """
    operands = {
        code: _operands(each)
        for code, each in parameters.items()
        if each.type not in {"reference", "special"} and not (each.added or code.startswith("_"))
    }
    covered: dict[str, tuple[str, ...]] = {}
    # Of those that ask for the same, the one with the shortest name keeps the entries.
    order = sorted(operands, key=lambda code: (len(operands[code]), len(code), code))
    for number, code in enumerate(order):
        wanted = operands[code]
        parts = [
            other for other in order[:number] if other not in covered and operands[other] <= wanted
        ]
        if parts and frozenset().union(*(operands[each] for each in parts)) == wanted:
            covered[code] = tuple(_needed(parts, operands, wanted))
    return covered


def _operands(parameter: SearchParameter) -> frozenset[tuple[str, ...]]:
    components = tuple(each.expression for each in parameter.components)
    return frozenset(
        (parameter.type, each, *components) for each in alternatives(parameter.expression)
    )


def _needed(
    parts: Sequence[str],
    operands: Mapping[str, frozenset[tuple[str, ...]]],
    wanted: frozenset[tuple[str, ...]],
) -> Iterator[str]:
    """Yield parts, the largest first, until they cover what is wanted."""
    open_yet = set(wanted)
    for each in sorted(parts, key=lambda part: (-len(operands[part]), part)):
        if open_yet & operands[each]:
            open_yet -= operands[each]
            yield each
