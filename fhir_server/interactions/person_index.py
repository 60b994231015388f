"""All people whom a store knows by an NHS number, in marks: whoever is hidden from whom, as nobody is told who it is."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from fhir_server.fhir.errors import TooCostly
from fhir_server.policy.person_marks import is_marked, mark_of
from fhir_server.policy.personal import NHS_NUMBER
from fhir_server.policy.visibility import Visibility
from fhir_server.storage.contract import Store

MOST = 1_500_000
"""Marks of one index: 16 MB as it is sent, which a hub takes no more than."""

SIGHT = Visibility.system("the index of persons")

_EVERY = 500
"""Numbers between which others have their turn."""


async def marks_of_all(store: Store, key: bytes, *, most: int = MOST) -> bytes:
    """Return the marks of all numbers of Patients, those inside other resources too, in order; raise TooCostly."""
    # By their first byte: to sort a million at once would hold the event loop up.
    found: list[set[bytes]] = [set() for _ in range(256)]
    seen = count = 0
    async with aclosing(store.identifiers(SIGHT, "Patient", NHS_NUMBER)) as numbers:
        async for number in numbers:
            mark = mark_of(key, number)
            alike = found[mark[0]]
            if is_marked(number) and mark not in alike:
                alike.add(mark)
                count += 1
            if count > most:
                raise TooCostly(f"Over {most} people are known here: of so many no index is made")
            seen += 1
            if seen % _EVERY == 0:
                await asyncio.sleep(0)
    parts = []
    for each in found:
        parts.append(b"".join(sorted(each)))
        await asyncio.sleep(0)
    return b"".join(parts)
