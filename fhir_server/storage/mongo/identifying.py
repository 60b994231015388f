"""The identifiers of a type in one system, as documents have them: all of one moment, since documents move meanwhile."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from fhir_server.fhir.errors import TooCostly
from fhir_server.search.record import IDENTIFIER, inside, prefix_end, token_term
from fhir_server.storage.mongo.documents import RESOURCE
from fhir_server.storage.mongo.failures import OutOfTime, reading
from fhir_server.storage.mongo.moments import Moments
from fhir_server.storage.mongo.schema import BY_TERM
from fhir_server.storage.mongo.statements import Statements

SECONDS = 50.0
"""How long it may take: a transaction lasts no longer than a minute."""


async def identifiers(moments: Moments, kind: str, system: str) -> AsyncGenerator[str, None]:
    """Yield the values; raise TooCostly or Unavailable."""
    end = token_term(IDENTIFIER, system, "").partition("=")[2]

    async def values(statements: Statements) -> AsyncGenerator[str, None]:
        for each in (kind, inside(kind)):
            async for value in _posted(statements, f"{each}.{IDENTIFIER}=", end):
                yield value

    try:
        with reading():
            async for value in moments.stream(values, seconds=SECONDS):
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
