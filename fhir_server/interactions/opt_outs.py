"""The register of opt-outs, as a client sends it: read whole before anything of it is loaded."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection
from datetime import date
from io import StringIO

from fhir_server.fhir.errors import BadRequest, shown
from fhir_server.policy.register import begin_of, read_register
from fhir_server.storage.contract import OptOuts, Store
from fhir_server.storage.marks import giving_way

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


async def replace_opt_outs(store: Store, content: bytes, *, as_of: int) -> OptOuts:
    """Put the register in a text in place of the one before; raise BadRequest for what is none, and load nothing."""
    # On a thread: a million lines take a second, and others are answered meanwhile.
    numbers = await asyncio.to_thread(_numbers, content)
    return await store.replace_opt_outs(numbers, as_of=as_of)


def moment_as_of(text: str, *, now: int) -> int:
    """Return the moment of a day that is written YYYY-MM-DD; raise BadRequest for any other text, or a day to come."""
    if not _DAY.fullmatch(text):
        raise BadRequest(f"as-of {shown(text)!r} is no day: it is written YYYY-MM-DD.")
    try:
        return begin_of(date.fromisoformat(text), now=now)
    except ValueError as error:
        raise BadRequest(f"as-of {text}: {error}.") from error


def _numbers(content: bytes) -> Collection[str]:
    try:
        # Lines end as in a file.
        lines = StringIO(content.decode("utf-8-sig"), newline=None)
        found = read_register(giving_way(lines))
    except UnicodeDecodeError as error:
        raise BadRequest("The register is not UTF-8; nothing was loaded.") from error
    except ValueError as error:
        raise BadRequest(f"The register: {error}; nothing was loaded.") from error
    if not found:
        # A body that got lost, or JSON on one line, would disclose whoever is on the register before.
        raise BadRequest("The register holds no NHS number; nothing was loaded.")
    return found
