"""From the query string of a search to what is asked for: https://hl7.org/fhir/R4/search.html. Pure.

What is unknown, or not served, is refused; with `lenient` it is left out, and reported with the reason.
Commas are alternatives, repeated parameters must all hold. What is asked again is understood as it was before, unless
the moment has a part in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import chain
from typing import NamedTuple, TypeAlias
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from fhir_server.conformance.definitions import Definitions
from fhir_server.fhir.errors import BadRequest, NotSupported
from fhir_server.search.expression import Plan
from fhir_server.search.filtering import EmptyValue, UnknownParameter, known_parameters
from fhir_server.search.parameter_types.criterion import DEFAULT_ZONE, OfTheMoment, Surroundings
from fhir_server.search.query import PAGE_SIZES, PageSizes, Query
from fhir_server.search.reading import IN_METADATA, READERS, Reading
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
    rules = _Rules(definitions, lenient, base_url, zone, sizes, subject)
    if sum(map(len, chain.from_iterable(pairs))) <= LONGEST_REMEMBERED:
        with suppress(OfTheMoment):
            return _at_any_moment(resource_type, tuple(pairs), rules)
    return _understood(resource_type, pairs, rules, now)


class _Rules(NamedTuple):
    """All that the meaning of a search depends on, but for the moment."""

    definitions: Definitions
    lenient: bool
    base_url: str
    zone: str
    sizes: PageSizes
    subject: str | None


@lru_cache(maxsize=REMEMBERED)
def _at_any_moment(
    resource_type: str | None, pairs: tuple[tuple[str, str], ...], rules: _Rules
) -> Query:
    """Return what a search means at any moment; raise OfTheMoment where it means another thing at each."""
    return _understood(resource_type, pairs, rules, None)


def _understood(
    resource_type: str | None, pairs: Pairs, rules: _Rules, moment: int | None
) -> Query:
    definitions, lenient, base_url, zone, sizes, subject = rules
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
    for name, value in pairs:
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
        raise _unknown(resource_type, unknown)
    return reading.query()


@lru_cache(maxsize=4)
def _terminology(definitions: Definitions) -> ListedValueSets:
    """Return what the definitions tell of value sets; they are read when first asked for."""
    return ListedValueSets(definitions.value_sets)


def _reason(refusal: BadRequest) -> str:
    if isinstance(refusal, UnknownParameter):
        return f"there is no search parameter {refusal}"
    return str(refusal)


def _unknown(resource_type: str | None, names: list[str]) -> BadRequest:
    what = f"{resource_type} has" if resource_type else "a search of all types has"
    return BadRequest(
        f"{what} no search parameter {', '.join(names)}{IN_METADATA}; "
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
