"""The register of people who opted out of uses beyond their care, as a file: one NHS number a line. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from fhir_server.fhir.nhs_number import is_nhs_number


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
