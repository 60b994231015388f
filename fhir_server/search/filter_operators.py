"""What an operator of the filter language asks of a search parameter: https://hl7.org/fhir/R4/search_filter.html#ops. Pure.

Each is a prefix or a modifier that the parameter's type has anyway, or one comparison more of that type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from fhir_server.conformance.definitions import SearchParameter
from fhir_server.fhir.errors import BadRequest, NotSupported
from fhir_server.search.expression import Not, Predicate
from fhir_server.search.filtering import (
    Known,
    check_readable,
    check_served,
    is_of_strings,
    missing,
    one_value,
    within,
)
from fhir_server.search.parameter_types import date, string, text, token, uri
from fhir_server.search.parameter_types.criterion import Criterion, Surroundings, any_of, escape

_ORDERED = ("eq", "ne", "gt", "lt", "ge", "le", "ap", "sa", "eb")

FITTING: Mapping[str, tuple[str, ...]] = {
    "string": ("eq", "ne", "co", "sw", "ew", "gt", "lt", "ge", "le", "pr"),
    "uri": ("eq", "ne", "co", "sw", "ew", "pr"),
    "token": ("eq", "ne", "pr"),
    "reference": ("re", "pr"),
    "number": (*_ORDERED, "pr"),
    "quantity": (*_ORDERED, "pr"),
    "date": (*_ORDERED, "co", "po", "pr"),
    "composite": ("eq", "pr"),
    "special": ("eq", "pr"),
}
"""The operators of each type of parameter."""

_SUBSUMING = frozenset(("ss", "sb", "in", "ni"))

_SYSTEMS = {
    "loinc": "http://loinc.org",
    "snomed": "http://snomed.info/sct",
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "ucum": "http://unitsofmeasure.org",
}
"""Short names that stand for code systems."""


def predicate(
    known: Known, code: str, operator: str, value: str, around: Surroundings
) -> Predicate:
    """Return what a comparison asks; raise a BadRequest that says what is wrong with it."""
    if ":" in code:
        raise BadRequest(f"{code}: a filter has operators in place of modifiers")
    if code == "_filter":
        raise BadRequest("_filter: a filter holds others in parentheses, not as a parameter")
    check_served(code)
    parameter = known.find(code)
    _check_fitting(parameter, operator)
    if not value:
        raise BadRequest(f"{code} {operator} has no value")
    check_readable(code, value)
    criterion = Criterion(parameter, None, value, around)
    if operator == "pr":
        return _present(criterion)
    return _OF_TYPE[parameter.type](known, criterion, operator)


def _check_fitting(parameter: SearchParameter, operator: str) -> None:
    """Raise BadRequest for an operator that the type of a parameter does not have."""
    kind, fitting = parameter.type, FITTING[parameter.type]
    if parameter.code in text.PLACES:
        fitting = ("eq",)
    asked = f"{parameter.code} {operator}"
    if kind == "token" and operator in _SUBSUMING:
        raise NotSupported(f"{asked}: needs a terminology service, which is not served yet")
    if operator not in fitting:
        raise BadRequest(
            f"{asked}: a {kind} parameter has no operator {operator}; it has {', '.join(fitting)}"
        )


def _present(criterion: Criterion) -> Predicate:
    opposite = {"true": "false", "false": "true"}.get(criterion.value)
    if opposite is None:
        raise BadRequest(f"{criterion.parameter.code} pr {criterion.value}: pr is true or false")
    return missing(replace(criterion, modifier="missing", value=opposite))


def _string(known: Known, criterion: Criterion, operator: str) -> Predicate:
    whole = replace(criterion, value=escape(criterion.value))
    match operator:
        case "co":
            return one_value(known, replace(whole, modifier="contains"))
        case "sw":
            return one_value(known, whole)
        case _:
            return _of_each(known, whole, lambda each: string.compared(each, operator))


def _uri(known: Known, criterion: Criterion, operator: str) -> Predicate:
    whole = replace(criterion, value=escape(criterion.value))
    if operator == "eq":
        return one_value(known, whole)
    return _of_each(known, whole, lambda each: uri.compared(each, operator))


def _token(known: Known, criterion: Criterion, operator: str) -> Predicate:
    named = replace(criterion, value=_with_system(criterion.value, 0))
    if operator == "eq":
        return one_value(known, named)
    if criterion.parameter.code == "_id":
        return Not(one_value(known, named))
    other = token.other_than_caseless if is_of_strings(known, named) else token.other_than
    return _of_each(known, named, other)


def _date(known: Known, criterion: Criterion, operator: str) -> Predicate:
    match operator:
        case "po":
            return _of_each(
                known, criterion, lambda each: within(known, each, date.overlapping(each))
            )
        case "co":
            return _of_each(
                known, criterion, lambda each: within(known, each, date.including(each))
            )
        case _:
            return one_value(known, replace(criterion, value=operator + criterion.value))


def _number(known: Known, criterion: Criterion, operator: str) -> Predicate:
    return one_value(known, replace(criterion, value=operator + criterion.value))


def _quantity(known: Known, criterion: Criterion, operator: str) -> Predicate:
    return _number(known, replace(criterion, value=_with_system(criterion.value, 1)), operator)


def _reference(known: Known, criterion: Criterion, _operator: str) -> Predicate:
    return one_value(known, replace(criterion, value=escape(criterion.value)))


def _special(known: Known, criterion: Criterion, operator: str) -> Predicate:
    if criterion.parameter.code in text.PLACES:
        return text.parse(replace(criterion, value=escape(criterion.value)))
    return _as_written(known, criterion, operator)


def _as_written(known: Known, criterion: Criterion, _operator: str) -> Predicate:
    return one_value(known, criterion)


_OF_TYPE: Mapping[str, Callable[[Known, Criterion, str], Predicate]] = {
    "string": _string,
    "uri": _uri,
    "token": _token,
    "date": _date,
    "number": _number,
    "quantity": _quantity,
    "reference": _reference,
    "composite": _as_written,
    "special": _special,
}


def _of_each(
    known: Known, criterion: Criterion, compare: Callable[[Criterion], Predicate]
) -> Predicate:
    """Return what is asked of one of the parameters under which the values are indexed."""
    sources = known.sources(criterion.parameter)
    return any_of(compare(replace(criterion, parameter=each)) for each in sources)


def _with_system(value: str, place: int) -> str:
    """Return a value with the URI of its code system in place of a short name."""
    parts = value.split("|")
    if len(parts) > place + 1:
        parts[place] = _SYSTEMS.get(parts[place], parts[place])
    return "|".join(parts)
