"""A verifier that trusts two issuers, whose keys are at hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from fhir_server.auth.issuer import Issuer
from fhir_server.auth.keys import PublicKey, usable_keys
from fhir_server.auth.tokens import Verifier
from tests.auth.forgeries import OTHER
from tests.support.tokens import AUDIENCE, ISSUER, ec_key, published, rsa_key


@dataclass
class Known:
    """An issuer whose keys need no asking."""

    keys: Mapping[str, PublicKey]

    async def key(self, kid: str, *, now: int) -> PublicKey | None:  # noqa: ARG002 - a Protocol
        """Return the key of this id."""
        return self.keys.get(kid)

    async def metadata(self, *, now: int) -> Mapping[str, Any]:  # noqa: ARG002 - a Protocol
        """Return nothing."""
        return {}


def issuers() -> Mapping[str, Issuer]:
    own = [
        published(rsa_key()),
        published(ec_key(), "elliptic"),
        published(rsa_key("only RS512"), "for RS512 alone", alg="RS512"),
        published(rsa_key(), "twice"),
        published(rsa_key("second"), "twice"),
        published(rsa_key(), "for encryption", use="enc"),
        published(rsa_key("weak", 1024), "weak"),
        {"kty": "oct", "kid": "secret", "k": "c2VjcmV0"},
    ]
    others = [published(rsa_key("of other"), "of-other")]
    return {
        ISSUER: Known(usable_keys({"keys": own})),
        OTHER: Known(usable_keys({"keys": others})),
    }


@pytest.fixture
def verifier() -> Verifier:
    """Return what verifies tokens for the audience of the tests."""
    return Verifier(issuers(), AUDIENCE)
