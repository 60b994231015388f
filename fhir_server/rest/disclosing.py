"""The audience of a request: asked once its caller is known, and before anything is looked up for it."""

from __future__ import annotations

from fhir_server.auth.caller import Caller
from fhir_server.fhir.errors import Forbidden
from fhir_server.interactions.emergencies import Grants
from fhir_server.policy.decision import Audience
from fhir_server.policy.disclosure import Standing
from fhir_server.policy.roles import BREAK_GLASS
from fhir_server.rest.request import Request
from fhir_server.rest.service import Service

EMERGENCY = "break-glass"
"""The rule by which records are opened in an emergency, as the decision names it."""

LOOKED_FOR = 500_000
"""Microseconds for which the date of the register of opt-outs is remembered: it counts by days, and who is on it does not wait."""

_ORGANISATION = b"nhsd-end-user-organisation-ods"


def rule_of(service: Service, audience: Audience | None) -> str:
    """Return the rule by which an audience may ask: that of its purpose."""
    if service.disclosure is None or audience is None:
        return ""
    rule = service.disclosure.purposes.rule(audience.purpose)
    return "" if rule is None else f"default:{rule.id}"


async def admit(service: Service, request: Request, caller: Caller, *, now: int) -> None:
    """Have a request asked by this caller, within its role and for its purpose; raise Forbidden."""
    request.caller = caller
    _check_organisation(request, caller)
    if service.disclosure is None:
        return
    standings = service.kept.standings
    standing = standings.get(caller.rights)
    if standing is None:
        # Worked out once, as a caller asks for many things with one token.
        standing = service.disclosure.standing(caller.access, caller.rights)
        service.kept.forget_if_many()
        standings[caller.rights] = standing
    await check_current(service, standing, now=now)
    request.caller = Caller(caller.access, standing.rights)
    request.audience = standing.audience
    if standing.rule.id == BREAK_GLASS:
        grants = await Grants(service.store.key_values).of(caller.access, now=now)
        request.emergency = frozenset(each.patient for each in grants)


async def check_current(service: Service, standing: Standing, *, now: int) -> None:
    """Raise Forbidden where the register of opt-outs is needed, and missing or out of date."""
    if service.disclosure is None or not standing.rule.opt_out or standing.audience.exempt:
        return
    kept = service.kept
    if not 0 <= now - kept.register_read < LOOKED_FOR:
        known = await service.store.opt_outs()
        as_of = None if known is None else known.as_of
        service.disclosure.check_register(standing.rule, as_of, now=now)
        kept.register_read, kept.register_as_of = now, as_of
    service.disclosure.check_register(standing.rule, kept.register_as_of, now=now)


def _check_organisation(request: Request, caller: Caller) -> None:
    """Raise Forbidden where a request says to come from another organisation than its token does."""
    said = request.headers.get(_ORGANISATION)
    if said is not None and said.decode("latin-1") != caller.access.organisation:
        raise Forbidden(
            "NHSD-End-User-Organisation-ODS names another organisation than the token (claim organisation)"
        )
