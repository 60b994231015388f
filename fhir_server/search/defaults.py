"""What a node may say of its searches, and what holds where it says nothing. Pure."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_ZONE = "Europe/London"
"""Where a date without a time zone is told."""


@dataclass(frozen=True, slots=True)
class PageSizes:
    """How many matches a page has where `_count` says nothing, and how many at most."""

    default: int = 20
    most: int = 1_000


PAGE_SIZES = PageSizes()
