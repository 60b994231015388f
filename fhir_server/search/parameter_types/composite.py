"""Composites, whose parts hold of one and the same element: https://hl7.org/fhir/R4/search.html#composite.

Discrete parts (token, string, reference, URI) make one term together. A number, date or quantity at the end
is a range on an axis named by the discrete ones before it, then by the systems of their codes, then by its unit;
two numbers at the end are the ends of one range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, product, takewhile
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from fhir_server.conformance.definitions import SearchParameter
from fhir_server.fhir.errors import NotSupported
from fhir_server.fhir.fhirpath import Node
from fhir_server.search.expression import HasTerm, HasTermContaining, Limit, Predicate
from fhir_server.search.parameter_types import date, number, quantity, reference, string, token
from fhir_server.search.parameter_types.criterion import (
    Alternatives,
    Criterion,
    any_of,
    begins_with,
    folded,
    in_range,
    split,
    unescape,
)
from fhir_server.search.parameter_types.entries import Entries, Extent
from fhir_server.search.paths import Systems
from fhir_server.search.record import LONGEST_VALUE, SEPARATOR, fold, shortened, system_key

PartsIndexer: TypeAlias = Callable[[Sequence[Sequence[Node]], Entries], None]
"""Add what one element can be found by; it is given the values of each component."""

_Extents: TypeAlias = Callable[[Sequence[Sequence[Node]]], list[Extent]]

Pattern: TypeAlias = tuple[str | None, ...]
"""A part of a term; None where a search leaves open what the term has."""

_ANY = "*"
"""In place of a system's key: any of them."""

_DISCRETE = frozenset(("token", "string", "reference", "uri"))
_AXES = (("date",), ("quantity",), ("number",), ("number", "number"))


@dataclass(frozen=True, slots=True)
class Component:
    """One part of a composite: where its value is, and the parameter that it is searched like."""

    parameter: SearchParameter
    expression: str

    @property
    def type(self) -> str:
        """The type of search parameter that the part is."""
        return self.parameter.type


def components(
    composite: SearchParameter, known: Mapping[str, SearchParameter]
) -> tuple[Component, ...]:
    """Return the parts of a composite, parameters of R4's own; none of none that can be indexed."""
    own = [each for each in known.values() if not each.added]
    by_url = {each.url: each for each in own}
    by_expression = {each.expression: each for each in own}
    found = [
        # By expression first: the definitions of `relationship` name each other's parameters.
        (
            by_expression.get(f"{composite.expression}.{each.expression}")
            or by_url[each.definition],
            each,
        )
        for each in composite.components
    ]
    parts = tuple(Component(parameter, each.expression) for parameter, each in found)
    return parts if _is_indexed([each.type for each in parts]) else ()


def _is_indexed(types: Sequence[str]) -> bool:
    count = _count_discrete(types)
    if count == len(types):
        return True
    return count > 0 and "string" not in types and tuple(types[count:]) in _AXES


def _count_discrete(types: Sequence[str]) -> int:
    return next((n for n, each in enumerate(types) if each not in _DISCRETE), len(types))


def indexer(
    code: str,
    parts: Sequence[Component],
    implied: Sequence[Systems],
    zone: ZoneInfo,
    base_url: str,
) -> PartsIndexer:
    """Return what indexes the elements of a composite; `implied` are the systems of its bare codes."""
    types = [each.type for each in parts]
    count = _count_discrete(types)
    texts = [_texts(*each, base_url) for each in zip(types[:count], implied, strict=False)]
    extents = _extents(types[count:], zone)

    def index(values: Sequence[Sequence[Node]], entries: Entries) -> None:
        exact = [
            [text for node in nodes for text in texts_of(node)]
            for texts_of, nodes in zip(texts, values, strict=False)
        ]
        if extents is None:
            entries.terms.extend([f"{code}:{''.join(each)}" for each in product(*exact)])
            return
        axes = [_axis_and_tags(code, *each) for each in product(*exact)]
        for unit, low, high, names in extents(values[count:]):
            entries.ranges.extend(
                [(axis + unit, low, high, (*tags, *names)) for axis, tags in axes]
            )

    return index


def _texts(kind: str, implied: Systems, base_url: str) -> Callable[[Node], list[str]]:
    """Return what writes a value as it stands in the term: a marker, what it is, a separator."""
    match kind:
        case "token":
            return lambda node: [
                f"${shortened(value)}{SEPARATOR}{system_key(system)}{SEPARATOR}"
                for system, value in token.codings(node, implied)
            ]
        case "string":
            return lambda node: [
                f"^{fold(text)[:LONGEST_VALUE]}{SEPARATOR}" for text in string.texts(node)
            ]
        case _:
            return lambda node: _reference_texts(node, base_url)


def _reference_texts(node: Node, base_url: str) -> list[str]:
    text = node.value.get("reference") if node.type == "Reference" else node.value
    if not isinstance(text, str) or text.startswith("#"):
        return []
    return [f">{shortened(reference.local(text, base_url))}{SEPARATOR}"]


@lru_cache(maxsize=4096)
def _axis_and_tags(code: str, *texts: str) -> tuple[str, tuple[str, ...]]:
    """Return the axis that the texts name together, the systems of codes last, and each of these but the first as a tag.

    Where a system is left open the name ends: a family of axes, and what follows is told by the tags.
    """
    axis, systems = [f"{code}:"], []
    for text in texts:
        if text.startswith("$"):
            bare, system, _ = text.split(SEPARATOR)
            axis.append(bare + SEPARATOR)
            systems.append(system)
        else:
            axis.append(text)
    axis += [each + SEPARATOR for each in takewhile(_ANY.__ne__, systems)]
    tags = [f"{place}${each}" for place, each in enumerate(systems) if place and each != _ANY]
    return "".join(axis), tuple(tags)


def _extents(types: Sequence[str], zone: ZoneInfo) -> _Extents | None:
    """Return what yields the ranged parts, each with its unit."""
    match types:
        case []:
            return None
        case ["number", "number"]:
            return _two_numbers
        case ["date"]:
            index = date.indexer("", zone)
        case ["number"]:
            index = number.indexer("")
        case _:
            return _quantities

    def extents(values: Sequence[Sequence[Node]]) -> list[Extent]:
        entries = Entries()
        for node in values[0]:
            index(node, entries)
        return entries.ranges

    return extents


def _quantities(values: Sequence[Sequence[Node]]) -> list[Extent]:
    found: list[Extent] = []
    for node in values[0]:
        extent = quantity.extent(node)
        if extent is not None:
            unit, names = quantity.units(node)
            found.append((unit, *extent, names))
    return found


def _two_numbers(values: Sequence[Sequence[Node]]) -> list[Extent]:
    return [
        ("", low, high, ())
        for first, last in product(*values)
        if (low := number.as_text(first.value)) is not None
        and (high := number.as_text(last.value)) is not None
        and low <= high
    ]


def parse(criterion: Criterion, parts: Sequence[Component]) -> Predicate:
    """Return what one value of a composite parameter asks."""
    criterion.refuse_modifier()
    if not parts:
        raise NotSupported(f"{criterion.parameter.code} has parts that are not indexed together")
    texts = split(criterion.value, "$")
    if len(texts) != len(parts):
        names = "$".join(each.parameter.code for each in parts)
        raise criterion.malformed(rf"`{names}` (a `$` inside of them is written `\$`)")
    asked = [
        replace(criterion, parameter=part.parameter, value=text, within=str(criterion))
        for part, text in zip(parts, texts, strict=True)
    ]
    count = _count_discrete([each.type for each in parts])
    choices = [*product(*map(_patterns, asked[:count]))]
    if count == len(parts):
        return any_of(_term(criterion, each) for each in choices)
    limits, of_unit, unit = _limits(asked[count:])
    axes = (_asked_axis(criterion, each) for each in choices)
    return any_of(in_range(axis, limits, (*tags, *of_unit), unit) for axis, tags in axes)


def _patterns(criterion: Criterion) -> list[Pattern]:
    """Return what a discrete value asks of its part of the term; of a bare id one for each type."""
    match criterion.parameter.type:
        case "token":
            return [_token_pattern(criterion)]
        case "string":
            text = folded(criterion)
            return [(f"^{text}", None, SEPARATOR)]
        case "reference":
            names = reference.names(criterion)
            return [(f">{shortened(each)}{SEPARATOR}",) for each in names]
        case _:
            return [(f">{shortened(unescape(criterion.value))}{SEPARATOR}",)]


def _token_pattern(criterion: Criterion) -> Pattern:
    system, value = token.system_and_code(criterion)
    if system is None:
        return (f"${shortened(value)}{SEPARATOR}", None, SEPARATOR)
    if not value:
        return ("$", None, f"{SEPARATOR}{system_key(system)}{SEPARATOR}")
    return (f"${shortened(value)}{SEPARATOR}{system_key(system)}{SEPARATOR}",)


def _term(criterion: Criterion, patterns: Sequence[Pattern]) -> Predicate:
    match _literals(f"{criterion.parameter.code}:", patterns):
        case [whole]:
            return HasTerm(whole)
        case [start, end] if end == SEPARATOR:
            return begins_with(start)
        case [start, middle]:
            return HasTermContaining(start, middle)
        case [start, middle, end] if end == SEPARATOR:
            return HasTermContaining(start, middle)
        case _:
            raise NotSupported(f"{criterion}: give both system and code of at least one part")


def _literals(start: str, patterns: Sequence[Pattern]) -> list[str]:
    """Return what is between the places that the patterns leave open."""
    found = [start]
    for item in chain.from_iterable(patterns):
        if item is None:
            found.append("")
        else:
            found[-1] += item
    return found


def _asked_axis(criterion: Criterion, patterns: Sequence[Pattern]) -> tuple[str, tuple[str, ...]]:
    """Return the axis that the discrete parts name, or the family of them, and the tags that it does not tell."""
    if any(each[0] == "$" for each in patterns):
        raise NotSupported(f"{criterion}: a code is needed beside a number, date or quantity")
    # Of a code whose system is left open, the pattern ends where the system would stand.
    texts = [f"{each[0]}{_ANY}{SEPARATOR}" if len(each) > 1 else each[0] or "" for each in patterns]
    return _axis_and_tags(criterion.parameter.code, *texts)


def _limits(asked: Sequence[Criterion]) -> tuple[Alternatives, tuple[str, ...], str]:
    """Return the limits of the ranged parts, the tags of their unit, and the UCUM unit that they count."""
    match asked:
        case [first, last]:
            limits = tuple(
                (*_on("low", low), *_on("high", high))
                for low, high in product(
                    number.alternatives(first, first.value), number.alternatives(last, last.value)
                )
            )
            return limits, (), ""
        case [only] if only.parameter.type == "date":
            return date.alternatives(only), (), ""
        case [only] if only.parameter.type == "number":
            return number.alternatives(only, only.value), (), ""
        case _:
            return quantity.asked(asked[0])


def _on(end: Literal["low", "high"], limits: Sequence[Limit]) -> Iterator[Limit]:
    """Yield limits on a single number as limits on that end of a range."""
    for each in limits:
        yield Limit(end, each.operator, each.value)
