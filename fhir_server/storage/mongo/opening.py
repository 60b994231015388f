"""Opening the store in a database: the client, what the server must be, what a new database lacks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from pymongo.asynchronous.database import AsyncDatabase
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference

from fhir_server.policy.decision import Enforcement
from fhir_server.search.defaults import DEFAULT_ZONE
from fhir_server.storage.mongo.denials import Denials
from fhir_server.storage.mongo.documents import CODEC, Document
from fhir_server.storage.mongo.enforcing import Enforcing
from fhir_server.storage.mongo.failures import reading as problems
from fhir_server.storage.mongo.intents import Intents
from fhir_server.storage.mongo.moments import Moments, Transactions
from fhir_server.storage.mongo.reaching import reached
from fhir_server.storage.mongo.remembering import secret_of
from fhir_server.storage.mongo.schema import RULES, SINGLE, STATE, STORE, check_topology, prepare
from fhir_server.storage.mongo.statements import MAJORITY
from fhir_server.storage.mongo.store import MongoStore
from fhir_server.storage.mongo.writer import Writer

PATIENT_SECONDS = 10.0
"""How long one search may take."""

DATABASE = "fhir"
"""The database, where the address names none."""


@asynccontextmanager
async def connected(
    url: str, *, single_writes: bool = False
) -> AsyncIterator[AsyncDatabase[Document]]:
    """Yield a database as it is; raise Unreachable or Unavailable, as `open_store` does."""
    async with reached(url) as client:
        database = client.get_default_database(
            DATABASE,
            codec_options=CODEC,
            write_concern=MAJORITY,
            # Of a standalone there is no majority: what was journaled is what holds (`intents`).
            read_concern=ReadConcern("local" if single_writes else "majority"),
            read_preference=ReadPreference.PRIMARY,
        )
        with problems():
            await check_topology(database, single_writes=single_writes)
        yield database


@asynccontextmanager
async def open_store(  # noqa: PLR0913 - what the settings say of a store
    url: str,
    *,
    clock: Callable[[], int],
    seconds: float = PATIENT_SECONDS,
    enforcement: Enforcement | None = None,
    zone: str = DEFAULT_ZONE,
    single_writes: bool = False,
) -> AsyncIterator[MongoStore]:
    """Open the store in a database, `mongodb://HOST/DATABASE`; `clock` gives microseconds since 1970.

    A search may take so many seconds. Without `enforcement` no denials are kept, and no sight may have an audience.
    `zone` is that of the dates which name none. `single_writes` are for a standalone server: without transactions.

    Leaving it commits what waits, and closes. Raises Unreachable for a server that does not answer, and Unavailable
    for one that has no transactions or refuses the user, and for a database of another release.
    """
    async with connected(url, single_writes=single_writes) as database:
        moments: Moments = Intents(database) if single_writes else Transactions(database)
        with problems():
            await prepare(database, zone)
            await _take_over(database, single_writes=single_writes)
            enforcing = None
            if enforcement is not None:
                enforcing = Enforcing(enforcement, key=await secret_of(database, "people"))
            sealing_key = await secret_of(database, "audit")
        writer = Writer(database, moments, clock, enforcing, sealing_key=sealing_key)
        writing = asyncio.create_task(writer.run())
        try:
            if enforcing is not None:
                await _settle(database, writer, enforcing)
            yield MongoStore(database, moments, writer, seconds=seconds)
        finally:
            writer.close()
            await writing


async def _take_over(database: AsyncDatabase[Document], *, single_writes: bool) -> None:
    """Have a database written so from now on; what was begun by other writers is finished."""
    states, intents = database[STATE], Intents(database)
    if single_writes:
        await states.update_one({"_id": STORE}, {"$set": {SINGLE: True}})
        await intents.settled()
    elif (await states.find_one({"_id": STORE}) or {}).get(SINGLE):
        await intents.end()


async def _settle(database: AsyncDatabase[Document], writer: Writer, enforcing: Enforcing) -> None:
    """Have forgotten what was worked out by other rules than those of this process."""
    with problems():
        kept = await database[STATE].find_one({"_id": RULES})
    if kept is None or kept["edition"] != enforcing.edition:
        await writer.do(Denials.settle)
