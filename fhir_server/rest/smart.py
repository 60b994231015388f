"""What apps need to get a token for this server: https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html.

The issuer's own word on itself, where there is one issuer; of several, an app has to know its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_server.auth.addresses import is_safe
from fhir_server.fhir.errors import Unavailable
from fhir_server.fhir.json import dump
from fhir_server.rest.answer import Answer, Header
from fhir_server.rest.request import Request
from fhir_server.rest.routing import NotServed
from fhir_server.rest.service import Service

CAPABILITIES = ("permission-patient", "permission-user", "permission-v1", "permission-v2")
"""What this server does with scopes by itself; all else is the issuer's."""

_ENDPOINTS = (
    "authorization_endpoint",
    "token_endpoint",
    "registration_endpoint",
    "management_endpoint",
    "introspection_endpoint",
    "revocation_endpoint",
    "jwks_uri",
)
_LISTS = (
    "grant_types_supported",
    "response_types_supported",
    "scopes_supported",
    "code_challenge_methods_supported",
    "token_endpoint_auth_methods_supported",
    "token_endpoint_auth_signing_alg_values_supported",
)
_OAUTH_URIS = {
    "authorize": "authorization_endpoint",
    "token": "token_endpoint",
    "register": "registration_endpoint",
    "manage": "management_endpoint",
    "introspect": "introspection_endpoint",
    "revoke": "revocation_endpoint",
}


async def smart_configuration(service: Service, request: Request) -> Answer:
    """Serve `GET .well-known/smart-configuration`: JSON, whatever is accepted."""
    if service.callers is None:
        raise NotServed("This server asks for no tokens, so it has no SMART configuration.")
    published = await service.callers.metadata(now=service.clock())
    told: dict[str, Any] = {**_endpoints(published)}
    if published:
        told["issuer"] = published["issuer"]
    told |= {name: published[name] for name in _LISTS if _is_list_of_text(published.get(name))}
    issuers = published.get("capabilities", [])
    told["capabilities"] = [*CAPABILITIES, *(issuers if _is_list_of_text(issuers) else [])]
    return Answer(
        200, dump(told), media_type="application/json", headers=open_to_pages(service, request)
    )


async def oauth_uris(service: Service) -> Mapping[str, str] | None:
    """Return the issuer's endpoints as a CapabilityStatement names them; None where no tokens are asked for."""
    if service.callers is None:
        return None
    try:
        known = _endpoints(await service.callers.metadata(now=service.clock()))
    except Unavailable:
        # The statement is open to everyone, and true without them.
        return {}
    return {name: known[each] for name, each in _OAUTH_URIS.items() if each in known}


def open_to_pages(service: Service, request: Request) -> tuple[Header, ...]:
    """Return the header by which pages of every origin may read what needs no token, unless theirs is named anyway."""
    if service.callers is None or service.cross_origin.headers(request.headers):
        return ()
    return ((b"access-control-allow-origin", b"*"),)


def _endpoints(published: Mapping[str, Any]) -> dict[str, str]:
    return {name: published[name] for name in _ENDPOINTS if _is_address(published.get(name))}


def _is_address(value: object) -> bool:
    return isinstance(value, str) and is_safe(value)


def _is_list_of_text(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)
