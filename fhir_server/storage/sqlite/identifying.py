"""The identifiers of a type in one system, as they are posted: in the order of their terms, which says where to go on."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial

from fhir_server.search.record import IDENTIFIER, inside, prefix_end, token_term
from fhir_server.storage.sqlite.session import Readers, Session

CHUNK = 500
"""Terms that are read at a time."""

SELECT = """
SELECT DISTINCT term FROM term WHERE term>? AND term<? AND substr(term, ?)=? ORDER BY term LIMIT ?
"""


async def identifiers(on_thread: Readers, kind: str, system: str) -> AsyncGenerator[str, None]:
    """Yield the values, those of what is inside other resources last."""
    end = token_term(IDENTIFIER, system, "").partition("=")[2]
    for each in (kind, inside(kind)):
        beginning = after = f"{each}.{IDENTIFIER}="
        while after:
            terms = await on_thread(partial(_terms, after, prefix_end(beginning), end))
            for term in terms:
                yield term[len(beginning) : -len(end)]
            after = terms[-1] if len(terms) == CHUNK else ""


def _terms(after: str, before: str, end: str, session: Session) -> list[str]:
    rows = session.connection.execute(SELECT, (after, before, -len(end), end, CHUNK))
    return [term for (term,) in rows]
