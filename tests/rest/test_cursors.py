"""Cursors: sealed, bound to their query, and not good for ever."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.fhir.errors import BadRequest
from fhir_server.rest.cursors import Cursor, Cursors, scope_of

HOUR = 3_600_000_000
NOW = 1_700_000_000_000_000
SCOPE = scope_of("Patient", (("name", "ada"),))
CURSOR = Cursor((None, "lovelace", -5, 77), NOW - 1)


def some_cursors(key: bytes = b"k" * 32) -> Cursors:
    return Cursors(AESGCM(key), lifetime=HOUR)


SEALED = some_cursors().seal(CURSOR, SCOPE, now=NOW)


@given(bit=st.integers(0, 8 * len(urlsafe_b64decode(SEALED + "==")) - 1))
def test_a_cursor_with_one_altered_bit_is_refused(bit: int) -> None:
    sealed = bytearray(urlsafe_b64decode(SEALED + "=="))
    sealed[bit // 8] ^= 1 << bit % 8

    with pytest.raises(BadRequest, match="none that this server gave"):
        some_cursors().open(urlsafe_b64encode(sealed).decode().rstrip("="), SCOPE, now=NOW)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "====",
        "AAAA",
        "ä",
        "a b",
        SEALED + "A",
        SEALED[:-4],
        SEALED + "=",
        "A" * 9000,
        " " + SEALED,
    ],
    ids=range(11),
)
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="none that this server gave"):
        some_cursors().open(text, SCOPE, now=NOW)


@pytest.mark.parametrize(
    "scope",
    [
        scope_of("Patient", (("name", "eve"),)),
        scope_of("Patient", ()),
        scope_of("Person", (("name", "ada"),)),
        scope_of("Patient", (("name", "ada"),), principal="eve"),
    ],
)
def test_a_cursor_of_another_query_or_caller_is_refused(scope: bytes) -> None:
    with pytest.raises(BadRequest, match="for this query"):
        some_cursors().open(SEALED, scope, now=NOW)


def test_a_cursor_of_another_store_is_refused() -> None:
    with pytest.raises(BadRequest, match="none that this server gave"):
        some_cursors(b"o" * 32).open(SEALED, SCOPE, now=NOW)


def test_an_expired_cursor_is_refused() -> None:
    with pytest.raises(BadRequest, match="expired"):
        some_cursors().open(SEALED, SCOPE, now=NOW + HOUR + 1)


@given(
    position=st.lists(
        st.none() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=300), max_size=6
    ).map(tuple)
)
def test_what_is_sealed_is_opened_the_same(position: tuple[int | str | None, ...]) -> None:
    cursor = Cursor(position, NOW)

    text = some_cursors().seal(cursor, SCOPE, now=NOW)

    assert some_cursors().open(text, SCOPE, now=NOW + HOUR) == cursor


def test_the_length_does_not_tell_where_the_page_ended() -> None:
    seal = some_cursors().seal
    lengths = {
        len(seal(Cursor((name, 1), NOW), SCOPE, now=NOW)) for name in ("a", "a" * 50, "a" * 180)
    }

    assert len(lengths) == 1
