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
from fhir_server.storage.mongo.denials import Denials, Enforcing
from fhir_server.storage.mongo.documents import CODEC, Document
from fhir_server.storage.mongo.failures import reading as problems
from fhir_server.storage.mongo.reaching import reached
from fhir_server.storage.mongo.remembering import secret_of
from fhir_server.storage.mongo.schema import RULES, STATE, check_topology, prepare
from fhir_server.storage.mongo.statements import MAJORITY
from fhir_server.storage.mongo.store import MongoStore
from fhir_server.storage.mongo.writer import Writer

PATIENT_SECONDS = 10.0
"""How long one search may take."""

DATABASE = "fhir"
"""The database, where the address names none."""


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[AsyncDatabase[Document]]:
    """Yield a database as it is; raise Unreachable or Unavailable, as `open_store` does."""
    async with reached(url) as client:
        database = client.get_default_database(
            DATABASE,
            codec_options=CODEC,
            write_concern=MAJORITY,
            read_concern=ReadConcern("majority"),
            read_preference=ReadPreference.PRIMARY,
        )
        with problems():
            await check_topology(database)
        yield database


@asynccontextmanager
async def open_store(
    url: str,
    *,
    clock: Callable[[], int],
    seconds: float = PATIENT_SECONDS,
    enforcement: Enforcement | None = None,
    zone: str = DEFAULT_ZONE,
) -> AsyncIterator[MongoStore]:
    """Open the store in a database, `mongodb://HOST/DATABASE`; `clock` gives microseconds since 1970.

    A search may take so many seconds. Without `enforcement` no denials are kept, and no sight may have an audience.
    `zone` is that of the dates which name none.

    Leaving it commits what waits, and closes. Raises Unreachable for a server that does not answer, and Unavailable
    for one that has no transactions or refuses the user, and for a database of another release.
    """
    async with connected(url) as database:
        with problems():
            await prepare(database, zone)
            enforcing = None
            if enforcement is not None:
                enforcing = Enforcing(enforcement, key=await secret_of(database, "people"))
            sealing_key = await secret_of(database, "audit")
        writer = Writer(database, clock, enforcing, sealing_key=sealing_key)
        writing = asyncio.create_task(writer.run())
        try:
            if enforcing is not None:
                await _settle(database, writer, enforcing)
            yield MongoStore(database, writer, seconds=seconds)
        finally:
            writer.close()
            await writing


async def _settle(database: AsyncDatabase[Document], writer: Writer, enforcing: Enforcing) -> None:
    """Have forgotten what was worked out by other rules than those of this process."""
    with problems():
        kept = await database[STATE].find_one({"_id": RULES})
    if kept is None or kept["edition"] != enforcing.edition:
        await writer.do(Denials.settle)
