"""What the server says that it answers, and which rows of the truth table ask for it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from fhir_server.conformance.capability import (
    Interactions,
    Security,
    Software,
    capability_statement,
)
from fhir_server.conformance.definitions import SearchParameter
from fhir_server.fhir.resource import Resource
from fhir_server.search.filtering import NOT_SERVED
from fhir_server.search.parameter_types.criterion import split
from fhir_server.search.parameter_types.modifiers import ANY_TYPE, modifiers_of
from fhir_server.search.parameter_types.prefix import PREFIXES
from fhir_server.search.reading import READERS
from tests.search.support import DEFINITIONS, pairs_of
from tests.search.truth import Row

PREFIXED = frozenset(("date", "number", "quantity"))
"""Prefixes are for the ordered types: https://hl7.org/fhir/R4/search.html#prefix."""

CHAIN, REVERSE = "chain", "_has"

WITHOUT_DEFINITION = frozenset(("_content", "_filter", "_list", "_text"))
"""Parameters that every type has, and that are of no element."""


class Feature(NamedTuple):
    """A type of parameter (a common parameter by itself), with a modifier or a prefix, or neither."""

    of: str
    modifier: str = ""
    prefix: str = ""


def statement() -> Resource:
    """Return the CapabilityStatement of a server of all types."""
    return capability_statement(
        DEFINITIONS,
        types=DEFINITIONS.resource_types,
        interactions=Interactions(("search-type",), ()),
        software=Software("0", "2024-01-01", "http://example.org/fhir"),
        security=Security(),
    )


def served() -> Mapping[tuple[str, str], SearchParameter]:
    """Return each search parameter that the CapabilityStatement names, by type and code."""
    return {
        (each["type"], told["name"]): DEFINITIONS.search_parameters(each["type"])[told["name"]]
        for each in statement()["rest"][0]["resource"]
        for told in each["searchParam"]
        if told["name"] not in WITHOUT_DEFINITION
    }


def features(parameters: Collection[SearchParameter]) -> set[Feature]:
    """Return all that these parameters answer, and the chains that join them."""
    found = {Feature(each) for each in (CHAIN, REVERSE, *(WITHOUT_DEFINITION - NOT_SERVED.keys()))}
    # Of references to what is part of its own kind.
    found.update(Feature("reference", each) for each in ("above", "below"))
    for each in parameters:
        for of in _names(each):
            found.add(Feature(of))
            found.update(Feature(of, modifier) for modifier in modifiers_of(each))
            if each.type in PREFIXED:
                found.update(Feature(of, prefix=prefix) for prefix in PREFIXES)
    return found


def uncovered(wanted: Collection[Feature], rows: Collection[Row]) -> list[Feature]:
    """Return what has no row that finds by it, or none that does not."""
    by_answer = {
        answer: {each for row in rows if row.expected is answer for each in asked(row)}
        for answer in (True, False)
    }
    return sorted(set(wanted) - (by_answer[True] & by_answer[False]))


def asked(row: Row) -> Iterator[Feature]:
    """Yield the features that a row is about: none where several parameters are asked together, or how to answer."""
    pairs = pairs_of(row.query)
    if len(pairs) > 1:
        return
    ((name, value),) = pairs
    if name.startswith("_has:"):
        yield Feature(REVERSE)
    elif "." in name:
        yield Feature(CHAIN)
    elif name in WITHOUT_DEFINITION:
        yield Feature(name)
    elif name in READERS:
        return
    else:
        code, _, modifier = name.partition(":")
        parameter = DEFINITIONS.search_parameters(row.rule.kind)[code]
        yield from _asked_of(parameter, modifier, value)


def _asked_of(parameter: SearchParameter, modifier: str, value: str) -> Iterator[Feature]:
    for of in _names(parameter):
        if modifier:
            yield Feature(of, ANY_TYPE if modifier[0].isupper() else modifier)
        elif parameter.type in PREFIXED:
            for each in split(value, ","):
                yield Feature(of, prefix=each[:2] if each[:2] in PREFIXES else "")
        else:
            yield Feature(of)


def _names(parameter: SearchParameter) -> tuple[str, ...]:
    if parameter.code.startswith("_"):
        return parameter.type, parameter.code
    return (parameter.type,)
