"""What one server writes of its caller, the other reads."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from fhir_server.auth.behalf import B2B, Behalf, behalf_in, extensions_of

PRINTABLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=100)
CODES = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._:-]{0,63}\Z")
BEHALVES = st.builds(
    Behalf,
    st.builds(lambda issuer, name: f"{issuer}#{name}", PRINTABLE, PRINTABLE),
    CODES,
    CODES,
    CODES,
    st.none() | CODES,
)


@given(BEHALVES)
def test_a_caller_is_read_as_it_was_written(behalf: Behalf) -> None:
    assert behalf_in(json.loads(json.dumps(extensions_of(behalf)))) == behalf


def test_a_purpose_may_be_named_by_its_oid_too() -> None:
    ada = Behalf("https://hub.example#ada", "RXX01", "R8000", "TREAT")
    told = dict(extensions_of(ada))
    told[B2B] = told[B2B] | {"purpose_of_use": ["urn:oid:2.16.840.1.113883.5.8#TREAT"]}
    assert behalf_in(told) == ada
