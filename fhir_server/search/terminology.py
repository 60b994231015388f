"""What a search asks of value sets: the port for `:in` and `:not-in`. Pure.

https://hl7.org/fhir/R4/search.html#token
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

Codes: TypeAlias = Mapping[str, Collection[str]]
"""Codes by system."""

_R4 = "4.0.1"


class Terminology(Protocol):
    """What knows value sets."""

    def expand(self, value_set: str, /) -> Codes | None:
        """Return all codes of a value set, given by its canonical URL; None if that cannot be told."""
        ...


@dataclass(frozen=True)
class ListedValueSets:
    """The value sets that R4 itself lists, each of one code system."""

    codes: Mapping[str, Codes]

    def expand(self, value_set: str, /) -> Codes | None:
        """See Terminology.expand."""
        url, _, version = value_set.partition("|")
        found = self.codes.get(url)
        # Of several systems, elements of type `code` do not tell which one a code is of.
        if found is None or len(found) != 1 or version not in {"", _R4}:
            return None
        return found


NO_VALUE_SETS = ListedValueSets({})
