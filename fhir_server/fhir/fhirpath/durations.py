"""A date or time moved by a duration: https://hl7.org/fhirpath/N1/#datetime-arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from fhir_server.fhir.fhirpath.errors import FhirPathError
from fhir_server.fhir.fhirpath.quantity import CALENDAR_UNITS, Quantity
from fhir_server.fhir.fhirpath.temporal import (
    DAY,
    HOUR,
    MINUTE,
    MONTH,
    SECOND,
    YEAR,
    Temporal,
    days_of,
)

_UNIT_OF_UCUM: Mapping[str, str] = {
    "wk": "week",
    "d": "day",
    "h": "hour",
    "min": "minute",
    "s": "second",
    "ms": "millisecond",
}
"""UCUM's year and month have a definite length, which no calendar date can be moved by."""
_MILLISECONDS: Mapping[str, int] = {
    "week": 604_800_000,
    "day": 86_400_000,
    "hour": 3_600_000,
    "minute": 60_000,
    "second": 1000,
    "millisecond": 1,
}
_STEPS: Mapping[int, tuple[str, int]] = {
    DAY: ("day", 86_400_000),
    HOUR: ("hour", 3_600_000),
    MINUTE: ("minute", 60_000),
}
_LARGEST = 10**15


def moved(moment: Temporal, duration: Quantity, sign: int) -> Temporal | None:
    """Return the moment later (sign 1) or earlier (-1); None beyond the calendar.

    Parts of a unit are ignored, and so is what is finer than the moment's own precision.
    """
    unit = _unit(duration)
    if not duration.value.is_finite() or abs(duration.value) > _LARGEST:
        return None
    amount = sign * int(duration.value)
    if moment.kind == "Time":
        return _time_moved(moment, amount, unit)
    if unit in {"year", "month"}:
        return _months_moved(moment, amount * (12 if unit == "year" else 1))
    milliseconds = amount * _MILLISECONDS[unit]
    if moment.precision == YEAR:
        return _months_moved(moment, 12 * _towards_zero(milliseconds, 365 * 86_400_000))
    if moment.precision == MONTH:
        return _months_moved(moment, _towards_zero(milliseconds, 30 * 86_400_000))
    return _milliseconds_moved(moment, milliseconds)


def _unit(duration: Quantity) -> str:
    unit = CALENDAR_UNITS.get(duration.unit) or _UNIT_OF_UCUM.get(duration.unit)
    if unit is None:
        raise FhirPathError(f"a date is not moved by {duration}: use year, month, week, day ...")
    return unit


def _towards_zero(number: int, divisor: int) -> int:
    return int(number / Decimal(divisor))


def _months_moved(moment: Temporal, months: int) -> Temporal | None:
    year, month = moment.parts[0], moment.parts[1] if moment.precision >= MONTH else 1
    years, month = divmod(month - 1 + months, 12)
    year, month = year + years, month + 1
    if not 1 <= year <= 9999:  # noqa: PLR2004 - the years of a FHIR date
        return None
    parts = [*moment.parts]
    parts[: MONTH + 1] = [year, month][: len(parts)]
    if moment.precision >= DAY:
        parts[DAY] = min(parts[DAY], days_of(year, month))
    return replace(moment, parts=tuple(parts))


def _milliseconds_moved(moment: Temporal, milliseconds: int) -> Temporal | None:
    if moment.precision in _STEPS:
        step = _STEPS[moment.precision][1]
        milliseconds = _towards_zero(milliseconds, step) * step
    year, month, day, hour, minute, second = (*moment.parts, 0, 0, 0)[:6]
    try:
        start = datetime(year, month, day, hour, minute, min(second, 59))  # noqa: DTZ001 - the zone stays as it is
        there = start + timedelta(milliseconds=milliseconds + _thousandths(moment))
    except (OverflowError, ValueError):
        return None
    parts = (there.year, there.month, there.day, there.hour, there.minute, there.second)
    fraction = _fraction(moment, milliseconds, there.microsecond // 1000)
    return replace(moment, parts=parts[: len(moment.parts)], fraction=fraction)


def _thousandths(moment: Temporal) -> int:
    return int(f"{moment.fraction:0<3}"[:3])


def _fraction(moment: Temporal, moved_by: int, thousandths: int) -> str:
    if moment.precision < SECOND or not (moment.fraction or moved_by % 1000):
        return ""
    digits = f"{thousandths:03}" + moment.fraction[3:]
    return digits[: max(len(moment.fraction), 3 if moved_by % 1000 else 0)]


def _time_moved(moment: Temporal, amount: int, unit: str) -> Temporal:
    if unit not in _MILLISECONDS:
        raise FhirPathError(f"a Time is not moved by {unit}s")
    on_a_day = Temporal("DateTime", (2000, 1, 1, *moment.parts), moment.fraction)
    # A Time goes round the clock.
    there = _milliseconds_moved(on_a_day, amount * _MILLISECONDS[unit] % 86_400_000)
    assert there is not None
    return replace(moment, parts=there.parts[3:], fraction=there.fraction)
