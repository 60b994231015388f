"""An OpenID Connect provider that signs people in for us: the code flow, with PKCE, state and nonce.

https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth, RFC 7636, RFC 9207, RFC 9700
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec

from fhir_server.auth.addresses import is_safe
from fhir_server.auth.compact import Opened, Unreadable, opened
from fhir_server.auth.identity.claims import NotForUs, user_of
from fhir_server.auth.identity.exchange import Exchange, Refused
from fhir_server.auth.identity.registrations import Registration
from fhir_server.auth.remote import RemoteIssuer
from fhir_server.auth.server.users import User
from fhir_server.fhir.errors import Unavailable
from fhir_server.storage.keyvalues import KeyValues

KEPT = 600_000_000
"""Microseconds: how long somebody may take to sign in elsewhere."""
LEEWAY = 30
"""Seconds by which the clocks of provider and server may differ."""

_KIND = "sign-in-elsewhere"
_SECOND = 1_000_000
_ID_TOKEN = frozenset({"jwt"})


class Errand(NamedTuple):
    """What somebody signs in for: the `request` of an app, or the page that they wanted `to` see; nothing where none."""

    request: str = ""
    to: str = ""


class SignInFailed(Exception):
    """Nobody was signed in; the message is for the person, and tells nothing of tokens.

    `errand` is what `begin` was given, where that is known.
    """

    def __init__(self, message: str, *, errand: Errand = Errand()) -> None:  # noqa: B008 - a value
        super().__init__(message)
        self.errand = errand


class _Began(msgspec.Struct, frozen=True):
    """What is kept while somebody is elsewhere; `browser` is a mark of the browser that went."""

    provider: str
    nonce: str
    verifier: str
    browser: str
    request: str
    to: str = ""

    @property
    def errand(self) -> Errand:
        """What they signed in for."""
        return Errand(self.request, self.to)


class _IdToken(msgspec.Struct, frozen=True):
    """The claims that every ID token has, and those that decide: openid-connect-core-1_0, 2 and 3.1.3.7."""

    iss: str
    sub: str
    aud: str | list[str]
    exp: float
    iat: float
    nonce: str | None = None
    azp: str | None = None
    acr: str | None = None


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """One provider; `key` is its name in our addresses, `redirect_uri` where it sends people back to.

    `new_secret` gives text that nobody can guess.
    """

    key: str
    registration: Registration
    issuer: RemoteIssuer
    exchange: Exchange
    values: KeyValues
    redirect_uri: str
    new_secret: Callable[[], str]

    @property
    def title(self) -> str:
        """What people know it as."""
        return self.registration.title

    async def begin(self, errand: Errand, *, browser: str, now: int) -> str:
        """Return where to send the browser; raise Unavailable. The errand is handed back at the end."""
        address = await self._endpoint("authorization_endpoint", now)
        state, nonce, verifier = (self.new_secret() for _ in range(3))
        began = _Began(self.key, nonce, verifier, browser, *errand)
        await self.values.put(
            _KIND, _hash(state), msgspec.json.encode(began), now=now, expires=now + KEPT
        )
        asked = {
            **self.registration.parameters,
            "response_type": "code",
            "client_id": self.registration.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": self.registration.scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": _challenge(verifier),
            "code_challenge_method": "S256",
        }
        if self.registration.acr:
            asked["acr_values"] = " ".join(self.registration.acr)
        return f"{address}{'&' if '?' in address else '?'}{urlencode(asked)}"

    async def finish(
        self, answer: Mapping[str, str], *, browser: str, now: int
    ) -> tuple[User, Errand]:
        """Return who signed in, and the errand that `begin` was given; raise SignInFailed or Unavailable.

        `answer` is the query that the browser came back with: each state is good once, and in this browser alone.
        """
        began = await self._began(answer.get("state", ""), browser, now)
        try:
            return await self._user(answer, began, now), began.errand
        except SignInFailed as error:
            raise SignInFailed(str(error), errand=began.errand) from error

    async def _user(self, answer: Mapping[str, str], began: _Began, now: int) -> User:
        if answer.get("iss", self.registration.issuer) != self.registration.issuer:
            raise SignInFailed("The answer is from another identity provider.")
        if "code" not in answer:
            raise SignInFailed(f"{self.title} signed nobody in.")
        try:
            claims = await self._claims(answer["code"], began, now)
            return user_of(claims, self.registration.claims, provider=self.key)
        except Refused as error:
            raise SignInFailed(f"{self.title} took its answer back. Try again.") from error
        except NotForUs as error:
            raise SignInFailed(str(error)) from error

    async def _began(self, state: str, browser: str, now: int) -> _Began:
        kept = await self.values.take(_KIND, _hash(state), now=now)
        began = None if kept is None else msgspec.json.decode(kept, type=_Began)
        if began is None or began.provider != self.key or began.browser != browser:
            raise SignInFailed("This sign-in is over, or was begun in another browser. Try again.")
        return began

    async def _claims(self, code: str, began: _Began, now: int) -> Mapping[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": began.verifier,
        }
        given = await self.exchange.tokens(
            await self._endpoint("token_endpoint", now),
            form,
            client_id=self.registration.client_id,
            secret=self.registration.client_secret,
        )
        claims = await self._verified(given.get("id_token"), began.nonce, now)
        if not self.registration.userinfo:
            return claims
        url = await self._endpoint("userinfo_endpoint", now)
        more = await self.exchange.userinfo(url, str(given.get("access_token", "")))
        if more.get("sub") != claims["sub"]:
            raise SignInFailed(f"{self.title} told of somebody else.")
        return {**more, **claims}

    async def _verified(self, token: object, nonce: str, now: int) -> Mapping[str, Any]:
        """Return the claims of an ID token that is good for this sign-in; raise SignInFailed or Unavailable."""
        try:
            read = opened(str(token), _IdToken, types=_ID_TOKEN)
            key = await self.issuer.key(read.kid, now=now)
            if key is None or not read.is_signed_by(key) or not self._is_good(read, nonce, now):
                raise SignInFailed(f"What {self.title} says cannot be relied on.")
            return opened(str(token), dict[str, Any], types=_ID_TOKEN).claims
        except Unreadable as error:
            raise SignInFailed(f"What {self.title} says cannot be read.") from error

    def _is_good(self, token: Opened[_IdToken], nonce: str, now: int) -> bool:
        said, ours = token.claims, self.registration
        audience = [said.aud] if isinstance(said.aud, str) else said.aud
        for_us = ours.client_id in audience and said.azp in {None, ours.client_id}
        alone = len(audience) == 1 or said.azp is not None
        moment = now / _SECOND
        timely = said.iat - LEEWAY <= moment < said.exp + LEEWAY
        sure = not ours.acr or said.acr in ours.acr
        return (
            said.iss == ours.issuer and for_us and alone and timely and sure and said.nonce == nonce
        )

    async def _endpoint(self, name: str, now: int) -> str:
        url = (await self.issuer.metadata(now=now)).get(name)
        if not isinstance(url, str) or not is_safe(url):
            raise Unavailable(f"{self.title} publishes no {name.replace('_', ' ')}.")
        return url


def _challenge(verifier: str) -> str:
    """Return the S256 challenge: https://www.rfc-editor.org/rfc/rfc7636#section-4.2."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _hash(state: str) -> str:
    return sha256(state.encode()).hexdigest()
