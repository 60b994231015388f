"""From the query string of a search to what is asked for: https://hl7.org/fhir/R4/search.html. Pure.

What is unknown, or not served, is refused; with `lenient` it is left out, and reported with the reason.
Commas are alternatives, repeated parameters must all hold. What is asked again is understood as it was before, unless
the moment has a part in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import TypeAlias
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from fhir_server.conformance.definitions import Definitions
from fhir_server.fhir.errors import BadRequest, NotSupported
from fhir_server.search.defaults import DEFAULT_ZONE, PAGE_SIZES, PageSizes
from fhir_server.search.expression import Plan
from fhir_server.search.filtering import EmptyValue, UnknownParameter, known_parameters
from fhir_server.search.parameter_types.criterion import OfTheMoment, Surroundings
from fhir_server.search.query import Query
from fhir_server.search.reading import READERS, Reading
from fhir_server.search.sort_keys import IN_METADATA
from fhir_server.search.terminology import ListedValueSets

__all__ = ["Query", "parse_criteria", "parse_query"]

MOST_PARAMETERS = 100

REMEMBERED = 1_000
"""Searches that are remembered as they were understood."""

LONGEST_REMEMBERED = 1_000
"""Characters of their names and values: clients choose them, and could fill the memory."""

Pairs: TypeAlias = Sequence[tuple[str, str]]

_HANDLED_ABOVE = frozenset(("_format", "_pretty"))


def parse_query(  # noqa: PLR0913 - options, each by keyword
    resource_type: str | None,
    pairs: Pairs,
    definitions: Definitions,
    *,
    now: int,
    lenient: bool = False,
    base_url: str = "",
    zone: str = DEFAULT_ZONE,
    sizes: PageSizes = PAGE_SIZES,
    subject: str | None = None,
) -> Query:
    """Return the search of a type, or of all; `now` is in microseconds. Raise BadRequest, NotSupported.

    Dates without a time zone are of `zone`; `subject` is the id of the patient in whose compartment it is made.
    """
    if len(pairs) > MOST_PARAMETERS:
        raise BadRequest(f"the search has {len(pairs)} parameters; {MOST_PARAMETERS} are taken")
    asked = (resource_type, tuple(pairs), definitions, lenient, base_url, zone, sizes, subject)
    return _known.get(asked) or _understood_first(asked, now)


_Asked: TypeAlias = tuple[
    str | None, tuple[tuple[str, str], ...], Definitions, bool, str, str, PageSizes, str | None
]
"""All that the meaning of a search depends on, but for the moment."""

_known: dict[_Asked, Query] = {}
"""Searches by what they mean at any moment."""


def _understood_first(asked: _Asked, now: int) -> Query:
    """Return what a search means; remember it, unless it means another thing at each moment."""
    if sum(map(len, chain.from_iterable(asked[1]))) > LONGEST_REMEMBERED:
        return _understood(asked, now)
    try:
        query = _understood(asked, None)
    except OfTheMoment:
        return _understood(asked, now)
    if len(_known) >= REMEMBERED:
        _known.clear()
    _known[asked] = query
    return query


def _understood(asked: _Asked, moment: int | None) -> Query:
    """Return what a search means at a moment, at any where that is None; raise OfTheMoment where that is nothing."""
    resource_type, pairs, definitions, lenient, base_url, zone, sizes, subject = asked
    reading = Reading(
        resource_type,
        definitions,
        known_parameters(definitions, resource_type or "Resource"),
        Surroundings(moment, ZoneInfo(zone), base_url.rstrip("/"), _terminology(definitions)),
        sizes,
        count=min(sizes.default, sizes.most),
        subject=subject,
    )
    unknown: list[str] = []
    # What may be asked depends on the types that are named.
    in_turn = pairs if resource_type else sorted(pairs, key=lambda pair: pair[0] != "_type")
    for name, value in in_turn:
        if name in _HANDLED_ABOVE:
            continue
        try:
            reading.apply(name, value)
        except (UnknownParameter, EmptyValue, NotSupported) as refusal:
            if lenient:
                reading.ignored.append((name, _reason(refusal)))
            elif isinstance(refusal, UnknownParameter):
                unknown.append(str(refusal))
            else:
                raise
    if unknown:
        raise _unknown(resource_type or reading.types, unknown)
    return reading.query()


@lru_cache(maxsize=4)
def _terminology(definitions: Definitions) -> ListedValueSets:
    """Return what the definitions tell of value sets; they are read when first asked for."""
    return ListedValueSets(definitions.value_sets)


def _reason(refusal: BadRequest) -> str:
    if isinstance(refusal, UnknownParameter):
        return f"there is no search parameter {refusal}"
    return str(refusal)


def _unknown(searched: str | frozenset[str] | None, names: list[str]) -> BadRequest:
    match searched:
        case None:
            what, more = (
                "a search of all types has",
                "; with `_type=…` the types that have it can be searched together",
            )
        case str():
            what, more = f"{searched} has", ""
        case _:
            what, more = "a search of several types is by what each of them has, and has", ""
    return BadRequest(
        f"{what} no search parameter {', '.join(names)}{IN_METADATA}{more}; "
        "with `Prefer: handling=lenient` unknown ones are left out"
    )


def parse_criteria(  # noqa: PLR0913 - options, each by keyword
    resource_type: str,
    text: str,
    definitions: Definitions,
    *,
    now: int,
    base_url: str = "",
    zone: str = DEFAULT_ZONE,
) -> Plan:
    """Return the plan of a conditional interaction's criteria: strict, as what is left out would widen it."""
    try:
        pairs = parse_qsl(
            text.removeprefix("?"),
            keep_blank_values=True,
            strict_parsing=True,
            max_num_fields=MOST_PARAMETERS,
        )
    except ValueError as problem:
        raise BadRequest(f"the criteria {text!r} are no query string: {problem}") from problem
    refused = [name for name, _ in pairs if _is_result_parameter(name)]
    if refused:
        raise BadRequest(
            f"criteria select a resource; {', '.join(refused)} says nothing about that"
        )
    if not pairs:
        raise BadRequest("the criteria are empty, and would select every resource")
    query = parse_query(resource_type, pairs, definitions, now=now, base_url=base_url, zone=zone)
    return query.plan


def _is_result_parameter(name: str) -> bool:
    code = name.partition(":")[0]
    return code in READERS or code in _HANDLED_ABOVE
