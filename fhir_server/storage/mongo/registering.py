"""The register of opt-outs: its marks are written before it is in force, those of others removed once it is.

Of two that are loaded at once the one that comes into force first removes the other's marks, which then is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from secrets import token_bytes

from pymongo.asynchronous.database import AsyncDatabase

from fhir_server.storage.contract import OptOuts
from fhir_server.storage.marks import giving_way, in_order
from fhir_server.storage.mongo.denials import Denials, GivenUp
from fhir_server.storage.mongo.documents import Document
from fhir_server.storage.mongo.failures import reading as problems
from fhir_server.storage.mongo.schema import LOADS, STATE
from fhir_server.storage.mongo.statements import together

Do = Callable[[Callable[[Denials], Awaitable[None]]], Awaitable[None]]
"""Does work on the denials at one moment."""


async def replace_register(
    database: AsyncDatabase[Document],
    do: Do,
    mark: Callable[[str], bytes],
    numbers: Collection[str],
    as_of: int,
) -> OptOuts:
    """Put a register in place of the one before; raise GivenUp where another was loaded meanwhile."""
    edition, there = token_bytes(8), database["opt_out"]
    # On a thread: a server has others to answer while it makes a million.
    marks = await asyncio.to_thread(lambda: in_order(map(mark, giving_way(numbers))))
    await do(lambda denials: denials.load_register(edition))
    try:
        for some in together(marks):
            rows = [{"_id": edition + each, "edition": edition} for each in some]
            with problems():
                await there.insert_many(rows, ordered=False)
        await do(lambda denials: denials.register(len(marks), edition, as_of))
    except GivenUp:
        with problems():
            await there.delete_many({"edition": edition})
        raise
    with problems():
        loads = await database[STATE].find_one({"_id": LOADS}) or {"left": []}
        left = loads["left"]
        await there.delete_many({"edition": {"$in": left}})
    await do(lambda denials: denials.forget_registers(left))
    return OptOuts(as_of, len(marks))
