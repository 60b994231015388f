"""What a node may say of its searches, and what holds where it says nothing. Pure."""

from __future__ import annotations

from typing import NamedTuple

DEFAULT_ZONE = "Europe/London"
"""Where a date without a time zone is told."""


class PageSizes(NamedTuple):
    """How many matches a page has where `_count` says nothing, and how many at most.

    A named tuple: it is part of what each search is remembered by.
    """

    default: int = 20
    most: int = 1_000


PAGE_SIZES = PageSizes()
