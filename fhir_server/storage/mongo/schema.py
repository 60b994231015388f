"""The collections and their indexes: made once, checked at each start; and what kind of server this must be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from secrets import token_hex
from typing import TypeAlias

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import CollectionInvalid

from fhir_server.fhir.errors import Unavailable
from fhir_server.search.record import INDEX_FORMAT
from fhir_server.storage.mongo.documents import HISTORY, RESOURCE, Document
from fhir_server.storage.moving import Mark, unpacked_mark

FORMAT = 2
"""How documents are laid out: a store of another release is refused. What is found by them is `INDEX_FORMAT`."""

STATE = "state"
STORE = "store"
CATALOGUE = "catalogue"
REGISTER = "register"
LOADS = "loads"
RULES = "rules"
LOG = "log"
TURNS = "turns"
COPYING = "copying"
EMPTYING = "emptying"

INTENT = "intent"

SINGLE = "single"
"""The member of the state that is true while a database is written without transactions (`intents`)."""

HALF_INDEXED = ""
"""What stands for the zone of a store that is being indexed anew in another one."""

LEAST_WIRE_VERSION = 13
"""That of MongoDB 5.0: the first whose majority reads are always on."""

Fields: TypeAlias = Sequence[tuple[str, int]]

BY_TERM = "by_term"
BY_RANGE = "by_range"
BY_TYPE = "by_type"
BY_ID = "by_id"
BY_MOMENT = "by_type_and_moment"

_UP, _DOWN = ASCENDING, DESCENDING

INDEXES: dict[str, dict[str, Fields]] = {
    RESOURCE: {
        BY_TERM: (("k", _UP), ("d", _DOWN), ("n", _DOWN)),
        BY_RANGE: (("r.a", _UP), ("r.l", _UP), ("r.h", _UP)),
        BY_TYPE: (("t", _UP), ("x", _UP), ("d", _DOWN), ("n", _DOWN)),
        BY_ID: (("t", _UP), ("i", _UP)),
        BY_MOMENT: (("t", _UP), ("m", _DOWN)),
        "by_moment": (("m", _DOWN),),
        "by_surrogate": (("n", _UP),),
    },
    HISTORY: {
        "by_resource": (("n", _UP), ("m", _DOWN)),
        BY_MOMENT: (("t", _UP), ("m", _DOWN)),
        "by_moment": (("m", _DOWN),),
    },
    "axis": {},
    "owner": {"by_number": (("n", _UP),), "by_patient": (("mentions", _UP),)},
    "person": {"by_mark": (("marks", _UP),)},
    "fact": {"by_patient": (("patient", _UP),)},
    "opt_out": {},
    "audience": {"by_number": (("n", _UP),)},
    "denial": {"by_audience": (("a", _UP),)},
    "keyvalue": {
        "by_kind": (("kind", _UP), ("key", _UP)),
        "by_expiry": (("expires", _UP),),
    },
    "audit": {},
    "secret": {},
    INTENT: {},
    STATE: {},
}
"""The indexes of each collection besides that of `_id`."""

NEW: Document = {
    "_id": STORE,
    "format": FORMAT,
    "indexed": INDEX_FORMAT,
    "moment": 0,
    "rid": 0,
    "owner": 0,
    "revision": 0,
    "generation": 0,
    "latest_parameter": 0,
}


async def check_topology(database: AsyncDatabase[Document], *, single_writes: bool) -> None:
    """Raise Unavailable for a server that has no transactions, or with `single_writes` for one that has."""
    told = await database.client.admin.command("hello")
    if told.get("maxWireVersion", 0) < LEAST_WIRE_VERSION:
        raise Unavailable("this is MongoDB 5.0 or newer; the server is older")
    is_standalone = "setName" not in told and told.get("msg") != "isdbgrid"
    if is_standalone and not single_writes:
        raise Unavailable(
            "the server is standalone and has no transactions: start it with --replSet rs0, "
            "and run rs.initiate() in mongosh once; a node without Bundles serves it with "
            "--store-options single-writes"
        )
    if single_writes and not is_standalone:
        raise Unavailable(
            "the server has transactions: leave out --store-options single-writes, which is for a standalone"
        )


async def prepare(database: AsyncDatabase[Document], zone: str) -> None:
    """Make what a new database lacks; raise Unavailable for one that is not as this release, or zone, needs it."""
    state = await database[STATE].find_one({"_id": STORE})
    if state is None:
        await make(database, zone)
    else:
        await check_format(database, state)
        if state.get("indexed") != INDEX_FORMAT:
            await _check_empty(database)
        if state["zone"] != zone:
            await _change_zone(database, state["zone"], zone)
    problems = [each async for each in index_problems(database)]
    if problems:
        raise Unavailable("; ".join(problems))


async def check_format(database: AsyncDatabase[Document], state: Document) -> None:
    """Raise Unavailable for a store of another release, or one that is no whole copy."""
    if state["format"] == Mark.FORMAT:
        raise Unavailable((await mark_of(database))[0].told)
    if state["format"] != FORMAT:
        raise Unavailable(
            f"the database was written by another release (format {state['format']}, here {FORMAT})"
        )


async def _check_empty(database: AsyncDatabase[Document]) -> None:
    """Take a store that another release indexed if nothing is in it; raise Unavailable for any other."""
    if await database[RESOURCE].find_one({}, {"_id": 1}) is not None:
        raise Unavailable(
            "the store was indexed by another release, and searches would miss what it holds, or show what is "
            "denied: stop its nodes and run fhir-server reindex"
        )
    await database[STATE].update_one({"_id": STORE}, {"$set": {"indexed": INDEX_FORMAT}})


async def store_state(
    database: AsyncDatabase[Document], *, single_writes: bool = False
) -> Document:
    """Return the state of a store of this release that is written so; raise Unavailable where there is none."""
    state = await database[STATE].find_one({"_id": STORE})
    if state is None:
        raise Unavailable("there is no store in the database")
    await check_format(database, state)
    if bool(state.get(SINGLE)) != single_writes:
        how = "with" if single_writes else "without"
        raise Unavailable(
            f"the database was last written {how} transactions: start a node on it once, which takes it over"
        )
    return state


async def _change_zone(database: AsyncDatabase[Document], known: str, zone: str) -> None:
    """Take another zone for a database that is empty; raise Unavailable for any other."""
    if known == HALF_INDEXED:
        raise Unavailable(
            "the store was being indexed in another time zone, and that was cut off: run fhir-server reindex"
        )
    if await database[RESOURCE].find_one({}, {"_id": 1}) is not None:
        raise Unavailable(
            f"the store was indexed in the time zone {known}, and dates without one would be missed in {zone}: "
            f"set FHIR_TIME_ZONE={known}, or stop its nodes and run fhir-server reindex in the new one"
        )
    await database[STATE].update_one({"_id": STORE}, {"$set": {"zone": zone}})


async def mark_of(database: AsyncDatabase[Document]) -> tuple[Mark, bytes]:
    """Return of what a database is a copy that is not whole, and the edition of its register of opt-outs."""
    kept = await database[STATE].find_one({"_id": COPYING})
    assert kept is not None, "the mark goes with the format"
    return unpacked_mark(kept["mark"]), kept["edition"]


async def make(database: AsyncDatabase[Document], zone: str) -> None:
    """Make the collections, their indexes, and the state of a store that is empty; raise Unavailable for none such."""
    if await database[STATE].find_one({"_id": EMPTYING}) is not None:
        raise Unavailable(
            "the store was being emptied, and that was cut off: run fhir-server reset"
        )
    there = await database.list_collection_names()
    for name, indexes in INDEXES.items():
        if name not in there:
            await _create(database, name)
        if indexes:
            models = [IndexModel(list(fields), name=each) for each, fields in indexes.items()]
            await database[name].create_indexes(models)
    new = {**NEW, "zone": zone, "incarnation": token_hex(8)}
    await database[STATE].update_one({"_id": STORE}, {"$setOnInsert": new}, upsert=True)


async def _create(database: AsyncDatabase[Document], name: str) -> None:
    """Make a collection, unless another process does so at the same time."""
    try:
        await database.create_collection(name)
    except CollectionInvalid:
        return


async def index_problems(database: AsyncDatabase[Document]) -> AsyncIterator[str]:
    """Yield what is wrong with the indexes, each with the command that mends it."""
    for name, indexes in INDEXES.items():
        if not indexes:
            continue
        there = {each["name"]: each async for each in await database[name].list_indexes()}
        for index, fields in indexes.items():
            command = _command(name, index, fields)
            if index not in there:
                yield f"the index {index} of {name} is missing: run {command} in mongosh"
            elif list(there[index]["key"].items()) != list(fields):
                drop = f'db.{name}.dropIndex("{index}")'
                yield f"the index {index} of {name} is another one: run {drop}; {command} in mongosh"


def _command(collection: str, index: str, fields: Fields) -> str:
    keys = ", ".join(f'"{field}": {direction}' for field, direction in fields)
    return f'db.{collection}.createIndex({{{keys}}}, {{name: "{index}"}})'
