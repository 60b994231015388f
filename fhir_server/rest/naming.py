"""What a client may call its requests, so that they are found again in a log: never by what names a person.

A name is kept where others read it, so what looks like an NHS number is none.
"""

from __future__ import annotations

import re

_NAME = re.compile(rb"[A-Za-z0-9._:\-]{1,64}")
_NUMBER = re.compile(rb"(?<![0-9A-Za-z])\d{3}[-._: ]?\d{3}[-._: ]?\d{4}(?![0-9A-Za-z])")
_PADDED = re.compile(r"0*[1-9]\d{9}0*")


def is_name(given: bytes) -> bool:
    """Tell whether a request goes by this name."""
    return _NAME.fullmatch(given) is not None and not tells_a_number(given)


def tells_a_number(given: bytes) -> bool:
    """Tell whether a text holds ten digits that stand for themselves, as NHS numbers are written."""
    return _NUMBER.search(given) is not None


def is_padded_number(digits: str) -> bool:
    """Tell whether digits of a trace are ten and zeros: no trace that was made at random is."""
    return _PADDED.fullmatch(digits) is not None
