"""Sealed page positions: a client can neither read, alter nor carry one over to another query."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from binascii import b2a_base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import urandom

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fhir_server.fhir.errors import BadRequest
from fhir_server.storage.pages import Position

_BLOCK = 256
"""Lengths are multiples of this, since a length would tell of the value at which a page ends."""
_NONCE = 12
_LONGEST = 8192

_URL_SAFE = bytes.maketrans(b"+/", b"-_")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[int, int, tuple[int | str | None, ...]]).decode


class Cursor(msgspec.Struct, frozen=True):
    """Where a page starts, and the moment (us) at which the first page of its query was asked for.

    All pages of one query share that moment, so that `ap` means the same on each.
    """

    position: Position
    moment: int


@dataclass(frozen=True, slots=True)
class Cursors:
    """Seals and opens cursors; `lifetime` is in microseconds."""

    cipher: AESGCM
    lifetime: int
    random: Callable[[int], bytes] = urandom

    def seal(self, cursor: Cursor, scope: bytes, *, now: int) -> str:
        """Return the text of a cursor that is good for this scope alone."""
        plain = _encode((now + self.lifetime, cursor.moment, cursor.position))
        # JSON takes blanks at its end.
        padded = plain.ljust(-(-len(plain) // _BLOCK) * _BLOCK)
        nonce = self.random(_NONCE)
        sealed = nonce + self.cipher.encrypt(nonce, padded, scope)
        return _text_of(sealed)

    def open(self, text: str, scope: bytes, *, now: int) -> Cursor:
        """Return what was sealed; raise BadRequest if it was altered, is another's, or is old."""
        sealed = _bytes_of(text)
        try:
            plain = self.cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], scope)
        except (InvalidTag, ValueError) as error:
            raise _foreign() from error
        expires, moment, position = _decode(plain)
        if now > expires:
            raise BadRequest("The _cursor has expired; start again from the first page.")
        return Cursor(position, moment)


def scope_of(place: str, pairs: Sequence[tuple[str, str]], *, principal: str = "") -> bytes:
    """Return what a cursor is bound to: where it was asked, what, and by whom."""
    return _encode((place, pairs, principal))


def _text_of(sealed: bytes) -> str:
    # As `urlsafe_b64encode` has it, with fewer steps on the way.
    return b2a_base64(sealed, newline=False).translate(_URL_SAFE).rstrip(b"=").decode()


def _bytes_of(text: str) -> bytes:
    if len(text) > _LONGEST:
        raise _foreign()
    try:
        sealed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as error:
        raise _foreign() from error
    if _text_of(sealed) != text:
        # The last character has bits to spare, and base64 passes over foreign ones.
        raise _foreign()
    return sealed


def _foreign() -> BadRequest:
    return BadRequest(
        "The _cursor is none that this server gave for this query; follow the links of a "
        "Bundle as they are, or start again from the first page."
    )
