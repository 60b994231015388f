"""Tokens, good and forged, and the keys that sign them; none of this is a secret of anybody."""

from __future__ import annotations

import json
import warnings
from base64 import urlsafe_b64encode
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA384
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

ISSUER = "https://login.example.org"
AUDIENCE = "https://node.example.org/fhir"
KID = "signing-1"
NOW = 1_800_000_000
"""Seconds since 1970: what the clock says in tests that are given one."""

SIGNED_WITH = ["RS256", "RS384", "RS512", "ES384", "ES256", "PS384"]


@cache
def rsa_key(name: str = "first", bits: int = 2048) -> RSAKey:
    """Return the RSA key of this name."""
    with warnings.catch_warnings():
        # Of the weak one, which is to be refused.
        warnings.simplefilter("ignore")
        return RSAKey.generate_key(bits)


@cache
def ec_key(curve: str = "P-384") -> ECKey:
    """Return the key on this curve."""
    return ECKey.generate_key(curve)


def published(key: RSAKey | ECKey, kid: str = KID, **more: Any) -> dict[str, Any]:
    """Return the public half as an issuer publishes it."""
    return {**key.as_dict(private=False), "kid": kid, "use": "sig", **more}


def claims(**changes: Any) -> dict[str, Any]:
    """Return the claims of a good token; a claim that is None is left out."""
    said = {
        "iss": ISSUER,
        "sub": "someone",
        "aud": AUDIENCE,
        "exp": NOW + 300,
        "iat": NOW,
        "client_id": "an-app",
        "scope": "user/*.rs",
    }
    return {name: value for name, value in (said | changes).items() if value is not None}


def a_token(
    said: dict[str, Any] | None = None,
    *,
    key: RSAKey | ECKey | None = None,
    **header: Any,
) -> str:
    """Return a signed token; a header that is None is left out."""
    protected = {"alg": "RS384", "typ": "at+jwt", "kid": KID} | header
    protected = {name: value for name, value in protected.items() if value is not None}
    payload = json.dumps(claims() if said is None else said)
    registry = jws.JWSRegistry(algorithms=SIGNED_WITH, strict_check_header=False)
    return jws.serialize_compact(protected, payload, key or rsa_key(), registry=registry)


def b64(value: Any) -> str:
    """Return JSON, or bytes, as base64url without padding."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(header: Any, payload: Any) -> str:
    """Return a token with any header at all, and a signature by the first key that is right."""
    signing_input = f"{b64(header)}.{b64(payload)}"
    private = rsa_key().private_key
    assert private is not None
    signature = private.sign(signing_input.encode(), PKCS1v15(), SHA384())
    return f"{signing_input}.{b64(signature)}"


def unsigned(header: Any, payload: Any, signature: str = "") -> str:
    """Return three parts that nobody checked."""
    return f"{b64(header)}.{b64(payload)}.{signature}"
