"""The audience of a request: asked once its caller is known, and before anything is looked up for it."""

from __future__ import annotations

from fhir_server.auth.caller import Caller
from fhir_server.policy.decision import Audience
from fhir_server.rest.service import Service


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
