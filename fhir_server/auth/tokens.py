"""Whether a token is good here, and what it says: https://www.rfc-editor.org/rfc/rfc9068, RFC 8725.

All that is wrong with a token gives one answer, which tells nothing of what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import msgspec

from fhir_server.auth.compact import Opened, Unreadable, opened
from fhir_server.auth.issuer import Issuer
from fhir_server.fhir.errors import Unauthenticated
from fhir_server.fhir.resource import LOGICAL_ID
from fhir_server.policy.access import Access
from fhir_server.policy.scopes import parse_scopes

LEEWAY = 30
"""Seconds by which the clocks of issuer and server may differ."""

TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})

_SECOND = 1_000_000


Moment = Annotated[float, msgspec.Meta(ge=0, le=1 << 40)]
"""Seconds since 1970."""


class Claims(msgspec.Struct, frozen=True):
    """The claims that count; a claim of another type makes a token that is not good.

    `grant` is a name of our own: the sign-in that a token goes back to, with all others that do.
    """

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
    jti: str | None = None
    grant: str | None = None
    programme: str | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """Who asks, and the moment (us) from which on the token is not good any more.

    By any of the names in `withdrawn_by` its issuer may withdraw it early, if `issued` (s) is not later; `kid` names the
    key that signed it.
    """

    access: Access
    expires: int
    issued: float
    withdrawn_by: tuple[str, ...]
    kid: str


@dataclass(frozen=True, slots=True)
class Verifier:
    """Verifies tokens for one audience, the FHIR base; `issuers` are trusted, by what `iss` says."""

    issuers: Mapping[str, Issuer]
    audience: str

    async def verify(self, token: str, *, now: int) -> Verified:
        """Return what a good token says; raise Unauthenticated, or Unavailable without its keys."""
        try:
            found = opened(token, Claims, types=TYPES)
        except Unreadable as error:
            raise not_good() from error
        said = found.claims
        issuer = self.issuers.get(said.iss)
        if issuer is None:
            raise not_good()
        key = await issuer.key(found.kid, now=now)
        if key is None or not found.is_signed_by(key):
            raise not_good()
        self._check(said, now / _SECOND)
        return Verified(
            _access(said),
            int((said.exp + LEEWAY) * _SECOND),
            said.iat,
            withdrawal_names(found),
            found.kid,
        )

    def _check(self, said: Claims, now: float) -> None:
        audience = [said.aud] if isinstance(said.aud, str) else said.aud
        timely = said.nbf - LEEWAY <= now < said.exp + LEEWAY and said.iat - LEEWAY <= now
        if not (timely and said.sub and self.audience in audience):
            raise not_good()


def not_good() -> Unauthenticated:
    """Return the one answer for a token that is not good here."""
    return Unauthenticated("The token is not valid here; get a new one.", sent=True)


def withdrawal_names(token: Opened[Claims]) -> tuple[str, ...]:
    """Return the names by which its issuer may withdraw a token: its own, and those of its origin."""
    said = token.claims
    named = {
        "jti": said.jti,
        "subject": said.sub,
        "grant": said.grant,
        "client": said.client_id or said.azp,
    }
    return (*(f"{kind}:{name}" for kind, name in named.items() if name), key_name(token.kid))


def key_name(kid: str) -> str:
    """Return the name by which all tokens are withdrawn that a key signed."""
    return f"key:{kid}"


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
