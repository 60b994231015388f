"""The identifiers of a type in one system, as documents have them: all of one moment, since documents move meanwhile."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from pymongo.asynchronous.database import AsyncDatabase

from fhir_server.fhir.errors import TooCostly
from fhir_server.search.record import IDENTIFIER, inside, prefix_end, token_term
from fhir_server.storage.mongo.documents import RESOURCE, Document
from fhir_server.storage.mongo.failures import OutOfTime, reading
from fhir_server.storage.mongo.schema import BY_TERM
from fhir_server.storage.mongo.statements import Statements, of_one_moment

SECONDS = 50.0
"""How long it may take: a transaction lasts no longer than a minute."""


async def identifiers(
    database: AsyncDatabase[Document], kind: str, system: str
) -> AsyncGenerator[str, None]:
    """Yield the values; raise TooCostly or Unavailable."""
    end = token_term(IDENTIFIER, system, "").partition("=")[2]
    try:
        with reading():
            async with of_one_moment(database, seconds=SECONDS) as statements:
                for each in (kind, inside(kind)):
                    async for value in _posted(statements, f"{each}.{IDENTIFIER}=", end):
                        yield value
    except OutOfTime:
        raise TooCostly(f"To read all that {kind} is identified by took too long") from None


async def _posted(statements: Statements, beginning: str, end: str) -> AsyncGenerator[str, None]:
    terms = {"$elemMatch": {"$gt": beginning, "$lt": prefix_end(beginning)}}
    wanted = {"x": False, "k": terms}
    async for found in statements.find(RESOURCE, wanted, {"k": 1}, hint=BY_TERM):
        for term in found["k"]:
            if term.startswith(beginning) and term.endswith(end):
                yield term[len(beginning) : -len(end)]
