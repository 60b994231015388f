"""Limits in one unit, asked of quantities in another of its dimension: https://hl7.org/fhir/R4/search.html#quantity. Pure.

Quantities are indexed as they are written, each under its unit. A search converts its own few numbers instead.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache

from fhir_server.fhir.fhirpath.quantity import measure
from fhir_server.search.expression import HasRange, Limit
from fhir_server.search.record import unit_of
from fhir_server.search.sortable import number_of, sortable

ROUNDING = Context(prec=120, Emin=-(10**9), Emax=10**9)


def limits_on(axis: str, asked: HasRange) -> tuple[Limit, ...] | None:
    """Return the limits of a predicate as they apply to an axis; None where its unit has another dimension."""
    if not asked.unit:
        return asked.limits
    return _converted(asked.limits, asked.unit, unit_of(axis))


@lru_cache(maxsize=1024)
def _converted(limits: tuple[Limit, ...], unit: str, other: str) -> tuple[Limit, ...] | None:
    (size, dimension), (other_size, other_dimension) = measure(unit), measure(other)
    if not other or dimension != other_dimension:
        return None
    factor = size / other_size
    return tuple(replace(each, value=_times(str(each.value), factor)) for each in limits)


def _times(text: str, factor: Fraction) -> str:
    """Return a number times a factor: rounded only where no stored number can be equal to it."""
    if factor == 1:
        return text
    product = ROUNDING.multiply(number_of(text), Decimal(factor.numerator))
    return sortable(ROUNDING.divide(product, Decimal(factor.denominator)))
