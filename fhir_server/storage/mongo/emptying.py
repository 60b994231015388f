"""Empty a database of a store, whatever is in it: its nodes are stopped first."""

from __future__ import annotations

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase

from fhir_server.storage.mongo.documents import RESOURCE, Document
from fhir_server.storage.mongo.schema import EMPTYING, INDEXES, STATE, STORE
from fhir_server.storage.mongo.statements import done_at_once


async def empty_store(database: AsyncDatabase[Document], *, single_writes: bool = False) -> int:
    """Drop the collections of a store, and return how many resources there were."""
    number = await database[RESOURCE].count_documents({"x": False})
    states = database[STATE]

    async def begin(session: AsyncClientSession | None) -> None:
        # From now on nobody writes, and nobody opens it: not even where this is cut off.
        await states.update_one(
            {"_id": EMPTYING}, {"$set": {"begun": True}}, upsert=True, session=session
        )
        await states.delete_one({"_id": STORE}, session=session)

    if single_writes:
        # Where it is cut off between the two, it was not begun.
        await begin(None)
    else:
        await done_at_once(database, begin)
    for name in INDEXES:
        if name != STATE:
            await database[name].drop()
    await states.drop()
    return number
