"""Who may ask what only reviewers of access are told."""

from __future__ import annotations

from fhir_server.fhir.errors import Forbidden
from fhir_server.interactions.call import Call
from fhir_server.policy.disclosure import OVERSIGHT, Disclosure


def reviewing(call: Call, name: str) -> Disclosure:
    """Return the rules of disclosure for a caller who reviews access; raise Forbidden for any other."""
    disclosure, audience = call.disclosure, call.audience
    rule = disclosure.purposes.rule(audience.purpose) if disclosure and audience else None
    if disclosure is None or rule is None or rule.use != OVERSIGHT:
        raise Forbidden(
            f"${name} is for those who review access, such as R0001 for the purpose HCOMPL"
        )
    return disclosure
