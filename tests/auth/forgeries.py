"""Tokens that are not good here, by what is wrong with each."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable

from joserfc import jws

from tests.support.tokens import (
    AUDIENCE,
    ISSUER,
    KID,
    NOW,
    SIGNED_WITH,
    a_token,
    b64,
    claims,
    ec_key,
    published,
    rsa_key,
    signed,
    unsigned,
)

HEADER = {"alg": "RS384", "typ": "at+jwt", "kid": KID}
OTHER = "https://other.example.org"
"""Another issuer that is trusted, with a key of its own."""


def shared_secret(secret: bytes) -> str:
    """Return a token signed with what is public, as if it were a shared secret."""
    signing_input = f"{b64(HEADER | {'alg': 'HS256'})}.{b64(claims())}"
    signature = hmac.digest(secret, signing_input.encode(), "sha256")
    return f"{signing_input}.{b64(signature)}"


def as_json(*, flattened: bool) -> str:
    """Return a good token in the JSON serialisation."""
    head, payload, signature = a_token().split(".")
    if flattened:
        return json.dumps({"protected": head, "payload": payload, "signature": signature})
    signatures = [{"protected": head, "signature": signature}] * 2
    return json.dumps({"payload": payload, "signatures": signatures})


def with_part(number: int, text: str) -> str:
    parts = a_token().split(".")
    parts[number] = text
    return ".".join(parts)


def in_another_order() -> str:
    head, payload, signature = a_token().split(".")
    return f"{payload}.{head}.{signature}"


def signed_bytes(payload: bytes) -> str:
    registry = jws.JWSRegistry(algorithms=SIGNED_WITH)
    return jws.serialize_compact(dict(HEADER), payload, rsa_key(), registry=registry)


def nested(levels: int) -> bytes:
    return b'{"iss":' + b"[" * levels + b"]" * levels + b"}"


FORGED: dict[str, Callable[[], str]] = {
    # No token at all.
    "empty": str,
    "a word": lambda: "token",
    "a blank": lambda: " ",
    "dots": lambda: "..",
    "not ASCII": lambda: a_token().replace(".", "\u2024"),
    "two parts": lambda: a_token().rpartition(".")[0],
    "four parts": lambda: a_token() + ".x",
    "JWE, five parts": lambda: "e30.e30.e30.e30.e30",
    "two tokens": lambda: a_token() + "," + a_token(),
    "a blank at its end": lambda: a_token() + " ",
    "a line end": lambda: a_token() + "\n",
    "padding": lambda: a_token() + "==",
    "flattened JSON serialisation": lambda: as_json(flattened=True),
    "JSON serialisation with two signatures": lambda: as_json(flattened=False),
    "huge": lambda: a_token(claims(scope="user/*.rs " * 2000)),
    "very long and nothing else": lambda: "a." * 100_000,
    # The signature.
    "alg none without signature": lambda: unsigned(HEADER | {"alg": "none"}, claims()),
    "alg none with one": lambda: unsigned(HEADER | {"alg": "none"}, claims(), "AA"),
    "alg NoNe": lambda: unsigned(HEADER | {"alg": "NoNe"}, claims(), "AA"),
    "no alg": lambda: signed({"typ": "JWT", "kid": KID}, claims()),
    "alg a number": lambda: signed(HEADER | {"alg": 1}, claims()),
    "alg a list": lambda: signed(HEADER | {"alg": ["RS384"]}, claims()),
    "HS256 with the public key as PEM": lambda: shared_secret(rsa_key().as_pem(private=False)),
    "HS256 with the public key as DER": lambda: shared_secret(rsa_key().as_der(private=False)),
    "HS256 with the modulus": lambda: shared_secret(str(published(rsa_key())).encode()),
    "HS256 with an empty looking secret": lambda: shared_secret(b"\0" * 32),
    "PS384": lambda: a_token(alg="PS384"),
    "ES256": lambda: a_token(key=ec_key("P-256"), alg="ES256"),
    "another key of the same kind": lambda: a_token(key=rsa_key("second")),
    "the algorithm of another kind of key": lambda: a_token(key=ec_key(), alg="ES384"),
    "an algorithm that the key is not for": lambda: a_token(alg="RS256", kid="for RS512 alone"),
    "truncated": lambda: a_token()[:-8],
    "signature of zeros": lambda: with_part(2, b64(b"\0" * 256)),
    "signature of another token": lambda: with_part(
        2, a_token(claims(sub="other")).rpartition(".")[2]
    ),
    "payload exchanged": lambda: with_part(1, b64(claims(scope="system/*.cruds"))),
    "payload and header exchanged": in_another_order,
    "header with one thing more": lambda: with_part(0, b64(HEADER | {"x": 1})),
    "signature in plain base64": lambda: with_part(2, "+/" * 170),
    # The header.
    "header no object": lambda: with_part(0, b64(["RS384"])),
    "header no JSON": lambda: with_part(0, b64(b"{")),
    "header no UTF-8": lambda: with_part(0, b64(b'{"alg":"\xff"}')),
    "crit of something unknown": lambda: signed(HEADER | {"crit": ["exp"], "exp": 1}, claims()),
    "crit, signed": lambda: signed(HEADER | {"crit": ["b64"], "b64": True}, claims()),
    "b64 false": lambda: signed(HEADER | {"b64": False}, claims()),
    "typ of an ID token of logout": lambda: a_token(typ="logout+jwt"),
    "typ of a client assertion": lambda: a_token(typ="client-authentication+jwt"),
    "no typ": lambda: a_token(typ=None),
    "typ a number": lambda: signed(HEADER | {"typ": 1}, claims()),
    "cty of a token in a token": lambda: a_token(cty="JWT"),
    "no kid": lambda: a_token(kid=None),
    "an empty kid": lambda: a_token(kid=""),
    "kid a number": lambda: signed(HEADER | {"kid": 1}, claims()),
    "unknown kid": lambda: a_token(kid="signing-0"),
    "kid with a path": lambda: a_token(kid="../../../../dev/null"),
    "kid with SQL": lambda: a_token(kid="' OR 1=1 --"),
    "kid of another issuer": lambda: a_token(key=rsa_key("of other"), kid="of-other"),
    "kid that two keys have": lambda: a_token(kid="twice"),
    "kid of a key for encryption": lambda: a_token(kid="for encryption"),
    "kid of a weak key": lambda: a_token(key=rsa_key("weak", 1024), kid="weak"),
    "kid of a shared secret that is published": lambda: a_token(kid="secret"),
    "a key of its own": lambda: a_token(
        key=rsa_key("second"), jwk=published(rsa_key("second"), KID)
    ),
    "its own key beside a good signature": lambda: a_token(jwk=published(rsa_key())),
    "an address of keys": lambda: a_token(
        key=rsa_key("second"), jku="https://evil.example/keys.json"
    ),
    "an address of a certificate": lambda: a_token(x5u="https://evil.example/cert.pem"),
    "a certificate": lambda: a_token(x5c=["MIIB"]),
    # Who gave it, to whom, for what.
    "no iss": lambda: a_token(claims(iss=None)),
    "unknown iss": lambda: a_token(claims(iss="https://evil.example")),
    "iss with a slash more": lambda: a_token(claims(iss=ISSUER + "/")),
    "iss in capitals": lambda: a_token(claims(iss=ISSUER.upper())),
    "iss of another issuer": lambda: a_token(claims(iss=OTHER)),
    "iss a list": lambda: a_token(claims(iss=[ISSUER])),
    "no aud": lambda: a_token(claims(aud=None)),
    "another aud": lambda: a_token(claims(aud="https://node.example.org")),
    "aud with more behind": lambda: a_token(claims(aud=AUDIENCE + ".evil.example")),
    "aud below": lambda: a_token(claims(aud=AUDIENCE + "/Patient")),
    "aud of the app": lambda: a_token(claims(aud="an-app")),
    "aud an empty list": lambda: a_token(claims(aud=[])),
    "aud a list of others": lambda: a_token(claims(aud=["an-app", ISSUER])),
    "aud a list with a number": lambda: a_token(claims(aud=[AUDIENCE, 1])),
    "aud an object": lambda: a_token(claims(aud={AUDIENCE: True})),
    "no sub": lambda: a_token(claims(sub=None)),
    "empty sub": lambda: a_token(claims(sub="")),
    "sub a number": lambda: a_token(claims(sub=7)),
    "scope a list": lambda: a_token(claims(scope=["user/*.rs"])),
    "scope an object": lambda: a_token(claims(scope={"user/*.rs": True})),
    "patient a number": lambda: a_token(claims(patient=1)),
    "patient no id": lambda: a_token(claims(patient="ada or true")),
    "patient empty": lambda: a_token(claims(patient="")),
    "patient of another type": lambda: a_token(claims(patient="Practitioner/ada")),
    "patient at another server": lambda: a_token(claims(patient="https://x.example/Patient/ada")),
    "patient a list": lambda: a_token(claims(patient=["ada", "bob"])),
    "role a list": lambda: a_token(claims(role=["R8000"])),
    # When.
    "expired": lambda: a_token(claims(exp=NOW - 31)),
    "expired on the second": lambda: a_token(claims(exp=NOW - 30)),
    "no exp": lambda: a_token(claims(exp=None)),
    "exp as text": lambda: a_token(claims(exp=str(NOW + 300))),
    "exp true": lambda: a_token(claims(exp=True)),
    "exp negative": lambda: a_token(claims(exp=-1)),
    "exp without end": lambda: signed_bytes(
        json.dumps(claims()).replace(str(NOW + 300), "1e999").encode()
    ),
    "exp in a million years": lambda: a_token(claims(exp=10**18)),
    "exp an object": lambda: a_token(claims(exp={})),
    "not yet valid": lambda: a_token(claims(nbf=NOW + 31)),
    "nbf as text": lambda: a_token(claims(nbf="0")),
    "issued in the future": lambda: a_token(claims(iat=NOW + 31)),
    "iat as text": lambda: a_token(claims(iat=str(NOW))),
    # The payload.
    "payload no object": lambda: signed_bytes(b"[]"),
    "payload no JSON": lambda: signed_bytes(b"{"),
    "payload no UTF-8": lambda: signed_bytes(b'{"iss":"\xff"}'),
    "payload very deep": lambda: signed_bytes(nested(2000)),
    "payload NaN": lambda: signed_bytes(b'{"exp":NaN}'),
}
