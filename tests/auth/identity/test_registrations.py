"""The file of identity providers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fhir_server.auth.identity.registrations import read_registrations


def a_registration(**changes: Any) -> dict[str, Any]:
    """Return a good one; what is None is left out."""
    said = {
        "title": "NHS CIS2",
        "issuer": "https://login.example.org",
        "client_id": "us",
        "claims": {"role": "{role}", "roles": {"R8000": {"role": "R8000", "purposes": ["TREAT"]}}},
    }
    return {name: value for name, value in (said | changes).items() if value is not None}


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ("", "truncated"),
        ("[]", "object"),
        (json.dumps({"cis2": a_registration(title=None)}), "title"),
        (json.dumps({"cis2": a_registration(surprise=1)}), "surprise"),
        (json.dumps({"cis2": a_registration(issuer="http://login.example.org")}), "cis2.issuer"),
        (json.dumps({"cis2": a_registration(scope="profile")}), "cis2.scope"),
        (json.dumps({"cis2": a_registration(claims={"role": "x", "roles": {}})}), "cis2.claims"),
        (json.dumps({"cis2": a_registration(parameters={"state": "x"})}), "state"),
        (json.dumps({"a/b": a_registration()}), "'a/b'"),
        (json.dumps({"": a_registration()}), "''"),
    ],
)
def test_what_is_wrong_with_it_is_said(document: str, told: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        read_registrations(document.encode())

    assert told in str(refused.value)


def test_providers_are_known_by_their_keys() -> None:
    found = read_registrations(json.dumps({"cis2": a_registration(acr=["AAL3"])}).encode())

    assert found["cis2"].acr == ("AAL3",)
    assert found["cis2"].claims.roles["R8000"].purposes == ("TREAT",)
