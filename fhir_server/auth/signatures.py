"""Keys and signatures, by joserfc: whoever needs them imports this in a function, as it takes a sixth of a node's start.

https://www.rfc-editor.org/rfc/rfc7515 and rfc7517.
"""

from __future__ import annotations

from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.util import urlsafe_b64decode

_BY_TYPE: dict[object, type[RSAKey | ECKey]] = {"RSA": RSAKey, "EC": ECKey}


def imported(jwk: dict[str, Any]) -> RSAKey | ECKey:
    """Return the key of a JWK; raise ValueError for one that is none."""
    try:
        return _BY_TYPE[jwk.get("kty")].import_key(jwk)
    except (JoseError, KeyError, TypeError) as error:
        raise ValueError(type(error).__name__) from error


def generated(algorithm: str, bits: int) -> RSAKey | ECKey:
    """Return a new private key for an algorithm; `bits` are of an RSA key's."""
    return ECKey.generate_key("P-384") if algorithm == "ES384" else RSAKey.generate_key(bits)


def signed(header: dict[str, Any], payload: bytes, key: Any) -> str:
    """Return a token in its compact form, signed by the algorithm of its header."""
    registry = jws.JWSRegistry(algorithms=[header["alg"]])
    return jws.serialize_compact(header, payload, key, registry=registry)


def is_signed(token: str, key: Any, algorithm: str) -> bool:
    """Tell whether the signature of a token is by this key and this algorithm, which is one that is taken."""
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    try:
        jws.deserialize_compact(token, key, [algorithm], registry)
    except (JoseError, ValueError, TypeError):
        return False
    return True


def decoded(part: str) -> bytes:
    """Return the bytes of a part of a token; raise ValueError for base64url that is not as it has to be."""
    return urlsafe_b64decode(part.encode())
