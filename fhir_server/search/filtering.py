"""One search parameter and its values, as a predicate: https://hl7.org/fhir/R4/search.html#ptypes. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache

from fhir_server.conformance.definitions import Definitions, SearchParameter
from fhir_server.fhir.errors import BadRequest, NotSupported, shown
from fhir_server.fhir.resource import LOGICAL_ID
from fhir_server.search import canonicals, hierarchies, listing, paths
from fhir_server.search.canonicals import has_canonical
from fhir_server.search.expression import (
    EVERYTHING,
    NOTHING,
    AnyOf,
    HasId,
    HasRange,
    IsPresent,
    Not,
    Predicate,
    Updated,
)
from fhir_server.search.parameter_types import (
    composite,
    date,
    near,
    number,
    quantity,
    reference,
    string,
    text,
    token,
    uri,
)
from fhir_server.search.parameter_types.composite import Component
from fhir_server.search.parameter_types.criterion import (
    Alternatives,
    Criterion,
    Surroundings,
    any_of,
    in_range,
    split,
    unescape,
)
from fhir_server.search.parameter_types.modifiers import modifiers_of
from fhir_server.search.primary import has_one_value, primary_parameter
from fhir_server.search.record import LISTED

MOST_ALTERNATIVES = 500
"""How many values, separated by commas, one parameter may have."""

LONGEST_PARAMETER = 20_000
"""How many characters the name and values of one parameter may have."""

NOT_SERVED = {"_query": "a named query"}

_PARSERS: dict[str, Callable[[Criterion], Predicate]] = {
    "string": string.parse,
    "token": token.parse,
    "reference": reference.parse,
    "uri": uri.parse,
    "date": date.parse,
    "number": number.parse,
    "quantity": quantity.parse,
    "special": near.parse,
}

_NEGATED = {"not": None, "not-in": "in"}
"""Modifiers of tokens that say that none of the values is there, and how one is asked for."""

_UNREADABLE = re.compile("[\x00-\x08\x0e-\x1f\ud800-\udfff]")


class UnknownParameter(BadRequest):
    """The resource type has no search parameter of this name."""


class NotYetSearchable(NotSupported):
    """There is a search parameter of this name, and not everything is indexed by it yet."""

    code = "transient"


class EmptyValue(BadRequest):
    """The parameter has no value."""


@dataclass(frozen=True)
class Known:
    """The parameters of a resource type, and those of them that others cover."""

    definitions: Definitions
    resource_type: str
    parameters: Mapping[str, SearchParameter]
    covered: Mapping[str, tuple[str, ...]]
    primary: str | None = None
    """The parameter of the primary date, where a resource has at most one value of it."""

    @property
    def withheld(self) -> Mapping[str, str]:
        """By code, why a parameter that there will be cannot be searched by yet."""
        return self.definitions.withheld.get(self.resource_type, {})

    def sources(self, parameter: SearchParameter) -> tuple[SearchParameter, ...]:
        """Return the parameters under which the values of one are indexed."""
        codes = self.covered.get(parameter.code, (parameter.code,))
        return tuple(self.parameters[each] for each in codes)

    def get(self, code: str) -> SearchParameter | None:
        """Return a parameter by its code, None where there is none; raise NotYetSearchable."""
        found = self.parameters.get(code)
        if found is None and (reason := self.withheld.get(code)) is not None:
            raise NotYetSearchable(
                f"the parameter {code} of {self.resource_type} is {reason}; please try again later"
            )
        return found

    def find(self, code: str) -> SearchParameter:
        """Return a parameter by its code; raise UnknownParameter with the nearest names."""
        found = self.get(code)
        if found is None:
            raise UnknownParameter(f"{shown(code)!r}{nearest(code, self.parameters)}")
        return found

    def components(self, parameter: SearchParameter) -> tuple[Component, ...]:
        """Return the parts of a composite parameter."""
        return composite.components(parameter, self.parameters)


@lru_cache(maxsize=512)
def known_parameters(definitions: Definitions, resource_type: str) -> Known:
    """Return what may be searched of a type; `Resource` is what all types have."""
    parameters = definitions.search_parameters(resource_type)
    code = primary_parameter(parameters)
    primary = code if code and has_one_value(parameters[code], definitions) else None
    return Known(definitions, resource_type, parameters, paths.unions(parameters), primary)


def nearest(name: str, names: Mapping[str, object]) -> str:
    """Return a remark on the names most like this one, empty if none is."""
    found = get_close_matches(name[:64], names, n=2, cutoff=0.6)
    return f" (did you mean {' or '.join(found)}?)" if found else ""


def predicate(
    known: Known, name: str, value: str, around: Surroundings, *, within: str = ""
) -> Predicate:
    """Return what a parameter asks; raise a BadRequest that says what is wrong with it.

    `within` is the chain at whose end it stands.
    """
    check_served(name)
    code, _, modifier = name.partition(":")
    if code == LISTED:
        check_value(name, value)
        return listing.predicate(known.resource_type, name, value)
    parameter = known.find(code)
    check_value(name, value, within)
    criterion = Criterion(parameter, modifier or None, value, around, within)
    if code in text.PLACES:
        return text.parse(criterion)
    if modifier == "missing":
        return missing(criterion)
    if modifier in _NEGATED and modifier in modifiers_of(parameter):
        opposite = replace(criterion, modifier=_NEGATED[modifier], negated=modifier)
        return Not(_any_value(known, opposite))
    return _any_value(known, criterion)


def check_value(name: str, value: str, within: str = "") -> None:
    """Raise BadRequest for a value that is empty, too long, or unreadable; `within` is as for `predicate`."""
    asked = f"{within}: {name}" if within else name
    length = len(name) + len(value)
    if length > LONGEST_PARAMETER:
        told = f"{shown(asked)}={shown(value)}"
        raise BadRequest(f"{told} has {length} characters; {LONGEST_PARAMETER} are taken")
    check_readable(asked, value)
    if not value:
        code = name.partition(":")[0]
        hint = "" if code == LISTED else f"; {code}:missing=true finds what has none"
        raise EmptyValue(f"{asked}= has no value{hint}")


def check_readable(name: str, value: str) -> None:
    """Raise BadRequest for a value with control characters or halves of surrogate pairs."""
    if found := _UNREADABLE.search(value):
        raise BadRequest(
            f"{name}={shown(value)} has the character U+{ord(found[0]):04X}, which no FHIR value has"
        )


def check_served(name: str) -> None:
    """Raise NotSupported for a parameter that R4 defines apart from the types, and that is not served."""
    code = name.partition(":")[0]
    if code in NOT_SERVED:
        raise NotSupported(f"{NOT_SERVED[code]} ({code}) is not served yet")


def missing(criterion: Criterion) -> Predicate:
    """Return what `:missing` asks."""
    code = criterion.parameter.code
    if criterion.value not in {"true", "false"}:
        raise BadRequest(f"{criterion}: :missing is true or false")
    missing = criterion.value == "true"
    if code in {"_id", "_lastUpdated"}:
        return NOTHING if missing else EVERYTHING
    return Not(IsPresent(code)) if missing else IsPresent(code)


def _any_value(known: Known, criterion: Criterion) -> Predicate:
    """Return that one of the values separated by commas is there."""
    if "," not in criterion.value:
        return one_value(known, criterion)
    values = split(criterion.value, ",")
    if len(values) > MOST_ALTERNATIVES:
        raise BadRequest(f"{criterion} has {len(values)} values; {MOST_ALTERNATIVES} are taken")
    if "" in values:
        raise EmptyValue(f"{criterion} has an empty value beside its commas")
    return any_of(one_value(known, replace(criterion, value=each)) for each in values)


def one_value(known: Known, criterion: Criterion) -> Predicate:
    """Return what one value asks, without regard to commas."""
    match criterion.parameter.code:
        case "_id":
            return _logical_id(criterion)
        case "_lastUpdated":
            criterion.refuse_modifier()
            return within(known, criterion, date.alternatives_of_moment(criterion))
        case _:
            sources = known.sources(criterion.parameter)
            if len(sources) == 1 and sources[0] is criterion.parameter:
                return _parsed(known, criterion)
            return any_of(
                _parsed(known, replace(criterion, parameter=source)) for source in sources
            )


def within(known: Known, criterion: Criterion, alternatives: Alternatives) -> Predicate:
    """Return the predicate of a date within one of these limits."""
    code = criterion.parameter.code
    if code == "_lastUpdated":
        return any_of(map(Updated, alternatives))
    found = in_range(code, alternatives)
    return _of_primary(found) if code == known.primary else found


def _of_primary(predicate: Predicate) -> Predicate:
    """Return a predicate on the primary date as one that says so."""
    match predicate:
        case HasRange():
            return replace(predicate, primary=True)
        case AnyOf(parts):
            return AnyOf(tuple(map(_of_primary, parts)))
        case _:
            return predicate


def _logical_id(criterion: Criterion) -> Predicate:
    if criterion.modifier is not None:
        raise criterion.wrong_modifier()
    logical_id = unescape(criterion.value)
    if not LOGICAL_ID.match(logical_id):
        raise criterion.malformed("the logical id alone: up to 64 of A-Z, a-z, 0-9, `-` and `.`")
    return HasId((logical_id,))


def _parsed(known: Known, criterion: Criterion) -> Predicate:
    if hierarchies.asks_hierarchy(known.definitions, criterion):
        return hierarchies.predicate(known.definitions, known.resource_type, criterion)
    if criterion.parameter.code == "url" and has_canonical(known.definitions, known.resource_type):
        return canonicals.asked(criterion)
    if is_of_strings(known, criterion):
        return token.caseless(criterion)
    parse = _PARSERS.get(criterion.parameter.type)
    if parse is not None:
        found = parse(criterion)
        return _of_primary(found) if criterion.parameter.code == known.primary else found
    return composite.parse(criterion, known.components(criterion.parameter))


def is_of_strings(known: Known, criterion: Criterion) -> bool:
    """Tell whether a token is asked for among strings: https://hl7.org/fhir/R4/search.html#token has no case there."""
    parameter = criterion.parameter
    return (
        parameter.type == "token"
        and criterion.modifier is None
        and paths.is_string(known.definitions, parameter.expression)
    )
