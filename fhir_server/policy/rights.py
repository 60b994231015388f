"""What a caller may do, and on what: for each letter of SMART's `cruds` a Visibility.

A `patient/` scope reaches into the compartment of the patient in context and no further; without one it gives
nothing. `user/` and `system/` scopes reach everything of their types.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import and_

from fhir_server.policy.access import Access
from fhir_server.policy.scopes import LETTERS, Scope
from fhir_server.policy.visibility import Visibility

ALL_TYPES = "*"


@dataclass(frozen=True, slots=True, eq=False)
class Rights:
    """A Visibility by letter; `narrowed` tells of scopes that give no right for their search parameters.

    `counted` is what numbers alone are told of, None where records are disclosed; `role` what else bounds them.
    """

    by_letter: Mapping[str, Visibility]
    narrowed: bool = False
    counted: Visibility | None = None
    role: str | None = None

    def sight(self, letters: str) -> Visibility:
        """Return what all these letters reach."""
        return reduce(and_, (self.by_letter[each] for each in letters))


def rights_of(access: Access) -> Rights:
    """Return what a caller's scopes permit."""
    reach = {each: _reach(access, each) for each in LETTERS}
    return Rights(reach, narrowed=access.scopes.narrowed)


def _reach(access: Access, letter: str) -> Visibility:
    given = [each for each in access.scopes.given if letter in each.letters]
    whole = _types(each for each in given if each.context != "patient")
    reason = f"scopes for {letter}"
    if ALL_TYPES in whole:
        return Visibility.everything(reason)
    bound = _types(each for each in given if each.context == "patient")
    if access.patient is None or not bound:
        return Visibility(reason, whole)
    types = None if ALL_TYPES in bound else whole | bound
    return Visibility(reason, types, access.patient, unbound=whole)


def _types(scopes: Iterable[Scope]) -> frozenset[str]:
    return frozenset(each.type for each in scopes)
