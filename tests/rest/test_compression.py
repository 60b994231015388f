"""Compression: where the client takes it."""

from __future__ import annotations

import gzip

import pytest

from fhir_server.rest.compression import accepts_gzip, gzipped


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        (b"", False),
        (b"br, deflate", False),
        (b"gzip;q=0", False),
        (b"gzip; q=0.0", False),
        (b"x-gzip-not", False),
        (b"gzip", True),
        (b"GZIP, br", True),
        (b"br, gzip;q=0.5", True),
        (b"deflate, gzip", True),
    ],
)
def test_gzip_is_sent_to_who_takes_it(header: bytes, *, taken: bool) -> None:
    assert accepts_gzip(header) is taken


@pytest.mark.parametrize("size", [0, 2_000, 500_000])
async def test_what_is_packed_is_unpacked_the_same(size: int) -> None:
    body = b"fhir " * (size // 5)

    assert gzip.decompress(await gzipped(body)) == body
