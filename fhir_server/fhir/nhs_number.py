"""NHS numbers, by which people are known everywhere: https://www.datadictionary.nhs.uk/attributes/nhs_number.html. Pure."""

from __future__ import annotations

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
