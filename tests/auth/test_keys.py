"""Which published keys verify anything."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.auth.keys import MOST_KEYS, fits, usable_keys
from tests.support.tokens import ec_key, published, rsa_key

GOOD = published(rsa_key(), "good")

UNUSABLE: dict[str, Any] = {
    "for encryption": published(rsa_key(), "k", use="enc"),
    "for signing only": published(rsa_key(), "k", key_ops=["sign"]),
    "operations no list": published(rsa_key(), "k", key_ops="verify"),
    "weak": published(rsa_key("weak", 1024), "k"),
    "on a weaker curve": published(ec_key("P-256"), "k"),
    "private": {**rsa_key().as_dict(private=True), "kid": "k"},
    "a shared secret": {"kty": "oct", "kid": "k", "k": "c2VjcmV0"},
    "of a kind that is not taken": {"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "k"},
    "without a kid": {name: value for name, value in GOOD.items() if name != "kid"},
    "with an empty kid": published(rsa_key(), ""),
    "with a number as kid": {**GOOD, "kid": 1},
    "without a modulus": {"kty": "RSA", "kid": "k", "e": "AQAB"},
    "with a modulus that is no number": {"kty": "RSA", "kid": "k", "e": "AQAB", "n": "\u20ac"},
    "with a modulus that is a list": {"kty": "RSA", "kid": "k", "e": "AQAB", "n": ["AA"]},
    "with a huge modulus": {"kty": "RSA", "kid": "k", "e": "AQAB", "n": "_" * 2000},
    "with an even exponent": {**GOOD, "kid": "k", "e": "AA"},
    "off its curve": {**published(ec_key(), "k"), "x": published(ec_key(), "k")["y"]},
    "no object": ["k"],
    "nothing": None,
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_key_that_should_not_verify_is_passed_over(name: str) -> None:
    assert set(usable_keys({"keys": [UNUSABLE[name], GOOD]})) == {"good"}


@pytest.mark.parametrize("document", [None, [], {}, {"keys": None}, {"keys": {}}, "keys"])
def test_what_is_no_set_of_keys_has_none(document: object) -> None:
    assert usable_keys(document) == {}


def test_a_kid_that_two_keys_have_names_neither() -> None:
    twice = [published(rsa_key(), "k"), published(rsa_key("second"), "k")]

    assert set(usable_keys({"keys": [*twice, GOOD]})) == {"good"}


def test_no_more_keys_are_read_than_an_issuer_needs() -> None:
    many = [published(rsa_key(), str(number)) for number in range(MOST_KEYS + 1)]

    assert len(usable_keys({"keys": many})) == MOST_KEYS


@pytest.mark.parametrize(
    ("key", "algorithm", "fitting"),
    [
        (GOOD, "RS384", True),
        (GOOD, "RS256", True),
        (GOOD, "ES384", False),
        (GOOD, "HS256", False),
        (GOOD, "none", False),
        (GOOD, "PS384", False),
        (published(rsa_key(), "good", alg="RS512"), "RS512", True),
        (published(rsa_key(), "good", alg="RS512"), "RS384", False),
        (published(rsa_key(), "good", alg="RSA-OAEP"), "RS384", False),
        (published(ec_key(), "good"), "ES384", True),
        (published(ec_key(), "good"), "RS384", False),
    ],
)
def test_a_key_fits_the_algorithms_of_its_kind(
    key: dict[str, Any], algorithm: str, *, fitting: bool
) -> None:
    assert fits(usable_keys({"keys": [key]})["good"], algorithm) is fitting
