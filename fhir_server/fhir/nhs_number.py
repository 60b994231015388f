"""NHS numbers, by which people are known everywhere: https://www.datadictionary.nhs.uk/attributes/nhs_number.html. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SYSTEM = "https://fhir.nhs.uk/Id/nhs-number"
"""The identifier system."""

_DIGITS = 10
_WEIGHTS = range(10, 1, -1)


def is_nhs_number(text: str) -> bool:
    """Tell whether a text is a well-formed NHS number."""
    if len(text) != _DIGITS or not (text.isascii() and text.isdigit()):
        return False
    *digits, check = map(int, text)
    total = sum(digit * weight for digit, weight in zip(digits, _WEIGHTS, strict=True))
    return (-total) % 11 == check


def number_in(identifier: Mapping[str, Any]) -> str | None:
    """Return the well-formed NHS number that an Identifier holds, without blanks; None where it holds none."""
    value = identifier.get("value")
    if identifier.get("system") != SYSTEM or not isinstance(value, str):
        return None
    number = value.replace(" ", "")
    return number if is_nhs_number(number) else None
