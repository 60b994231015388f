"""Who asks, and what for, as the decision on disclosure needs it; refused are purposes that nobody may have. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from fhir_server.fhir.errors import Forbidden
from fhir_server.policy.access import Access
from fhir_server.policy.decision import Audience
from fhir_server.policy.purposes import PurposeRule, Purposes

ODS_CODE = "https://fhir.nhs.uk/Id/ods-organization-code"
OWN_REQUEST = "PATRQT"

_DAY = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What callers are asked for their purpose by.

    `default` is the purpose of a token that names none, None where it must; `days` how old the register of opt-outs
    may be.
    """

    purposes: Purposes
    default: str | None = None
    days: int = 21

    def audience(self, access: Access) -> tuple[Audience, PurposeRule]:
        """Return the audience of a caller, and the rule of its purpose; raise Forbidden before anything is looked up."""
        purpose = access.purpose or self._unsaid(access)
        rule = None if purpose is None else self.purposes.rule(purpose)
        if purpose is None:
            raise Forbidden(
                "The token names no purpose of use (claim purpose), a code of v3-ActReason such as TREAT"
            )
        if rule is None or rule.use == "forbidden":
            raise Forbidden("Nothing is disclosed for the token's purpose of use")
        organisation = access.organisation
        actors = frozenset() if organisation is None else frozenset({f"{ODS_CODE}|{organisation}"})
        return Audience(purpose, actors), rule

    def only_reads(self, audience: Audience | None) -> bool:
        """Tell whether an audience writes nothing: one that opt-outs bind."""
        rule = None if audience is None else self.purposes.rule(audience.purpose)
        return rule is not None and rule.opt_out

    def check_register(self, rule: PurposeRule, as_of: int | None, *, now: int) -> None:
        """Raise Forbidden where a purpose needs the register of opt-outs, and that is missing or too old."""
        if rule.opt_out and (as_of is None or now - as_of > self.days * _DAY):
            raise Forbidden(
                "The register of opt-outs is missing or out of date here: nothing is disclosed for this purpose of use "
                "until it is loaded (fhir-server optout load)"
            )

    def _unsaid(self, access: Access) -> str | None:
        given = access.scopes.given
        if access.patient is not None and all(each.context == "patient" for each in given):
            return OWN_REQUEST
        return self.default
