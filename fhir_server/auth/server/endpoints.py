"""Token, introspection and revocation: what machines ask an authorization server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fhir_server.auth.behalf import BadContext, Behalf, behalf_in
from fhir_server.auth.compact import Opened, Unreadable, opened
from fhir_server.auth.server.authentication import Authentication, Shown, extensions_of
from fhir_server.auth.server.clients import Client
from fhir_server.auth.server.errors import (
    InvalidClient,
    InvalidGrant,
    InvalidRequest,
    InvalidScope,
    UnauthorizedClient,
    UnsupportedGrantType,
)
from fhir_server.auth.server.grants import Grant, Grants
from fhir_server.auth.server.issuing import Issuing
from fhir_server.auth.server.revocations import Revocations
from fhir_server.auth.server.scopes import given, words
from fhir_server.auth.tokens import LEEWAY, TYPES, Claims, Verifier, withdrawal_names
from fhir_server.fhir.errors import Forbidden, Unauthenticated
from fhir_server.policy.access import Access
from fhir_server.policy.scopes import PERSON_INDEX, parse_scopes

_SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Answers requests of clients as JSON; each raises OAuthError. Time is in microseconds.

    `admit` raises Forbidden for whom the node would not let in by role and purpose.
    """

    authentication: Authentication
    grants: Grants
    issuing: Issuing
    revocations: Revocations
    verifier: Verifier
    admit: Callable[[Access], object]

    async def token(self, shown: Shown, *, now: int) -> Mapping[str, Any]:
        """Return tokens: https://www.rfc-editor.org/rfc/rfc6749#section-5.1."""
        shown = await self._with_client(shown, now)
        client = await self.authentication.client(shown, now=now)
        match shown.form.get("grant_type"):
            case "authorization_code":
                return await self._for_code(client, shown.form, now)
            case "refresh_token":
                return await self._for_refresh_token(client, shown.form, now)
            case "client_credentials":
                return await self._for_client(client, shown.form, now)
            case None:
                raise InvalidRequest("grant_type is missing.")
            case _:
                raise UnsupportedGrantType(
                    "grant_type is authorization_code, refresh_token or client_credentials."
                )

    async def introspect(self, shown: Shown, *, now: int) -> Mapping[str, Any]:
        """Return what a token is good for: https://www.rfc-editor.org/rfc/rfc7662.

        A token that is not the client's own is as one that is not good, unless the client is a resource server.
        """
        client = await self.authentication.client(shown, now=now)
        if client.method == "none":
            raise InvalidClient("A public client cannot ask about tokens.")
        token = _needed(shown.form, "token")
        found = await self._known(token, now)
        if found is None or not (client.introspects or found["client_id"] == client.id):
            return {"active": False}
        return found

    async def revoke(self, shown: Shown, *, now: int) -> None:
        """Withdraw a token: https://www.rfc-editor.org/rfc/rfc7009. One that is not the client's stays as it is.

        A refresh token takes all with it that goes back to the same sign-in.
        """
        client = await self.authentication.client(shown, now=now)
        token = _needed(shown.form, "token")
        grant = await self.grants.of_refresh_token(token, now=now)
        if grant is not None and grant.client_id == client.id:
            await self.grants.withdraw(grant.id, now=now)
            return
        access = await self._verified(token, now)
        if access is not None and access.claims.client_id == client.id:
            expires = int((access.claims.exp + LEEWAY) * _SECOND)
            await self.revocations.withdraw(f"jti:{access.claims.jti}", now=now, expires=expires)

    async def _with_client(self, shown: Shown, now: int) -> Shown:
        """Return a request that names its client: a public one may send a refresh token and nothing else.

        https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#refresh-access-token
        """
        form = shown.form
        named = shown.authorization is not None or {"client_id", "client_assertion"} & form.keys()
        if named or form.get("grant_type") != "refresh_token":
            return shown
        owner = await self.grants.owner_of(_needed(form, "refresh_token"), now=now)
        return replace(shown, form={**form, "client_id": owner})

    async def _for_code(
        self, client: Client, form: Mapping[str, str], now: int
    ) -> Mapping[str, Any]:
        grant = await self.grants.redeem(
            _needed(form, "code"),
            client_id=client.id,
            redirect_uri=_needed(form, "redirect_uri"),
            verifier=_needed(form, "code_verifier"),
            now=now,
        )
        refresh = None
        if grant.is_renewable:
            refresh = await self.grants.first_refresh_token(grant, now=now)
        # Once the refresh token is kept: who removes a user withdraws first, and then ends what is kept.
        await self.grants.check_stands(grant, now=now)
        return await self._answer(grant, grant.scopes, refresh, now)

    async def _for_refresh_token(
        self, client: Client, form: Mapping[str, str], now: int
    ) -> Mapping[str, Any]:
        token = _needed(form, "refresh_token")
        asked = form.get("scope")
        known = await self.grants.of_refresh_token(token, now=now)
        # Before it is used up: who asks for too much has not lost the token.
        scopes: tuple[str, ...] = ()
        if known is not None and known.client_id == client.id:
            scopes = _narrowed(client, known, asked)
        grant, following = await self.grants.renew(token, client_id=client.id, now=now)
        return await self._answer(grant, scopes, following, now)

    async def _for_client(
        self, client: Client, form: Mapping[str, str], now: int
    ) -> Mapping[str, Any]:
        """Answer a backend service: https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html."""
        if not client.is_backend:
            raise UnauthorizedClient("The client is not registered as a backend service.")
        asked = words(_needed(form, "scope"))
        scopes = given(asked or (), client.scopes, ("system",))
        if not scopes:
            raise InvalidScope(f"The client is registered for: {' '.join(client.scopes)}.")
        if not client.on_behalf or scopes == (PERSON_INDEX,):
            return await self.issuing.for_client(client, scopes, now=now)
        scopes = tuple(each for each in scopes if each != PERSON_INDEX)
        behalf = self._behalf(client, form, scopes)
        return await self.issuing.for_client(client, scopes, behalf, now=now)

    def _behalf(self, client: Client, form: Mapping[str, str], scopes: tuple[str, ...]) -> Behalf:
        """Return in whose name a client asks; raise InvalidGrant for one that it may not use, or who may do nothing here."""
        try:
            behalf = behalf_in(extensions_of(form))
        except BadContext as error:
            raise InvalidGrant(f"The client asks in the name of others alone. {error}.") from error
        _check_registered(client, behalf)
        try:
            self.admit(
                Access(
                    self.issuing.site.issuer,
                    behalf.subject,
                    parse_scopes(" ".join(scopes)),
                    client=client.id,
                    organisation=behalf.organisation,
                    role=behalf.role,
                    purpose=behalf.purpose,
                    programme=behalf.programme,
                )
            )
        except Forbidden as error:
            raise InvalidGrant(f"{error}.") from error
        return behalf

    async def _answer(
        self, grant: Grant, scopes: tuple[str, ...], refresh: str | None, now: int
    ) -> Mapping[str, Any]:
        answer = await self.issuing.for_user(grant, scopes, now=now)
        return answer if refresh is None else {**answer, "refresh_token": refresh}

    async def _known(self, token: str, now: int) -> dict[str, Any] | None:
        """Return what is told of a good token, None for any other."""
        access = await self._verified(token, now)
        if access is not None:
            said = opened(token, dict[str, Any], types=TYPES).claims
            hidden = {"grant"}
            told = {name: value for name, value in said.items() if name not in hidden}
            return {"active": True, "token_type": "Bearer", **told}
        grant = await self.grants.of_refresh_token(token, now=now)
        return None if grant is None else self._told_of(grant, now)

    def _told_of(self, grant: Grant, now: int) -> dict[str, Any]:
        told = {
            "active": True,
            "scope": " ".join(grant.scopes),
            "client_id": grant.client_id,
            "sub": grant.user.subject,
            "iss": self.issuing.site.issuer,
            "exp": grant.renewable_until(now) // _SECOND,
            "patient": grant.patient,
            "fhirUser": self.issuing.fhir_user(grant),
        }
        return {name: value for name, value in told.items() if value is not None}

    async def _verified(self, token: str, now: int) -> Opened[Claims] | None:
        """Return an access token of this server that is good now."""
        try:
            found = opened(token, Claims, types=TYPES)
            await self.verifier.verify(token, now=now)
        except (Unreadable, Unauthenticated):
            return None
        await self.revocations.refresh(now)
        withdrawn = self.revocations.cover(withdrawal_names(found), found.claims.iat)
        return None if withdrawn else found


def _check_registered(client: Client, behalf: Behalf) -> None:
    """Raise InvalidGrant where the registration of a client does not let it ask in this name."""
    if behalf.purpose not in client.on_behalf:
        allowed = ", ".join(client.on_behalf)
        raise InvalidGrant(f"The client asks for other purposes of use than {allowed}.")
    for name in ("organisation", "role", "programme"):
        bound = getattr(client, name)
        if bound is not None and getattr(behalf, name) != bound:
            raise InvalidGrant(f"The client is registered for callers with the {name} {bound}.")


def _needed(form: Mapping[str, str], name: str) -> str:
    value = form.get(name)
    if not value:
        raise InvalidRequest(f"{name} is missing.")
    return value


def _narrowed(client: Client, grant: Grant, asked: str | None) -> tuple[str, ...]:
    """Return the scopes of the next access token: those of the grant, or the part of them that is asked for.

    What the client is not registered for any more is left out.
    """
    contexts = ("patient", "user")
    kept = given(grant.scopes, client.scopes, contexts)
    if asked is None:
        return kept
    wanted = words(asked)
    found = given(wanted or (), kept, contexts)
    if not wanted or found != wanted:
        raise InvalidScope(f"No more can be asked for than was permitted: {' '.join(kept)}.")
    return found
