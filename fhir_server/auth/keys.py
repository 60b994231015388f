"""The public keys of an issuer, by their ids: those alone that may verify a signature here.

https://www.rfc-editor.org/rfc/rfc7517
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from binascii import Error as NotBase64
from collections import Counter
from collections.abc import Mapping
from typing import Any, Protocol


class PublicKey(Protocol):
    """A key of joserfc's, as far as it is asked here."""

    @property
    def key_type(self) -> str:
        """RSA or EC."""
        ...

    @property
    def alg(self) -> str | None:
        """The one algorithm that it is for, where it names one."""
        ...


ALGORITHMS = {"RS256": "RSA", "RS384": "RSA", "RS512": "RSA", "ES384": "EC"}
"""The algorithms that are taken, with the type of their keys: never one with a shared secret, never `none`."""

MOST_KEYS = 100

_CURVE = "P-384"
_BITS = range(2048, 8193)
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "k"})


def usable_keys(document: object) -> Mapping[str, PublicKey]:
    """Return the keys of a JWK set by `kid`; of a kid that several keys have, none."""
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        return {}
    named = [each for each in listed[:MOST_KEYS] if isinstance(each, dict) and _is_named(each)]
    times = Counter(each["kid"] for each in named)
    found = {each["kid"]: _imported(each) for each in named if times[each["kid"]] == 1}
    return {kid: key for kid, key in found.items() if key is not None}


def fits(key: PublicKey, algorithm: str) -> bool:
    """Tell whether a key verifies signatures of this algorithm."""
    return ALGORITHMS.get(algorithm) == key.key_type and key.alg in {None, algorithm}


def _is_named(jwk: Mapping[str, Any]) -> bool:
    return isinstance(jwk.get("kid"), str) and jwk["kid"] != ""


def _imported(jwk: dict[str, Any]) -> PublicKey | None:
    """Return a key, None for one that is weak, for another use, or private and so no secret any more."""
    if not (_PRIVATE.isdisjoint(jwk) and jwk.get("use", "sig") == "sig" and _verifies(jwk)):
        return None
    strong = jwk.get("kty") == "RSA" and _bits(jwk.get("n")) in _BITS
    if not strong and not (jwk.get("kty") == "EC" and jwk.get("crv") == _CURVE):
        return None
    from fhir_server.auth import signatures  # noqa: PLC0415 - as it says there

    try:
        return signatures.imported(jwk)
    except ValueError:
        return None


def _verifies(jwk: Mapping[str, Any]) -> bool:
    operations = jwk.get("key_ops", ["verify"])
    return isinstance(operations, list) and "verify" in operations


def _bits(number: object) -> int:
    try:
        return int.from_bytes(urlsafe_b64decode(f"{number}===")).bit_length()
    except (NotBase64, ValueError):
        return 0
