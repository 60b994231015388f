"""Answers in gzip, where that pays."""

from __future__ import annotations

import asyncio
import zlib

SMALLEST = 1_000
_INLINE = 128 * 1024
_GZIP = 31
"""zlib's window size, with gzip's header and trailer."""


def accepts_gzip(accept_encoding: bytes) -> bool:
    """Tell whether an Accept-Encoding header takes gzip."""
    for each in accept_encoding.decode("latin-1").lower().split(","):
        name, _, quality = each.replace(" ", "").partition(";q=")
        if name == "gzip":
            return quality.strip("0.") != "" or quality == ""
    return False


async def gzipped(body: bytes) -> bytes:
    """Return the body in gzip; a large one is packed beside the event loop."""
    if len(body) <= _INLINE:
        return _packed(body)
    return await asyncio.to_thread(_packed, body)


def _packed(body: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, _GZIP)
    return packer.compress(body) + packer.flush()
