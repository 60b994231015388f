"""Whether a token is good here, and what it says: https://www.rfc-editor.org/rfc/rfc9068, RFC 8725.

All that is wrong with a token gives one answer, which tells nothing of what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.util import urlsafe_b64decode

from fhir_server.auth.issuer import Issuer
from fhir_server.auth.keys import ALGORITHMS, fits
from fhir_server.fhir.errors import Unauthenticated
from fhir_server.fhir.resource import LOGICAL_ID
from fhir_server.policy.access import Access
from fhir_server.policy.scopes import parse_scopes

LONGEST = 8192
LEEWAY = 30
"""Seconds by which the clocks of issuer and server may differ."""

_COMPACT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_REFUSED = frozenset({"crit", "b64", "cty", "enc", "zip", "jku", "jwk", "x5u", "x5c"})
"""Headers that change what a token is, or bring a key along."""

_REGISTRY = jws.JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)
_SECOND = 1_000_000
_T = TypeVar("_T")


Moment = Annotated[float, msgspec.Meta(ge=0, le=1 << 40)]
"""Seconds since 1970."""


class Claims(msgspec.Struct, frozen=True):
    """The claims that count; a claim of another type makes a token that is not good."""

    iss: str
    sub: str
    aud: str | list[str]
    exp: Moment
    nbf: Moment = 0
    iat: Moment = 0
    scope: str = ""
    client_id: str | None = None
    azp: str | None = None
    patient: str | None = None
    organisation: str | None = None
    role: str | None = None
    purpose: str | None = None
    programme: str | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """Who asks, and the moment (us) from which on the token is not good any more."""

    access: Access
    expires: int


@dataclass(frozen=True, slots=True)
class Verifier:
    """Verifies tokens for one audience, the FHIR base; `issuers` are trusted, by what `iss` says."""

    issuers: Mapping[str, Issuer]
    audience: str

    async def verify(self, token: str, *, now: int) -> Verified:
        """Return what a good token says; raise Unauthenticated, or Unavailable without its keys."""
        if len(token) > LONGEST or not _COMPACT.fullmatch(token):
            raise not_good()
        algorithm, kid = _header(token)
        said = _claims(token)
        issuer = self.issuers.get(said.iss)
        if issuer is None:
            raise not_good()
        key = await issuer.key(kid, now=now)
        if key is None or not fits(key, algorithm):
            raise not_good()
        try:
            jws.deserialize_compact(token, key, [algorithm], _REGISTRY)
        except (JoseError, ValueError, TypeError) as error:
            raise not_good() from error
        self._check(said, now / _SECOND)
        return Verified(_access(said), int((said.exp + LEEWAY) * _SECOND))

    def _check(self, said: Claims, now: float) -> None:
        audience = [said.aud] if isinstance(said.aud, str) else said.aud
        timely = said.nbf - LEEWAY <= now < said.exp + LEEWAY and said.iat - LEEWAY <= now
        if not (timely and said.sub and self.audience in audience):
            raise not_good()


def not_good() -> Unauthenticated:
    """Return the one answer for a token that is not good here."""
    return Unauthenticated("The token is not valid here; get a new one.", sent=True)


def _header(token: str) -> tuple[str, str]:
    """Return the algorithm and the id of the key."""
    header = _part(token, 0, dict[str, Any])
    algorithm, kid, kind = (header.get(each) for each in ("alg", "kid", "typ"))
    if not (isinstance(algorithm, str) and isinstance(kid, str) and isinstance(kind, str)):
        raise not_good()
    if not _REFUSED.isdisjoint(header) or kind.lower() not in _TYPES:
        raise not_good()
    return algorithm, kid


def _claims(token: str) -> Claims:
    """Return what a token claims, which is to be believed once its signature is verified."""
    return _part(token, 1, Claims)


def _part(token: str, number: int, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(urlsafe_b64decode(token.split(".")[number].encode()), type=kind)
    except (ValueError, RecursionError) as error:
        raise not_good() from error


def _access(said: Claims) -> Access:
    patient = None if said.patient is None else said.patient.removeprefix("Patient/")
    if patient is not None and LOGICAL_ID.match(patient) is None:
        raise not_good()
    return Access(
        issuer=said.iss,
        subject=said.sub,
        scopes=parse_scopes(said.scope),
        client=said.client_id or said.azp,
        patient=patient,
        organisation=said.organisation,
        role=said.role,
        purpose=said.purpose,
        programme=said.programme,
    )
