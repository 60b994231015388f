"""Quantities and what their units have in common: https://hl7.org/fhirpath/N1/#quantity.

A part of UCUM (https://ucum.org/ucum): metric atoms with prefixes, time, and the customary units of length, mass and
volume, in products, quotients and powers. A unit that is not known is comparable with itself only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import TypeAlias

CALENDAR_UNITS: Mapping[str, str] = {
    written: unit
    for unit in ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
    for written in (unit, unit + "s")
}
_UCUM_OF_CALENDAR = {
    "week": "wk",
    "day": "d",
    "hour": "h",
    "minute": "min",
    "second": "s",
    "millisecond": "ms",
}
"""A calendar year or month has no definite length, thus none of UCUM's."""

Dimension: TypeAlias = tuple[tuple[str, int], ...]
Measure: TypeAlias = tuple[Fraction, Dimension]


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with a unit: a UCUM code, or the word for a calendar duration."""

    value: Decimal
    unit: str
    calendar: bool = False

    def __str__(self) -> str:
        return f"{self.value} {self.unit}" if self.calendar else f"{self.value} '{self.unit}'"

    @property
    def code(self) -> str:
        """The UCUM code of the unit, where a calendar duration has one."""
        if not self.calendar:
            return self.unit
        unit = CALENDAR_UNITS[self.unit]
        return _UCUM_OF_CALENDAR.get(unit, unit)

    @property
    def measure(self) -> Measure:
        """The size of the unit in base units, and its dimension."""
        if self.calendar:
            unit = CALENDAR_UNITS[self.unit]
            code = _UCUM_OF_CALENDAR.get(unit)
            return measure(code) if code else (Fraction(1), ((f"calendar {unit}", 1),))
        return measure(self.unit)


def in_common_unit(left: Quantity, right: Quantity) -> tuple[Fraction, Fraction] | None:
    """Return both numbers in the larger of the two units; None if the units cannot be compared."""
    (left_size, left_dimension), (right_size, right_dimension) = left.measure, right.measure
    if left_dimension != right_dimension or not (is_handy(left) and is_handy(right)):
        return None
    larger = max(left_size, right_size)
    return (
        Fraction(left.value) * left_size / larger,
        Fraction(right.value) * right_size / larger,
    )


def is_handy(quantity: Quantity) -> bool:
    """Tell whether the number can be written out: not `1e999999`."""
    return quantity.value.is_finite() and abs(quantity.value.adjusted()) <= _LARGEST_EXPONENT


_LARGEST_EXPONENT = 100
_LONGEST_CODE = 100
_MASS, _LENGTH, _TIME, _AMOUNT = "g", "m", "s", "mol"
_METRIC: Mapping[str, Measure] = {
    "g": (Fraction(1), ((_MASS, 1),)),
    "m": (Fraction(1), ((_LENGTH, 1),)),
    "s": (Fraction(1), ((_TIME, 1),)),
    "mol": (Fraction(1), ((_AMOUNT, 1),)),
    "l": (Fraction(1, 1000), ((_LENGTH, 3),)),
    "L": (Fraction(1, 1000), ((_LENGTH, 3),)),
    "Pa": (Fraction(1000), ((_MASS, 1), (_LENGTH, -1), (_TIME, -2))),
    "N": (Fraction(1000), ((_MASS, 1), (_LENGTH, 1), (_TIME, -2))),
    "J": (Fraction(1000), ((_MASS, 1), (_LENGTH, 2), (_TIME, -2))),
    "W": (Fraction(1000), ((_MASS, 1), (_LENGTH, 2), (_TIME, -3))),
    "Hz": (Fraction(1), ((_TIME, -1),)),
    "K": (Fraction(1), (("K", 1),)),
    "V": (Fraction(1), (("V", 1),)),
    "A": (Fraction(1), (("A", 1),)),
    "kat": (Fraction(1), ((_AMOUNT, 1), (_TIME, -1))),
    "U": (Fraction(1, 60_000_000), ((_AMOUNT, 1), (_TIME, -1))),
    "eq": (Fraction(1), ((_AMOUNT, 1),)),
    "osm": (Fraction(1), ((_AMOUNT, 1),)),
    "cal": (Fraction(4184), ((_MASS, 1), (_LENGTH, 2), (_TIME, -2))),
    "m[Hg]": (Fraction(133_322_000), ((_MASS, 1), (_LENGTH, -1), (_TIME, -2))),
    "[iU]": (Fraction(1), (("[iU]", 1),)),
}
_POUND = Fraction("453.59237")
_INCH = Fraction("0.0254")
_OTHER: Mapping[str, Measure] = {
    "min": (Fraction(60), ((_TIME, 1),)),
    "h": (Fraction(3600), ((_TIME, 1),)),
    "d": (Fraction(86_400), ((_TIME, 1),)),
    "wk": (Fraction(604_800), ((_TIME, 1),)),
    "mo": (Fraction(2_629_800), ((_TIME, 1),)),
    "a": (Fraction(31_557_600), ((_TIME, 1),)),
    "[lb_av]": (_POUND, ((_MASS, 1),)),
    "[oz_av]": (_POUND / 16, ((_MASS, 1),)),
    "[stone_av]": (_POUND * 14, ((_MASS, 1),)),
    "[in_i]": (_INCH, ((_LENGTH, 1),)),
    "[ft_i]": (_INCH * 12, ((_LENGTH, 1),)),
    "[yd_i]": (_INCH * 36, ((_LENGTH, 1),)),
    "[mi_i]": (_INCH * 63_360, ((_LENGTH, 1),)),
    "[mi_us]": (Fraction(5280 * 1200, 3937), ((_LENGTH, 1),)),
    "[nmi_i]": (Fraction(1852), ((_LENGTH, 1),)),
    "%": (Fraction(1, 100), ()),
    "[ppm]": (Fraction(1, 1_000_000), ()),
}
_PREFIXES: Mapping[str, Fraction] = {
    "T": Fraction(10**12),
    "G": Fraction(10**9),
    "M": Fraction(10**6),
    "k": Fraction(1000),
    "h": Fraction(100),
    "da": Fraction(10),
    "d": Fraction(1, 10),
    "c": Fraction(1, 100),
    "m": Fraction(1, 1000),
    "u": Fraction(1, 10**6),
    "n": Fraction(1, 10**9),
    "p": Fraction(1, 10**12),
    "f": Fraction(1, 10**15),
}
_FACTOR = re.compile(
    r"""
    (?P<operator>[./]?)
    (?: 10[*^](?P<power>[+-]?\d{1,2})
      | (?P<number>[1-9]\d{0,8})
      | (?P<unit>.+?)(?P<exponent>[+-]?\d)?
    )
    (?=[./]|\Z)
    """,
    re.VERBOSE,
)
_ANNOTATION = re.compile(r"\{[^}]*\}")


@lru_cache(maxsize=1024)
def measure(code: str) -> Measure:
    """Return the size of a UCUM unit in base units, and its dimension; an unknown one is a dimension of its own."""
    found = _product(_ANNOTATION.sub("", code)) if len(code) <= _LONGEST_CODE else None
    return found if found is not None else (Fraction(1), ((f"unknown {code}", 1),))


def _product(code: str) -> Measure | None:
    size = Fraction(1)
    powers: dict[str, int] = {}
    at = 0
    while at < len(code):
        match = _FACTOR.match(code, at)
        factor = _factor(match) if match else None
        if match is None or factor is None:
            return None
        sign = -1 if match["operator"] == "/" else 1
        size *= factor[0] ** sign
        for base, power in factor[1]:
            powers[base] = powers.get(base, 0) + sign * power
        at = match.end()
    return size, tuple(sorted((base, power) for base, power in powers.items() if power))


def _factor(match: re.Match[str]) -> Measure | None:
    if match["power"]:
        return Fraction(10) ** int(match["power"]), ()
    if match["number"]:
        return Fraction(int(match["number"])), ()
    atom = _atom(match["unit"])
    exponent = int(match["exponent"] or 1)
    return (atom[0] ** exponent, tuple((b, p * exponent) for b, p in atom[1])) if atom else None


def _atom(code: str) -> Measure | None:
    known = _OTHER.get(code) or _METRIC.get(code)
    if known is not None:
        return known
    for length in (1, 2):
        prefix, atom = _PREFIXES.get(code[:length]), _METRIC.get(code[length:])
        if prefix is not None and atom is not None:
            return prefix * atom[0], atom[1]
    return None
