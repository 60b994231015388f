"""What a role may do, for which purposes: rules that are read as data which people review. Pure.

The codes are those of the NHS role-based access control: https://digital.nhs.uk/developer/guides-and-documentation/
security-and-authorisation/national-rbac-for-developers. What a token's scopes give is bounded by them, never widened.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from fhir_server.policy.purposes import Purposes
from fhir_server.policy.scopes import LETTERS

ALL = "*"
NOBODY = "nobody"
EMERGENCY = "B0168"
"""The activity of breaking the glass."""

BREAK_GLASS = "break-glass"
"""The rule on purposes (purposes.json) that goes with it."""


class Grant(msgspec.Struct, frozen=True, rename={"except_": "except"}, forbid_unknown_fields=True):
    """What is permitted for some rules on purposes: letters on types, and types of which just numbers are told.

    `except_` are left out of either.
    """

    purposes: tuple[str, ...]
    types: tuple[str, ...]
    letters: str
    except_: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()


class Role(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """One role; `clearances` are labels that hide nothing from it.

    `chooses_ids`: it creates at addresses of its own choice, by PUT, as what moves records between systems has to.
    """

    code: str
    name: str
    says: str
    grants: tuple[Grant, ...]
    clearances: tuple[str, ...] = ()
    activities: tuple[str, ...] = ()
    chooses_ids: bool = False

    def permits(self, purpose: str) -> bool:
        """Tell whether it permits anything for a rule on purposes."""
        return any(purpose in each.purposes for each in self.grants)

    @property
    def may_break_glass(self) -> bool:
        """Tell whether it may ask for emergency access."""
        return EMERGENCY in self.activities

    def __str__(self) -> str:
        return f"{self.code} ({self.name})"


class _Content(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    sets: dict[str, tuple[str, ...]]
    concern_nobody: tuple[str, ...]
    without_role: dict[str, str]
    roles: tuple[Role, ...]


@dataclass(frozen=True)
class Roles:
    """The roles. `without_role` says by context of scopes (patient, system) which one a token without role has.

    `sets` are the types by the names that grants use; `nobody` is the one of types that concern nobody.
    """

    types: frozenset[str]
    sets: Mapping[str, frozenset[str]]
    without_role: Mapping[str, str]
    by_code: Mapping[str, Role] = field(repr=False)

    @property
    def concern_nobody(self) -> frozenset[str]:
        """The types that concern nobody."""
        return self.sets[NOBODY]

    def find(self, code: str) -> Role | None:
        """Return a role by its code, or by a role of CIS2 that ends with it: `S8000:G8000:R8000`."""
        return self.by_code.get(code.rpartition(":")[2])

    def reach(self, role: Role, purpose: str, letter: str) -> frozenset[str] | None:
        """Return the types on which a role has a letter of SMART's `cruds` for a rule on purposes; None: all."""
        given = [e for e in role.grants if purpose in e.purposes and letter in e.letters]
        return self._union((each.types, each.except_) for each in given)

    def counted(self, role: Role, purpose: str) -> frozenset[str] | None:
        """Return the types of which a role is told numbers for a rule on purposes; None: all."""
        given = [each for each in role.grants if purpose in each.purposes]
        return self._union((each.counts, each.except_) for each in given)

    def _union(self, given: Iterable[tuple[Iterable[str], Iterable[str]]]) -> frozenset[str] | None:
        found: set[str] = set()
        for names, without in given:
            if ALL in names and not without:
                return None
            found |= self._named(names) - self._named(without)
        return frozenset(found)

    def _named(self, names: Iterable[str]) -> frozenset[str]:
        sets = (self.types if each == ALL else self.sets.get(each, {each}) for each in names)
        return frozenset[str]().union(*sets)


@dataclass(frozen=True, slots=True)
class Known:
    """What the table of roles speaks of: what it says of anything else is a mistake.

    `personal` are the resource types that are about a patient, `clearances` the labels that there are.
    """

    purposes: Purposes
    types: frozenset[str]
    personal: frozenset[str]
    clearances: frozenset[str]


def read_roles(content: bytes, known: Known) -> Roles:
    """Return the roles that a file describes; raise ValueError that names each contradiction."""
    read = msgspec.json.decode(content, type=_Content)
    problems = list(_problems(read, known))
    if problems:
        raise ValueError("; ".join(problems))
    sets = {name: frozenset(each) for name, each in read.sets.items()}
    sets[NOBODY] = frozenset(read.concern_nobody)
    by_code = {each.code: each for each in read.roles}
    return Roles(known.types, sets, read.without_role, by_code)


def _problems(read: _Content, known: Known) -> Iterator[str]:
    codes = [each.code for each in read.roles]
    yield from (f"the role {each} is there twice" for each in set(codes) if codes.count(each) > 1)
    for name, types in (*read.sets.items(), (NOBODY, read.concern_nobody)):
        yield from (f"{name}: {each} is no type" for each in types if each not in known.types)
    for each in read.concern_nobody:
        if each in known.personal:
            yield f"{NOBODY}: {each} is about a patient"
    for context, code in read.without_role.items():
        if code not in codes:
            yield f"withoutRole.{context}: there is no role {code}"
    for role in read.roles:
        yield from (f"{role.code}: {each}" for each in _problems_of(role, read, known))


def _problems_of(role: Role, read: _Content, known: Known) -> Iterator[str]:
    """Yield what is wrong with one role."""
    for each in role.clearances:
        if each not in known.clearances:
            yield f"there is no label {each}"
    if role.may_break_glass != role.permits(BREAK_GLASS):
        yield f"the activity {EMERGENCY} and a grant for {BREAK_GLASS} belong together"
    for grant in role.grants:
        yield from _problems_of_grant(grant, read, known)


def _problems_of_grant(grant: Grant, read: _Content, known: Known) -> Iterator[str]:
    names = {*known.types, *read.sets, ALL, NOBODY}
    for each in (*grant.types, *grant.except_, *grant.counts):
        if each not in names:
            yield f"{each} is no type, and no set of types"
    if not grant.letters or grant.letters != "".join(e for e in LETTERS if e in grant.letters):
        yield f"{grant.letters!r} are no letters of {LETTERS} in this order"
    rules = {each.id: each for each in known.purposes.rules}
    for purpose in grant.purposes:
        rule = rules.get(purpose)
        if rule is None or rule.use == "forbidden":
            yield f"{purpose} is no rule on purposes that anyone may have"
        elif rule.use == "secondary":
            yield from _problems_of_secondary(grant, read, purpose)
        elif grant.counts:
            yield f"{purpose} is a use with records: numbers alone are for other uses"


def _problems_of_secondary(grant: Grant, read: _Content, purpose: str) -> Iterator[str]:
    """Yield what would disclose records of people, or have them written, for other uses than care."""
    if not set(grant.letters) <= set("rs"):
        yield f"nothing is written for {purpose}"
    shown = set(grant.types) - {NOBODY, *read.concern_nobody}
    yield from (f"{each} may be about people, and {purpose} is told numbers" for each in shown)
