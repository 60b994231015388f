"""Who asks, and what for, as the decision on disclosure needs it; refused are purposes that nobody may have. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fhir_server.fhir.errors import Forbidden, shown
from fhir_server.policy.access import Access
from fhir_server.policy.counts import Counts
from fhir_server.policy.decision import Audience
from fhir_server.policy.labels import NO_LABELS, Labels
from fhir_server.policy.programmes import IDENTIFIER, Programme, Programmes
from fhir_server.policy.purposes import PurposeRule, Purposes
from fhir_server.policy.rights import Rights
from fhir_server.policy.roles import Role, Roles
from fhir_server.policy.scopes import LETTERS
from fhir_server.policy.visibility import Visibility

ODS_CODE = "https://fhir.nhs.uk/Id/ods-organization-code"
OWN_REQUEST = "PATRQT"
OWN_RECORD = "own-request"
"""The rule on purposes of which it is."""


OVERSIGHT = "oversight"
_DAY = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Tables:
    """What people review besides the purposes: roles, the register of flows, how numbers are told, labels."""

    roles: Roles
    programmes: Programmes
    counts: Counts
    labels: Labels = NO_LABELS


@dataclass(frozen=True, slots=True)
class Standing:
    """What a caller's claims come to: an audience, the rule of its purpose, what its scopes and its role both permit."""

    audience: Audience
    rule: PurposeRule
    rights: Rights
    role: Role | None = None


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What callers are asked for their purpose, and their role, by.

    `default` is the purpose of a token that names none, None where it must; `default_role` the role of a user's;
    `days` how old the register of opt-outs may be, `emergency_minutes` how long an emergency grant is good. Without `tables` no role bounds anyone.
    """

    purposes: Purposes
    default: str | None = None
    days: int = 21
    tables: Tables | None = None
    default_role: str | None = None
    emergency_minutes: int = 30

    def standing(self, access: Access, rights: Rights) -> Standing:
        """Return what a caller may, by claims alone; raise Forbidden before anything is looked up."""
        audience, rule = self.audience(access)
        if self.tables is None:
            return Standing(audience, rule, rights)
        role = self._role(access, rule, self.tables.roles)
        if not role.permits(rule.id):
            message = f"The role {role} is not for the purpose of use {audience.purpose}"
            raise Forbidden(message, rule="role")
        programme = self._programme(access, audience, self.tables.programmes)
        told = replace(audience, clearances=frozenset(role.clearances))
        if programme is not None:
            actors = audience.actors | {f"{IDENTIFIER}|{programme.id}"}
            told = replace(told, actors=actors, exempt=programme.exempt)
        records = programme is not None and programme.records
        bounded = _Bounds(self.tables.roles, role, rule, records=records).on(rights)
        return Standing(told, rule, _own(bounded, access, rule, self.tables.roles), role)

    def audience(self, access: Access) -> tuple[Audience, PurposeRule]:
        """Return the audience of a caller, and the rule of its purpose; raise Forbidden before anything is looked up."""
        purpose = access.purpose or self._unsaid(access)
        rule = None if purpose is None else self.purposes.rule(purpose)
        if purpose is None:
            raise Forbidden(
                "The token names no purpose of use (claim purpose), a code of v3-ActReason such as TREAT",
                rule="claims",
            )
        if rule is None or rule.use == "forbidden":
            decided = "unknown-purpose" if rule is None else f"forbidden:{rule.id}"
            raise Forbidden("Nothing is disclosed for the token's purpose of use", rule=decided)
        organisation = access.organisation
        actors = frozenset() if organisation is None else frozenset({f"{ODS_CODE}|{organisation}"})
        return Audience(purpose, actors), rule

    def only_reads(self, audience: Audience | None) -> bool:
        """Tell whether an audience writes nothing: one that opt-outs bind."""
        rule = None if audience is None else self.purposes.rule(audience.purpose)
        return rule is not None and rule.opt_out

    def check_register(self, rule: PurposeRule, as_of: int | None, *, now: int) -> None:
        """Raise Forbidden where a purpose needs the register of opt-outs, and that is missing or too old."""
        if rule.opt_out and (as_of is None or not self.is_current(as_of, now=now)):
            raise Forbidden(
                "The register of opt-outs is missing or out of date here: nothing is disclosed for this purpose of use "
                "until it is loaded (fhir-server optout load)",
                rule="opt-out:out-of-date",
            )

    def is_current(self, as_of: int, *, now: int) -> bool:
        """Tell whether a register of opt-outs of then is still good."""
        return now - as_of <= self.days * _DAY

    def _role(self, access: Access, rule: PurposeRule, roles: Roles) -> Role:
        code = access.role or self._unsaid_role(access, rule, roles)
        if code is None:
            told = "A user's token names a role (claim role), such as R8000"
            raise Forbidden(told, rule="claims")
        found = roles.find(code)
        if found is None:
            raise Forbidden(f"The token's role {shown(code)!r} is not known here", rule="claims")
        return found

    def _unsaid_role(self, access: Access, rule: PurposeRule, roles: Roles) -> str | None:
        """Return the role of a token that names none: of a patient, of a system, or what users have by default."""
        contexts = {each.context for each in access.scopes.all}
        if rule.id == OWN_RECORD:
            return roles.without_role.get("patient")
        if contexts <= {"system"}:
            return roles.without_role.get("system")
        return self.default_role

    def _programme(
        self, access: Access, audience: Audience, programmes: Programmes
    ) -> Programme | None:
        if access.programme is None:
            return None
        found = programmes.find(
            access.programme, purpose=audience.purpose, organisation=access.organisation
        )
        if found is None:
            raise Forbidden(
                f"The programme {shown(access.programme)!r} is not registered here for the token's purpose of use "
                "and organisation"
            )
        return found

    def _unsaid(self, access: Access) -> str | None:
        scopes = access.scopes.all
        if access.patient is not None and all(each.context == "patient" for each in scopes):
            return OWN_REQUEST
        return self.default


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What a role bounds scopes by, for a purpose; `records`: what it would be told numbers of it sees."""

    roles: Roles
    role: Role
    rule: PurposeRule
    records: bool

    def on(self, rights: Rights) -> Rights:
        """Return rights within these bounds."""
        bounds = {each: Visibility(f"the role {self.role}", self._types(each)) for each in LETTERS}
        counted = None
        if self.rule.use == "secondary" and not self.records:
            counted = _within(rights.by_letter["s"], self.roles.counted(self.role, self.rule.id))
        return replace(
            rights.within(bounds),
            counted=counted,
            role=str(self.role),
            chooses_ids=self.role.chooses_ids,
        )

    def _types(self, letter: str) -> frozenset[str] | None:
        own = self.roles.reach(self.role, self.rule.id, letter)
        if not self.records or letter not in "rs" or own is None:
            return own
        counted = self.roles.counted(self.role, self.rule.id)
        return None if counted is None else own | counted


def _within(sight: Visibility, types: frozenset[str] | None) -> Visibility:
    return sight if types is None else sight.of_types(types)


def _own(rights: Rights, access: Access, rule: PurposeRule, roles: Roles) -> Rights:
    """Return the rights of who asks for the own record: they reach no other person's, whatever the scopes."""
    if rule.id != OWN_RECORD:
        return rights
    if access.patient is None:
        raise Forbidden("Who asks for the own record has a token with a patient in context")
    own = Visibility("the own record", patient=access.patient, unbound=roles.sets["openToPatients"])
    return rights.within(dict.fromkeys(LETTERS, own))
