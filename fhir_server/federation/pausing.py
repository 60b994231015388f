"""How long a member asks to be left alone: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

SECOND = 1_000_000
LONGEST = 300 * SECOND
"""What is obeyed at most, in microseconds: a wrong clock or number takes no member out for ever."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def pause_of(told: str, *, now: int) -> int | None:
    """Return the microseconds that a Retry-After asks for, a number of seconds or a date; None for what is neither."""
    text = told.strip()
    if text.isascii() and text.isdigit():
        # Longer numbers than that are longest all the same, and need not be read.
        return min(int(text[:10]) * SECOND, LONGEST)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return min(max((date - _EPOCH) // timedelta(microseconds=1) - now, 0), LONGEST)
