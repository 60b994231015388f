"""Numbers as text that sorts as they do: what the index has of them. Pure."""

from __future__ import annotations

from decimal import Decimal

_EXPONENT_ZERO = 50_000
_NINES = str.maketrans("0123456789", "9876543210")

LOWEST = "0"
HIGHEST = "9"
"""Sortable text below and above every number: the ends of an open range."""


def sortable(number: Decimal) -> str:
    """Return text that sorts as the numbers do, equal for equal numbers (1.0 and 1.00)."""
    if number == 0:
        return "5"
    sign, digits, _ = number.as_tuple()
    significant = "".join(map(str, digits)).strip("0") or "0"
    exponent = f"{number.adjusted() + _EXPONENT_ZERO:05d}"
    if sign:
        # The complement, and an end above every digit, so that the longer of two comes first.
        return "3" + (exponent + significant).translate(_NINES) + "~"
    return "7" + exponent + significant


def number_of(text: str) -> Decimal:
    """Return the number that sortable text stands for: one that `sortable` made."""
    if text == "5":
        return Decimal(0)
    negative = text.startswith("3")
    digits = text[1:-1].translate(_NINES) if negative else text[1:]
    exponent, significant = int(digits[:5]) - _EXPONENT_ZERO, digits[5:]
    sign = "-" if negative else ""
    return Decimal(f"{sign}{significant}E{exponent - len(significant) + 1}")


def just_below(text: str) -> str:
    """Return sortable text below this number and above all smaller ones."""
    if text.endswith("~"):
        return text[:-1] + "}"
    return text[:-1] + chr(ord(text[-1]) - 1) + "~"


def just_above(text: str) -> str:
    """Return sortable text above this number and below all greater ones."""
    return text + "!"
