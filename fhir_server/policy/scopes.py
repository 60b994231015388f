"""SMART scopes on resources, of version 1 and 2, as what they grant.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LETTERS = "cruds"
"""Create, read, update, delete, search."""

_VERSION_1 = {"read": "rs", "write": "cud", "*": LETTERS}
_SCOPE = re.compile(
    r"(patient|user|system)/([A-Z][A-Za-z]*|\*)\.(read|write|\*|(?=[cruds])c?r?u?d?s?)(\?.*)?"
)


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope: `context` is patient, user or system, `type` may be `*`, `letters` are in order."""

    context: str
    type: str
    letters: str


@dataclass(frozen=True, slots=True)
class Scopes:
    """The scopes that give rights here.

    `narrowed`: others have search parameters (`?category=…`), which this server does not enforce; so they
    give no right at all.
    """

    given: frozenset[Scope] = frozenset()
    narrowed: bool = False


def parse_scopes(text: str) -> Scopes:
    """Return what a scope claim gives; what is no scope on resources gives nothing, as OAuth has it."""
    found = [match for each in text.split(" ") if (match := _SCOPE.fullmatch(each))]
    given = (
        Scope(context, name, _VERSION_1.get(letters, letters))
        for context, name, letters, parameters in (each.groups() for each in found)
        if parameters is None
    )
    return Scopes(frozenset(given), narrowed=any(each[4] is not None for each in found))
