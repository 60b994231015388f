"""The audience of a request: asked once its caller is known, and before anything is looked up for it."""

from __future__ import annotations

from fhir_server.auth.caller import Caller
from fhir_server.policy.decision import Audience
from fhir_server.rest.service import Service


def rule_of(service: Service, audience: Audience | None) -> str:
    """Return the rule by which an audience may ask: that of its purpose."""
    if service.disclosure is None or audience is None:
        return ""
    rule = service.disclosure.purposes.rule(audience.purpose)
    return "" if rule is None else f"default:{rule.id}"


async def audience_of(service: Service, caller: Caller, *, now: int) -> Audience | None:
    """Return the audience, None where nobody is asked for a purpose; raise Forbidden."""
    disclosure = service.disclosure
    if disclosure is None:
        return None
    audience, rule = disclosure.audience(caller.access)
    if rule.opt_out:
        known = await service.store.opt_outs()
        disclosure.check_register(rule, None if known is None else known.as_of, now=now)
    return audience
