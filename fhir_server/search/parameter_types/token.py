"""Codes and identifiers, matched exactly: https://hl7.org/fhir/R4/search.html#token."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from fhir_server.fhir.errors import NotSupported
from fhir_server.fhir.fhirpath import Node
from fhir_server.search.expression import HasAnyTerm, HasTerm, Predicate
from fhir_server.search.parameter_types.criterion import (
    Criterion,
    any_of,
    begins_otherwise,
    begins_with,
    check_length,
    folded,
    next_term,
    split,
    unescape,
)
from fhir_server.search.parameter_types.entries import Entries, Indexer
from fhir_server.search.parameter_types.modifiers import modifiers_of
from fhir_server.search.paths import Systems
from fhir_server.search.record import (
    SEPARATOR,
    caseless_term,
    of_type_term,
    prefix_end,
    shortened,
    system_term,
    text_term,
    token_term,
)

_BOOLEANS = "http://terminology.hl7.org/CodeSystem/special-values"
"""The system that the specification gives to `true` and `false`."""

MEDIA_TYPES = frozenset(
    (
        "CapabilityStatement.format",
        "DocumentReference.content.attachment.contentType",
        "Library.content.contentType",
        "Subscription.channel.payload",
    )
)
"""The elements that have media types, and parameters of their own: https://hl7.org/fhir/R4/search.html#mimetype."""

_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+\Z")
_TRIPLE = 3
_OF_ONE = frozenset(("Identifier", "ContactPoint"))
_WITH_TEXT = frozenset(("CodeableConcept", "Coding", "Identifier"))

Coded = tuple[str, str]
"""A system, or "" for none, and a code."""


def indexer(code: str, implied: Systems = "") -> Indexer:
    """Return what indexes the values of a token parameter; `implied` is the system of bare codes."""

    def index(node: Node, entries: Entries) -> None:
        terms = entries.terms
        terms_of = _terms if node.type in _OF_ONE else _remembered_terms
        for system, value in codings(node, implied):
            terms.extend(terms_of(code, system, value))
        if node.type == "string":
            terms.append(caseless_term(code, node.value))
        if node.type == "Identifier":
            terms.extend(_typed(code, node.value))
        if node.type in _WITH_TEXT:
            terms.extend([text_term(code, each) for each in _texts(node)])

    return index


def _terms(code: str, system: str, value: str) -> tuple[str, ...]:
    """Return the terms of a coding."""
    found = token_term(code, system, value)
    return (found, system_term(code, system)) if system else (found,)


_remembered_terms = lru_cache(maxsize=4096)(_terms)
"""The same: of codes the same few hundred come again and again."""


def _texts(node: Node) -> list[str]:
    """Return the texts that go with a code: of a concept and its codings, of the type of an identifier."""
    value = node.value
    if node.type == "Identifier":
        kind = value.get("type", {})
        return [kind["text"]] if "text" in kind else []
    if node.type == "Coding":
        return [value["display"]] if "display" in value else []
    said = [each["display"] for each in value.get("coding", ()) if "display" in each]
    if "text" in value:
        said.append(value["text"])
    return said


def codings(node: Node, implied: Systems = "") -> list[Coded]:
    """Return the codes, each with its system, by which a value can be found."""
    value = node.value
    match node.type:
        case "CodeableConcept":
            return [
                (each.get("system", ""), each["code"])
                for each in value.get("coding", ())
                if "code" in each
            ]
        case "Coding":
            return [(value.get("system", ""), value["code"])] if "code" in value else []
        case "Identifier" | "ContactPoint":
            # A ContactPoint's system is a code (`phone`): `telecom=phone|0131…` is what clients write.
            return [(value.get("system", ""), value["value"])] if "value" in value else []
        case "boolean" | "System.Boolean":
            return [(_BOOLEANS, "true" if value else "false")]
        case "code":
            return [(implied if isinstance(implied, str) else implied.get(value, ""), value)]
        case _:
            return [("", value)] if isinstance(value, str) else []


def _typed(code: str, identifier: Mapping[str, Any]) -> list[str]:
    if "value" not in identifier:
        return []
    return [
        of_type_term(code, each.get("system", ""), each["code"], identifier["value"])
        for each in identifier.get("type", {}).get("coding", ())
        if "code" in each
    ]


def parse(criterion: Criterion) -> Predicate:
    """Return what one value of a token parameter asks; `:not` is said of all its values together."""
    match criterion.modifier:
        case None:
            return _predicate(criterion)
        case "of-type" if "of-type" in modifiers_of(criterion.parameter):
            return _of_type(criterion)
        case "text":
            return begins_with(text_term(criterion.parameter.code, folded(criterion)))
        case "in":
            return _in(criterion)
        case "below" if criterion.parameter.expression in MEDIA_TYPES:
            return _media_type(criterion)
        case "above" | "below":
            raise NotSupported(
                f"{criterion}: the modifier :{criterion.modifier} of a token parameter needs a terminology "
                "service, and none is configured; list the codes, separated by commas"
            )
        case _:
            raise criterion.wrong_modifier()


def _media_type(criterion: Criterion) -> Predicate:
    """Return what `:below` asks of a media type: it, whatever its parameters are."""
    value = unescape(criterion.value)
    if not _MEDIA_TYPE.match(value):
        raise criterion.malformed("`type/subtype` with `:below`, as in text/xml")
    prefix = f"{criterion.parameter.code}={check_length(criterion, value)}"
    return any_of(begins_with(prefix + each) for each in (SEPARATOR, ";", " "))


def _predicate(criterion: Criterion) -> Predicate:
    code = criterion.parameter.code
    system, value = system_and_code(criterion)
    if not value:
        assert system is not None
        return HasTerm(system_term(code, system))
    if system is None:
        return begins_with(f"{code}={shortened(value)}{SEPARATOR}")
    return HasTerm(token_term(code, system, value))


def caseless(criterion: Criterion) -> Predicate:
    """Return what one value asks of an element that is a string: its case does not count."""
    system, value = system_and_code(criterion)
    if system:
        return _predicate(criterion)
    return HasTerm(caseless_term(criterion.parameter.code, value))


def other_than_caseless(criterion: Criterion) -> Predicate:
    """Return what `ne` of the filter language asks of an element that is a string."""
    system, value = system_and_code(criterion)
    if system:
        return other_than(criterion)
    code = criterion.parameter.code
    term = caseless_term(code, value)
    return begins_otherwise(f"{code}^", term, next_term(term))


def other_than(criterion: Criterion) -> Predicate:
    """Return what `ne` of the filter language asks: a code that is not this one."""
    code, (system, value) = criterion.parameter.code, system_and_code(criterion)
    if not value:
        raise criterion.malformed(
            "`code`, `system|code` or `|code` where another code is asked for"
        )
    if system is None:
        low = f"{code}={shortened(value)}{SEPARATOR}"
        return begins_otherwise(f"{code}=", low, prefix_end(low))
    low = token_term(code, system, value)
    return begins_otherwise(f"{code}=", low, next_term(low))


def system_and_code(criterion: Criterion) -> tuple[str | None, str]:
    """Return the parts of `system|code`; None: of any system; no code: any of the system."""
    parts = [unescape(each) for each in split(criterion.value, "|")]
    match parts:
        case [value] if value:
            return None, value
        case [system, value] if system or value:
            return system, value
        case _:
            raise criterion.malformed(
                r"`code`, `system|code`, `|code` or `system|` (a `|` inside of them is written `\|`)"
            )


def _in(criterion: Criterion) -> Predicate:
    value_set = unescape(criterion.value)
    codes = criterion.around.terminology.expand(value_set)
    if codes is None:
        raise NotSupported(
            f"{criterion}: no terminology service is configured, and without one only the value sets are known "
            "that R4 requires and lists, such as http://hl7.org/fhir/ValueSet/administrative-gender"
        )
    code = criterion.parameter.code
    return HasAnyTerm(
        tuple(token_term(code, system, each) for system in codes for each in sorted(codes[system]))
    )


def _of_type(criterion: Criterion) -> Predicate:
    parts = [unescape(each) for each in split(criterion.value, "|")]
    if len(parts) != _TRIPLE or not all(parts):
        raise criterion.malformed("`system|code|value` with `:of-type`, each part present")
    return HasTerm(of_type_term(criterion.parameter.code, *parts))
