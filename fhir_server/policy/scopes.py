"""SMART scopes on resources, of version 1 and 2, as what they grant.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LETTERS = "cruds"
"""Create, read, update, delete, search."""

PERSON_INDEX = "system/$person-index"
"""A scope of our own: to be told, in marks, which NHS numbers a server knows. It reaches no resource."""

OPT_OUTS = "system/$opt-outs"
"""Another: to put a register of opt-outs in place of the one before. It reaches no resource either."""

OWN = frozenset({PERSON_INDEX, OPT_OUTS})

_VERSION_1 = {"read": "rs", "write": "cud", "*": LETTERS}
_SCOPE = re.compile(
    r"(patient|user|system)/([A-Z][A-Za-z]*|\*)\.(read|write|\*|(?=[cruds])c?r?u?d?s?)(\?.*)?"
)


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope: `context` is patient, user or system, `type` may be `*`, `letters` are in order.

    `parameters` are search parameters that what it reaches must satisfy, "" for all.
    """

    context: str
    type: str
    letters: str
    parameters: str = ""


@dataclass(frozen=True, slots=True)
class Scopes:
    """The scopes on resources: those `given` whole, and those `narrowed` by search parameters (`?category=…`).

    `own` are those of ours besides.
    """

    given: frozenset[Scope] = frozenset()
    narrowed: frozenset[Scope] = frozenset()
    own: frozenset[str] = frozenset()

    @property
    def all(self) -> frozenset[Scope]:
        """Both."""
        return self.given | self.narrowed

    def without(self, context: str) -> Scopes:
        """Return those of other contexts."""
        given = frozenset(each for each in self.given if each.context != context)
        return Scopes(given, frozenset(each for each in self.narrowed if each.context != context))


def parse_scopes(text: str) -> Scopes:
    """Return what a scope claim gives; what is no scope on resources gives nothing, as OAuth has it."""
    found = [match for each in text.split(" ") if (match := _SCOPE.fullmatch(each))]
    scopes = [
        Scope(context, name, _VERSION_1.get(letters, letters), parameters or "")
        for context, name, letters, parameters in (each.groups() for each in found)
    ]
    given = frozenset(each for each in scopes if not each.parameters)
    return Scopes(given, frozenset(scopes) - given, OWN.intersection(text.split(" ")))
