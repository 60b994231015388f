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


def refuses(text: str) -> bool:
    """Tell whether a text is refused as no cursor of this server."""
    try:
        some_cursors().open(text, SCOPE, now=NOW)
    except BadRequest as refusal:
        return "none that this server gave" in str(refusal)
    return False


def test_a_cursor_with_any_one_bit_altered_is_refused() -> None:
    sealed = urlsafe_b64decode(SEALED + "==")
    altered = [
        sealed[:place] + bytes([sealed[place] ^ 1 << bit]) + sealed[place + 1 :]
        for place in range(len(sealed))
        for bit in range(8)
    ]

    assert len(altered) == 8 * len(sealed) > 2_000
    assert all(refuses(urlsafe_b64encode(each).decode().rstrip("=")) for each in altered)


def test_a_cursor_that_is_cut_off_anywhere_or_put_together_otherwise_is_refused() -> None:
    half = len(SEALED) // 2
    other = some_cursors().seal(Cursor((None, "hopper", 5, 7), NOW), SCOPE, now=NOW)

    assert all(refuses(SEALED[:length]) for length in range(len(SEALED)))
    assert refuses(SEALED[half:] + SEALED[:half])
    assert refuses(SEALED[:half] + other[half:])
    assert refuses(SEALED + SEALED)


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
