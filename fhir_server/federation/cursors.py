"""Where each member stands at the end of a page. The hub keeps this between pages, and nothing of the matches."""

from __future__ import annotations

import msgspec
from msgspec import structs

from fhir_server.federation.accounts import Account
from fhir_server.federation.duplicates import Mode
from fhir_server.search.ordering import SortValue


class Place(msgspec.Struct, frozen=True):
    """Where a member's stream goes on: its page at `url`, after what was shown of it.

    `last` are the sort values of what was shown last, `passed` the addresses of all of this page that was shown and has
    the same; `begun`: something of this page was shown. `ended`: nothing more comes. A page may change between two
    requests: what was shown is known by its place in the order, not by its number.
    """

    url: str
    last: tuple[SortValue, ...] | None = None
    passed: tuple[str, ...] = ()
    begun: bool = False
    ended: bool = False

    def after(self, values: tuple[SortValue, ...], address: str) -> Place:
        """Return the place after one more match."""
        same = self.passed if values == self.last else ()
        return structs.replace(self, last=values, passed=(*same, address), begun=True)

    def turned(self, url: str | None) -> Place:
        """Return the place at the start of the next page, or at the end."""
        if url is None:
            return structs.replace(self, ended=True)
        return structs.replace(self, url=url, passed=(), begun=False)


class Standing(msgspec.Struct):
    """One member in a cursor."""

    account: Account
    place: Place


class FederatedCursor(msgspec.Struct):
    """All members at the end of page number `page`; `moment` (us) is that of the first page.

    `duplicates` says how these are known, `shown` are the keys of what was shown, where they are. `rest`: those alone are
    asked that failed before.
    """

    page: int
    moment: int
    standings: list[Standing]
    duplicates: Mode = "off"
    shown: list[str] = []
    rest: bool = False


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(FederatedCursor).decode


def packed_cursor(cursor: FederatedCursor) -> bytes:
    """Return a cursor as it is kept."""
    return _encode(cursor)


def unpacked_cursor(content: bytes) -> FederatedCursor:
    """Return what `packed_cursor` made."""
    return _decode(content)
