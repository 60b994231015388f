"""The register of people who opted out of uses beyond their care, as a file: one NHS number a line. Pure."""

from __future__ import annotations

from collections.abc import Iterable

_DIGITS = 10
_WEIGHTS = range(10, 1, -1)


def read_register(lines: Iterable[str]) -> set[str]:
    """Return the numbers; blanks within them, empty lines and a heading are passed over.

    Of a file with columns the first counts. Raise ValueError with the number of the first line that holds none: a
    register that was read in part would disclose what it should withhold.
    """
    found: set[str] = set()
    for number, line in enumerate(lines, 1):
        text = line.partition(",")[0].strip().strip('"').replace(" ", "").replace("-", "")
        if is_nhs_number(text):
            found.add(text)
        elif text and not (number == 1 and not any(map(str.isdigit, text))):
            raise ValueError(f"line {number} holds no NHS number: ten digits with a check digit")
    return found


def is_nhs_number(text: str) -> bool:
    """Tell whether a text is a well-formed NHS number.

    https://www.datadictionary.nhs.uk/attributes/nhs_number.html
    """
    if len(text) != _DIGITS or not (text.isascii() and text.isdigit()):
        return False
    *digits, check = map(int, text)
    total = sum(digit * weight for digit, weight in zip(digits, _WEIGHTS, strict=True))
    return (-total) % 11 == check
