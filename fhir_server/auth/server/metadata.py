"""What an authorization server publishes of itself: RFC 8414, OpenID Connect discovery, SMART's conformance.

https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_server.auth.server.authentication import ALGORITHMS
from fhir_server.auth.server.site import Site

METHODS = ("none", "client_secret_basic", "private_key_jwt")
GRANT_TYPES = ("authorization_code", "refresh_token", "client_credentials")
SCOPES = (
    *("openid", "fhirUser", "profile", "launch", "launch/patient", "launch/encounter"),
    *("offline_access", "online_access"),
    *("patient/*.cruds", "user/*.cruds", "system/*.cruds"),
)
CAPABILITIES = (
    *("launch-ehr", "launch-standalone", "authorize-post"),
    *("client-public", "client-confidential-symmetric", "client-confidential-asymmetric"),
    *("context-banner", "context-ehr-patient", "context-ehr-encounter"),
    *("context-standalone-patient", "context-standalone-encounter"),
    *("sso-openid-connect", "permission-offline", "permission-online"),
)
"""What is true of this authorization server; what is true of the FHIR API is added there."""


def metadata(site: Site) -> Mapping[str, Any]:
    """Return the metadata; it is good for each of the three documents."""
    confidential = list(METHODS[1:])
    algorithms = list(ALGORITHMS)
    return {
        "issuer": site.issuer,
        "authorization_endpoint": site.url("authorize"),
        "token_endpoint": site.url("token"),
        "introspection_endpoint": site.url("introspect"),
        "revocation_endpoint": site.url("revoke"),
        "jwks_uri": site.url("jwks"),
        "grant_types_supported": list(GRANT_TYPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "scopes_supported": list(SCOPES),
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": list(METHODS),
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint_auth_methods_supported": confidential,
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "revocation_endpoint_auth_methods_supported": list(METHODS),
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        "authorization_response_iss_parameter_supported": True,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": ["sub", "fhirUser", "profile", "name", "auth_time", "nonce"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "request_uri_parameter_supported": False,
        "capabilities": list(CAPABILITIES),
    }


def published(site: Site) -> Mapping[str, Any]:
    """Return the metadata without what is SMART's alone."""
    return {name: value for name, value in metadata(site).items() if name != "capabilities"}
