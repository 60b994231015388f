"""Conditions on documents, put together."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.storage.mongo.documents import Document

NEVER: Document = {"_id": {"$in": []}}
"""The condition that no document satisfies."""


def both(*conditions: Document) -> Document:
    """Return the condition that all of these hold."""
    told = [each for each in conditions if each]
    if not told:
        return {}
    return told[0] if len(told) == 1 else {"$and": told}


def any_of(conditions: Sequence[Document]) -> Document:
    """Return the condition that one of these holds; of none: never."""
    if not conditions:
        return NEVER
    if any(not each for each in conditions):
        return {}
    return conditions[0] if len(conditions) == 1 else {"$or": list(conditions)}
