"""The tokens that are given: access tokens (https://www.rfc-editor.org/rfc/rfc9068) and ID tokens of OpenID Connect."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from fhir_server.auth.behalf import Behalf
from fhir_server.auth.server.clients import Client
from fhir_server.auth.server.grants import Grant
from fhir_server.auth.server.signing import SigningKeys
from fhir_server.auth.server.site import Site

ACCESS_SECONDS = 600
"""For apps that people use; `grants.ACCESS_LASTS` is the same."""
BACKEND_SECONDS = 300
"""For backend services, as SMART has it: they can ask again by themselves."""

_SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Issuing:
    """Makes tokens; `new_id` gives a fresh id for each."""

    site: Site
    keys: SigningKeys
    new_id: Callable[[], str]

    async def for_user(self, grant: Grant, scopes: Sequence[str], *, now: int) -> dict[str, Any]:
        """Return the answer to a code or refresh token, but for the next refresh token."""
        user = grant.user
        claims = {
            "sub": user.subject,
            "client_id": grant.client_id,
            "scope": " ".join(scopes),
            "grant": grant.id,
            "patient": grant.patient,
            "encounter": grant.encounter,
            "fhirUser": self.fhir_user(grant),
            "organisation": user.organisation,
            "role": user.role,
            "purpose": grant.purpose,
        }
        token = await self._access(claims, ACCESS_SECONDS, now=now)
        answer = _answer(token, ACCESS_SECONDS, scopes) | _context(grant)
        if "openid" in scopes:
            answer["id_token"] = await self._identity(grant, scopes, token, now=now)
        return answer

    async def for_client(
        self, client: Client, scopes: Sequence[str], behalf: Behalf | None = None, *, now: int
    ) -> dict[str, Any]:
        """Return the answer to a backend service, for itself or for one of its callers."""
        said = client if behalf is None else behalf
        claims = {
            "sub": client.id if behalf is None else behalf.subject,
            "client_id": client.id,
            # https://www.rfc-editor.org/rfc/rfc8693#section-4.1
            "act": None if behalf is None else {"sub": client.id},
            "scope": " ".join(scopes),
            "organisation": said.organisation,
            "role": said.role,
            "purpose": said.purpose,
            "programme": said.programme,
        }
        token = await self._access(claims, BACKEND_SECONDS, now=now)
        return _answer(token, BACKEND_SECONDS, scopes)

    def fhir_user(self, grant: Grant) -> str | None:
        """Return the URL of the user's own record, None where there is none."""
        own = grant.user.fhir_user
        return None if own is None else f"{self.site.fhir_base}/{own}"

    async def development(self, claims: Mapping[str, Any], *, seconds: int, now: int) -> str:
        """Return an access token with these claims: for development, without a client or a person."""
        return await self._access(claims, seconds, now=now)

    async def _access(self, claims: Mapping[str, Any], seconds: int, *, now: int) -> str:
        issued = now // _SECOND
        said = {
            "iss": self.site.issuer,
            "aud": self.site.audience,
            "iat": issued,
            "exp": issued + seconds,
            "jti": self.new_id(),
        }
        said |= {name: value for name, value in claims.items() if value is not None}
        return await self.keys.sign("access", said, kind="at+jwt", now=now)

    async def _identity(
        self, grant: Grant, scopes: Sequence[str], access_token: str, *, now: int
    ) -> str:
        """Return an ID token: https://openid.net/specs/openid-connect-core-1_0.html#IDToken."""
        issued = now // _SECOND
        signed_in = grant.authenticated
        claims = {
            "iss": self.site.issuer,
            "sub": grant.user.subject,
            "aud": grant.client_id,
            "iat": issued,
            "exp": issued + ACCESS_SECONDS,
            "auth_time": None if signed_in is None else signed_in // _SECOND,
            "nonce": grant.nonce,
            "at_hash": _half_hash(access_token),
            "fhirUser": self.fhir_user(grant) if "fhirUser" in scopes else None,
            "profile": self.fhir_user(grant) if "profile" in scopes else None,
            "name": grant.user.name if "profile" in scopes else None,
        }
        said = {name: value for name, value in claims.items() if value is not None}
        return await self.keys.sign("id", said, kind="JWT", now=now)


def _answer(token: str, seconds: int, scopes: Sequence[str]) -> dict[str, Any]:
    return {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": seconds,
        "scope": " ".join(scopes),
    }


def _context(grant: Grant) -> dict[str, Any]:
    """Return the launch context, as it stands beside the tokens."""
    context: dict[str, Any] = {"patient": grant.patient, "encounter": grant.encounter}
    launch = grant.launch
    # An app that was opened by itself shows whose record this is.
    context["need_patient_banner"] = None if grant.patient is None else True
    if launch is not None:
        if launch.need_patient_banner is not None:
            context["need_patient_banner"] = launch.need_patient_banner
        context |= {"smart_style_url": launch.smart_style_url, "intent": launch.intent}
    return {name: value for name, value in context.items() if value is not None}


def _half_hash(token: str) -> str:
    return urlsafe_b64encode(sha256(token.encode()).digest()[:16]).rstrip(b"=").decode()
