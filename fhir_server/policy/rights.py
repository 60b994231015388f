"""What a caller may do, and on what: for each letter of SMART's `cruds` a Visibility.

A `patient/` scope reaches into the compartment of the patient in context and no further; without one it gives
nothing. `user/` and `system/` scopes reach everything of their types. One with search parameters reaches what satisfies
them; several of one type reach what one of them does.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import astuple, dataclass, field, replace
from functools import reduce
from operator import and_

from fhir_server.policy.access import Access
from fhir_server.policy.criteria import Criteria, Reader
from fhir_server.policy.scopes import LETTERS, Scope
from fhir_server.policy.visibility import Visibility
from fhir_server.search.expression import EVERYTHING, AllOf, Predicate
from fhir_server.search.parameter_types.criterion import any_of

ALL_TYPES = "*"


@dataclass(frozen=True, slots=True, eq=False)
class Rights:
    """A Visibility by letter; `narrowed` is who has scopes with search parameters besides, None where nobody has.

    `bounds` are what is reached at most, by letter, whatever scopes give; None: no more than that. `counted` is what
    numbers alone are told of, None where records are disclosed; `role` what else bounds them; where `chooses_ids`
    is false nothing is created at an address of the caller's choice. `sights` are those that
    were asked for before: of no moment, as a caller asks for the same again and again.
    """

    by_letter: Mapping[str, Visibility]
    narrowed: Access | None = None
    bounds: Mapping[str, Visibility] | None = None
    counted: Visibility | None = None
    role: str | None = None
    chooses_ids: bool = True
    sights: dict[Hashable, Visibility] = field(default_factory=dict, init=False, repr=False)

    def within(self, bounds: Mapping[str, Visibility]) -> Rights:
        """Return no more of the rights than these bounds: of scopes that are read later, too."""
        by_letter = {letter: sight & bounds[letter] for letter, sight in self.by_letter.items()}
        if self.bounds is not None:
            bounds = {letter: bound & bounds[letter] for letter, bound in self.bounds.items()}
        return replace(self, by_letter=by_letter, bounds=bounds)

    def read_by(self, reader: Reader) -> Rights:
        """Return the rights with those of scopes with search parameters; what the reader can make none of gives none."""
        access, bounds = self.narrowed, self.bounds
        if access is None:
            return self
        reach = {
            letter: _widened(sight, access, letter, reader)
            for letter, sight in self.by_letter.items()
        }
        if bounds is not None:
            reach = {letter: sight & bounds[letter] for letter, sight in reach.items()}
        return replace(self, by_letter=reach, narrowed=None)

    def sight(self, letters: str) -> Visibility:
        """Return what all these letters reach."""
        return reduce(and_, (self.by_letter[each] for each in letters))


def rights_of(access: Access) -> Rights:
    """Return what a caller's scopes permit."""
    reach = {each: _reach(access, each) for each in LETTERS}
    return Rights(reach, access if access.scopes.narrowed else None)


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


def _widened(sight: Visibility, access: Access, letter: str, reader: Reader) -> Visibility:
    """Return what is seen with the scopes that have search parameters as well."""
    everyones = _asked(access, letter, reader, of_patient=False)
    own = {} if access.patient is None else _asked(access, letter, reader, of_patient=True)
    if sight.types is None and sight.patient is None:
        return sight
    whole = frozenset(sight.types or ()) if sight.patient is None else sight.unbound
    by_type: dict[str, Predicate] = {}
    for kind in sorted((everyones.keys() | own.keys()) - whole):
        # What is seen of the patient in context: all of it where another scope says so.
        inside = EVERYTHING if sight.permits_type(kind) else own.get(kind)
        if kind in everyones:
            parts = [everyones[kind]]
            if inside is not None and access.patient is not None:
                parts.append(AllOf((reader.of_patient(kind, access.patient), inside)))
            by_type[kind] = any_of(parts)
        elif inside is not EVERYTHING:
            by_type[kind] = own[kind]
    return Visibility(
        sight.reason,
        None if sight.types is None else sight.types.union(by_type),
        access.patient if own else sight.patient,
        unbound=whole.union(everyones),
        criteria=Criteria(tuple(by_type.items()), reader.extract) if by_type else None,
    )


def _asked(
    access: Access, letter: str, reader: Reader, *, of_patient: bool
) -> dict[str, Predicate]:
    """Return what the scopes with search parameters ask for by type: one of them has to be satisfied."""
    found: dict[str, list[Predicate]] = {}
    for each in sorted(access.scopes.narrowed, key=astuple):
        if letter in each.letters and (each.context == "patient") == of_patient:
            asked = reader.asked(each.type, each.parameters)
            if asked is not None:
                found.setdefault(each.type, []).append(asked)
    return {kind: any_of(parts) for kind, parts in found.items()}


def _types(scopes: Iterable[Scope]) -> frozenset[str]:
    return frozenset(each.type for each in scopes)
