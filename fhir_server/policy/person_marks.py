"""What stands for an NHS number between two servers: a keyed hash, good for the key that one answer came with. Pure.

https://www.rfc-editor.org/rfc/rfc7693#section-2.9. Who has the key can try all numbers: it hides them from everyone else.
"""

from __future__ import annotations

import re
from hashlib import blake2b

MARK = 8
"""Bytes of a mark: of a million numbers two have the same once in forty million indexes, and somebody is asked in vain."""

KEY = 32
"""Bytes of a key."""

_NUMBER = re.compile(r"[0-9]{10}")


def is_marked(number: str) -> bool:
    """Tell whether there is a mark of a number: it is written with ten digits, whether or not they are a good number."""
    return _NUMBER.fullmatch(number) is not None


def mark_of(key: bytes, number: str) -> bytes:
    """Return what stands for a number."""
    return blake2b(number.encode(), digest_size=MARK, key=key).digest()
