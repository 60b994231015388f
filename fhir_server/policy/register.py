"""The register of people who opted out of uses beyond their care, as a file: one NHS number a line. Pure.

It holds as of a day in England; moments are in microseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from fhir_server.fhir.nhs_number import is_nhs_number

_ZONE = ZoneInfo("Europe/London")
_SECOND = 1_000_000
_DAY = 86_400 * _SECOND


def read_register(lines: Iterable[str]) -> Collection[str]:
    """Return the numbers; blanks within them, empty lines and a heading are passed over.

    Of a file with columns the first counts. Raise ValueError with the number of the first line that holds none: a
    register that was read in part would disclose what it should withhold.
    """
    # No set: the garbage collector looks at each element of one, of a million within a tenth of a second.
    found: dict[str, None] = {}
    for number, line in enumerate(lines, 1):
        text = line.partition(",")[0].strip().strip('"').replace(" ", "").replace("-", "")
        if is_nhs_number(text):
            found[text] = None
        elif text and not (number == 1 and not any(map(str.isdigit, text))):
            raise ValueError(f"line {number} holds no NHS number: ten digits with a check digit")
    return found.keys()


def begin_of(day: date, *, now: int) -> int:
    """Return the moment at which a day begins; raise ValueError for one that is still to come."""
    moment = int(datetime.combine(day, time(), _ZONE).timestamp()) * _SECOND
    if moment > now:
        raise ValueError(f"{day} is still to come")
    return moment


def day_of(moment: int) -> date:
    """Return the day of a moment."""
    return datetime.fromtimestamp(moment / _SECOND, UTC).astimezone(_ZONE).date()


def days_since(moment: int, *, now: int) -> int:
    """Return how many whole days ago a moment was."""
    return (now - moment) // _DAY
