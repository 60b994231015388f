"""A signed token in its compact form, opened with care: https://www.rfc-editor.org/rfc/rfc7515, RFC 8725."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from fhir_server.auth.keys import PublicKey, fits

LONGEST = 8192

_COMPACT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_REFUSED = frozenset({"crit", "b64", "cty", "enc", "zip", "jku", "jwk", "x5u", "x5c"})
"""Headers that change what a token is, or bring a key along."""

_T = TypeVar("_T")


class Unreadable(ValueError):
    """This is no token of the kind that is looked for; nothing more is told."""


@dataclass(frozen=True, slots=True)
class Opened(Generic[_T]):
    """What a token says of itself, to be believed once its signature is verified."""

    token: str
    algorithm: str
    kid: str
    claims: _T

    def is_signed_by(self, key: PublicKey) -> bool:
        """Tell whether its signature is by this key, which is of its algorithm."""
        if not fits(key, self.algorithm):
            return False
        from fhir_server.auth import signatures  # noqa: PLC0415 - as it says there

        return signatures.is_signed(self.token, key, self.algorithm)


def opened(token: str, claims: type[_T], *, types: frozenset[str]) -> Opened[_T]:
    """Return what a token says, its `typ` one of `types` (in small letters); raise Unreadable."""
    if len(token) > LONGEST or not _COMPACT.fullmatch(token):
        raise Unreadable
    header = _part(token, 0, dict[str, Any])
    algorithm, kid, kind = (header.get(each) for each in ("alg", "kid", "typ"))
    if not (isinstance(algorithm, str) and isinstance(kid, str) and isinstance(kind, str)):
        raise Unreadable
    if not _REFUSED.isdisjoint(header) or kind.lower() not in types:
        raise Unreadable
    return Opened(token, algorithm, kid, _part(token, 1, claims))


def _part(token: str, number: int, kind: type[_T]) -> _T:
    from fhir_server.auth import signatures  # noqa: PLC0415 - as it says there

    try:
        return msgspec.json.decode(signatures.decoded(token.split(".")[number]), type=kind)
    except (ValueError, RecursionError) as error:
        raise Unreadable from error
