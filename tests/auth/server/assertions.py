"""Assertions that a client did not make, or that are not good here: each is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.auth.server.material import TOKEN_URL, an_assertion, assertion_claims
from tests.support.tokens import (
    KID,
    NOW,
    b64,
    ec_key,
    published,
    rsa_key,
    signed,
    unsigned,
)

HEADER = {"alg": "RS384", "typ": "JWT", "kid": KID}


def but(**claims: Any) -> Callable[[], str]:
    return lambda: an_assertion(assertion_claims(**claims))


def headed(**header: Any) -> Callable[[], str]:
    return lambda: an_assertion(**header)


def with_part(number: int, text: str) -> str:
    parts = an_assertion().split(".")
    parts[number] = text
    return ".".join(parts)


def with_shared_secret(secret: bytes) -> Callable[[], str]:
    import hmac  # noqa: PLC0415 - for this forgery alone

    def forge() -> str:
        text = f"{b64(HEADER | {'alg': 'HS384'})}.{b64(assertion_claims())}"
        return f"{text}.{b64(hmac.digest(secret, text.encode(), 'sha384'))}"

    return forge


UNPROVEN: dict[str, Callable[[], str]] = {
    # No assertion at all.
    "a word": lambda: "assertion",
    "dots": lambda: "..",
    "two parts": lambda: an_assertion().rpartition(".")[0],
    "four parts": lambda: an_assertion() + ".x",
    "five parts, encrypted": lambda: "e30.e30.e30.e30.e30",
    "padding": lambda: an_assertion() + "==",
    "a blank at its end": lambda: an_assertion() + " ",
    "huge": but(more="x" * 9000),
    "payload no JSON": lambda: with_part(1, b64(b"{")),
    "payload a list": lambda: with_part(1, b64(b"[]")),
    "header no object": lambda: with_part(0, b64(["RS384"])),
    # The signature.
    "alg none, unsigned": lambda: unsigned(HEADER | {"alg": "none"}, assertion_claims()),
    "alg none with a signature": lambda: unsigned(
        HEADER | {"alg": "none"}, assertion_claims(), "AA"
    ),
    "alg NONE": lambda: unsigned(HEADER | {"alg": "NONE"}, assertion_claims(), "AA"),
    "HS384 with the public key as PEM": with_shared_secret(rsa_key().as_pem(private=False)),
    "HS384 with the public key as DER": with_shared_secret(rsa_key().as_der(private=False)),
    "HS384 with an empty secret": with_shared_secret(b""),
    "HS384 with the secret that is registered": with_shared_secret(b"secret"),
    "RS256": headed(alg="RS256"),
    "PS384": headed(alg="PS384"),
    "ES256": lambda: an_assertion(key=ec_key("P-256"), alg="ES256", kid="elliptic"),
    "RS512 by a key for RS384 alone": headed(alg="RS512", kid="RS384 alone"),
    "ES384 named, signed by RSA": headed(kid="elliptic"),
    "RS384 named, signed on a curve": lambda: an_assertion(key=ec_key(), alg="ES384"),
    "another key of the same kind": lambda: an_assertion(key=rsa_key("other")),
    "truncated": lambda: an_assertion()[:-8],
    "signature of zeros": lambda: with_part(2, b64(b"\0" * 256)),
    "signature of another assertion": lambda: with_part(
        2, an_assertion(assertion_claims(jti="2")).rpartition(".")[2]
    ),
    "payload exchanged": lambda: with_part(1, b64(assertion_claims(jti="2"))),
    "header with one thing more": lambda: with_part(0, b64(HEADER | {"x": 1})),
    # The header.
    "no alg": lambda: signed({"typ": "JWT", "kid": KID}, assertion_claims()),
    "alg a list": lambda: signed(HEADER | {"alg": ["RS384"]}, assertion_claims()),
    "crit": lambda: signed(HEADER | {"crit": ["exp"], "exp": 1}, assertion_claims()),
    "b64 false": lambda: signed(HEADER | {"b64": False}, assertion_claims()),
    "no typ": headed(typ=None),
    "typ of an access token": headed(typ="at+jwt"),
    "typ of a logout token": headed(typ="logout+jwt"),
    "no kid": headed(kid=None),
    "kid a number": lambda: signed(HEADER | {"kid": 1}, assertion_claims()),
    "unknown kid": headed(kid="none of its"),
    "kid with a path": headed(kid="../../dev/null"),
    "kid that two keys have": headed(kid="twice"),
    "kid of a key for encryption": headed(kid="for encryption"),
    "kid of a weak key": lambda: an_assertion(key=rsa_key("weak", 1024), kid="weak"),
    "kid of a shared secret": headed(kid="secret"),
    "its own key": lambda: an_assertion(key=rsa_key("other"), jwk=published(rsa_key("other"))),
    "its own key beside a good signature": lambda: an_assertion(jwk=published(rsa_key())),
    "an address of keys": headed(jku="https://evil.example/keys"),
    "a certificate": headed(x5c=["MIIB"]),
    "an address of a certificate": headed(x5u="https://evil.example/cert"),
    "a token in a token": headed(cty="JWT"),
    # Who it is.
    "no iss": but(iss=None),
    "no sub": but(sub=None),
    "iss and sub differ": but(sub="app"),
    "iss and sub of nobody": but(iss="nobody", sub="nobody"),
    "iss and sub of a public app": but(iss="app", sub="app"),
    "iss and sub of an app with a secret": but(iss="web", sub="web"),
    "iss a list": but(iss=["loader"]),
    "sub in capitals": but(iss="LOADER", sub="LOADER"),
    # Types of the other claims.
    "no aud": but(aud=None),
    "aud a number": but(aud=1),
    "no exp": but(exp=None),
    "exp as text": but(exp=str(NOW + 300)),
    "exp true": but(exp=True),
    "exp negative": but(exp=-1),
    "exp in a million years": but(exp=10**15),
    "no jti": but(jti=None),
    "jti a number": but(jti=1),
    "nbf as text": but(nbf="0"),
    "iat an object": but(iat={}),
}
"""Whoever made these is not known to be the client: one answer for all that have the form of an assertion."""

NOT_GOOD: dict[str, tuple[Callable[[], str], str]] = {
    "aud the issuer": (but(aud="https://node.example"), "aud"),
    "aud the FHIR base": (but(aud="https://node.example/fhir"), "aud"),
    "aud with a slash": (but(aud=TOKEN_URL + "/"), "aud"),
    "aud in capitals": (but(aud=TOKEN_URL.upper()), "aud"),
    "aud another server": (but(aud="https://evil.example/auth/token"), "aud"),
    "aud a list of two": (but(aud=[TOKEN_URL, "https://evil.example"]), "aud"),
    "aud an empty list": (but(aud=[]), "aud"),
    "expired": (but(exp=NOW - 30), "expired"),
    "expired a year ago": (but(exp=NOW - 31_536_000), "expired"),
    "exp in more than five minutes": (but(exp=NOW + 331), "five minutes"),
    "exp in a year": (but(exp=NOW + 31_536_000), "five minutes"),
    "not yet valid": (but(nbf=NOW + 31), "clock"),
    "issued in the future": (but(iat=NOW + 31), "clock"),
    "an empty jti": (but(jti=""), "jti"),
}
"""These are the client's own, and it is told what is wrong with them."""
