"""Which client it is that asks, and whether it is itself.

A secret in the header Authorization (https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1), or an assertion that it
signed: https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html.
What is wrong is told to those alone who have shown who they are; to all others it is one answer.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from typing import Any
from urllib.parse import unquote_plus

import msgspec

from fhir_server.auth.compact import Opened, Unreadable, opened
from fhir_server.auth.keys import PublicKey
from fhir_server.auth.refreshed import Refreshed
from fhir_server.auth.remote import Fetch, json_object
from fhir_server.auth.server.clients import Client, Clients, assertion_keys, hashed
from fhir_server.auth.server.errors import InvalidClient, InvalidRequest, TooManyAttempts
from fhir_server.auth.server.limiter import Limiter
from fhir_server.auth.tokens import LEEWAY, Moment
from fhir_server.fhir.errors import Unavailable
from fhir_server.storage.keyvalues import KeyValues

ASSERTIONS = "assertion"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = ("RS384", "ES384", "RS512")
"""Those of SMART, and the one of the NHS's signed JWTs."""
LONGEST_LIFE = 300
"""Seconds from now until an assertion may expire."""

FAILURES = 20
FAILURES_OF_AN_ADDRESS = 200
"""Of an address more: many clients may stand behind one proxy."""
WITHIN = 60_000_000
_BY_CLIENT = Limiter("client", FAILURES, WITHIN)
_BY_ADDRESS = Limiter("address of clients", FAILURES_OF_AN_ADDRESS, WITHIN)

_TYPES = frozenset({"jwt", "client-authentication+jwt"})
_SECOND = 1_000_000
_MOST_KEY_SETS = 1_000
_NOBODYS = hashed("")


class Assertion(msgspec.Struct, frozen=True):
    """The claims of an assertion: https://www.rfc-editor.org/rfc/rfc7523#section-3."""

    iss: str
    sub: str
    aud: str | list[str]
    exp: Moment
    jti: str
    nbf: Moment = 0
    iat: Moment = 0
    extensions: Any = None


@dataclass(frozen=True, slots=True)
class Shown:
    """What a request brings: its form, each name once, the header Authorization, and the address it came from."""

    form: Mapping[str, str]
    authorization: str | None = None
    address: str = ""


@dataclass(frozen=True, slots=True)
class Authentication:
    """Knows clients; `audience` is the URL of the token endpoint, which assertions must name; time in microseconds."""

    clients: Clients
    values: KeyValues
    fetch: Fetch
    audience: str
    by_client: Limiter = _BY_CLIENT
    by_address: Limiter = _BY_ADDRESS
    _key_sets: dict[str, Refreshed[Mapping[str, PublicKey]]] = field(default_factory=dict)

    async def client(self, shown: Shown, *, now: int) -> Client:
        """Return who asks; raise InvalidClient, InvalidRequest, TooManyAttempts, or Unavailable without its keys."""
        name = _claimed(shown)
        # With its address: else anyone could lock a client out.
        tried = f"{name}\0{shown.address}"
        await self._check_attempts(tried, shown.address, now)
        try:
            client = await self._verified(name, shown, now)
        except InvalidClient:
            # Counted when it has failed: a secret of 256 bits is not guessed by those that are on their way.
            await self.by_client.take(self.values, tried, now=now)
            await self.by_address.take(self.values, shown.address, now=now)
            raise
        await self.by_client.forget(self.values, tried, now=now)
        return client

    async def _check_attempts(self, tried: str, address: str, now: int) -> None:
        seconds = max(
            await self.by_client.wait(self.values, tried, now=now),
            await self.by_address.wait(self.values, address, now=now),
        )
        if seconds:
            raise TooManyAttempts(f"Too many attempts; wait {seconds} s.", seconds=seconds)

    async def _verified(self, name: str, shown: Shown, now: int) -> Client:
        client = await self.clients.get(name, now=now)
        if "client_assertion" in shown.form:
            return await self._by_assertion(client, shown.form, now)
        if shown.authorization is not None:
            return _by_secret(client, _basic(shown.authorization)[1])
        if client is None or client.method != "none":
            raise not_known()
        return client

    async def _by_assertion(
        self, client: Client | None, form: Mapping[str, str], now: int
    ) -> Client:
        assertion = _opened(form["client_assertion"])
        if client is None or client.method != "private_key_jwt":
            raise not_known()
        key = await self._key(client, assertion.kid, now)
        if key is None or assertion.algorithm not in ALGORITHMS or not assertion.is_signed_by(key):
            raise not_known()
        self._check(assertion.claims, now / _SECOND)
        await self._check_first_use(assertion.claims, now)
        return client

    def _check(self, said: Assertion, now: float) -> None:
        """Raise InvalidClient for an assertion of the client that is not good here, or not now."""
        if said.aud not in (self.audience, [self.audience]):
            raise InvalidClient(f"aud of the assertion must be {self.audience}.")
        if not now < said.exp + LEEWAY:
            raise InvalidClient("The assertion has expired.")
        if said.exp > now + LONGEST_LIFE + LEEWAY:
            raise InvalidClient("exp of the assertion must be within five minutes.")
        if said.nbf - LEEWAY > now or said.iat - LEEWAY > now:
            raise InvalidClient("nbf or iat of the assertion is still to come: check the clock.")
        if not said.jti:
            raise InvalidClient("jti of the assertion must not be empty.")

    async def _check_first_use(self, said: Assertion, now: int) -> None:
        key = sha256(f"{said.iss}\0{said.jti}".encode()).hexdigest()
        expires = int((said.exp + LEEWAY) * _SECOND)
        if not await self.values.add(ASSERTIONS, key, b"", now=now, expires=expires):
            raise InvalidClient("The assertion was used before: each needs a jti of its own.")

    async def _key(self, client: Client, kid: str, now: int) -> PublicKey | None:
        if client.jwks is not None:
            return assertion_keys(client.jwks).get(kid)
        assert client.jwks_uri is not None
        published = self._key_sets.get(client.jwks_uri)
        if published is None:
            published = self._following(client.jwks_uri)
        try:
            return await published.look_up(lambda keys: keys, kid, now)
        except Unavailable as error:
            raise Unavailable(f"The keys at {client.jwks_uri} cannot be read now.") from error

    def _following(self, url: str) -> Refreshed[Mapping[str, PublicKey]]:
        async def read() -> Mapping[str, PublicKey]:
            return assertion_keys(json_object(await self.fetch(url)))

        if len(self._key_sets) >= _MOST_KEY_SETS:
            self._key_sets.clear()
        self._key_sets[url] = Refreshed(read)
        return self._key_sets[url]


def extensions_of(form: Mapping[str, str]) -> object:
    """Return what the assertion of an authenticated client says besides who it is, None where it says nothing."""
    return _opened(form["client_assertion"]).claims.extensions


def not_known() -> InvalidClient:
    """Return the one answer for a client that has not shown who it is."""
    return InvalidClient("The client is not registered here, or has not shown that it is itself.")


def _claimed(shown: Shown) -> str:
    """Return whom a request claims to be from, by one way alone; raise InvalidRequest or InvalidClient."""
    form, names = shown.form, set[str]()
    if "client_secret" in form:
        raise InvalidRequest(
            "A secret is sent in the header Authorization (Basic), not in the form."
        )
    if shown.authorization is not None and "client_assertion" in form:
        raise InvalidRequest("A client shows who it is in one way, not in two.")
    if shown.authorization is not None:
        names.add(_basic(shown.authorization)[0])
    elif "client_assertion" in form:
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise InvalidRequest(f"client_assertion_type must be {ASSERTION_TYPE}.")
        said = _opened(form["client_assertion"]).claims
        names |= {said.iss, said.sub}
    if "client_id" in form:
        names.add(form["client_id"])
    if not names:
        raise InvalidClient(
            "The client is not named: by client_id, by the header Authorization, or by a client_assertion."
        )
    if len(names) != 1:
        raise InvalidClient("client_id, iss and sub must name one and the same client.")
    return names.pop()


def _opened(assertion: str) -> Opened[Assertion]:
    try:
        return opened(assertion, Assertion, types=_TYPES)
    except Unreadable as error:
        raise InvalidClient(
            "The assertion cannot be read: a JWT with typ JWT, alg RS384, ES384 or RS512, a kid, and the claims iss, "
            "sub, aud, exp and jti."
        ) from error


def _basic(authorization: str) -> tuple[str, str]:
    """Return id and secret of a header."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        decoded = b64decode(encoded.strip(), validate=True).decode()
    except (NotBase64, ValueError):
        decoded = ""
    name, colon, secret = decoded.partition(":")
    if scheme.lower() != "basic" or not colon:
        raise not_known()
    return unquote_plus(name), unquote_plus(secret)


def _by_secret(client: Client | None, secret: str) -> Client:
    # Compared even where there is none, so that it takes the same time.
    kept = None if client is None else client.secret
    good = compare_digest(kept or _NOBODYS, hashed(secret))
    if client is None or kept is None or not good:
        raise not_known()
    return client
