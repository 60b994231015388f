"""References within a resource as they stand in it, found and replaced; the input is never changed.

A transaction gives new ids, so it must rewrite what points to them, in References and in elements of the
types uri, url, oid and uuid, but not in canonicals: https://hl7.org/fhir/R4/http.html#trules. A Bundle that
is a resource of its own, such as a document, is left alone: its references are resolved within it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_URIS = frozenset({"url", "valueUri", "valueUrl", "valueOid", "valueUuid"})
"""Elements that point to a resource by its URI: `Attachment.url` above all, which names a Binary."""


def references_in(value: Any) -> set[str]:
    """Return the text of each Reference.reference, at any depth, those to contained resources left out."""
    found: set[str] = set()
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            waiting += each
        elif isinstance(each, dict) and each.get("resourceType") != "Bundle":
            waiting += each.values()
            reference = each.get("reference")
            if isinstance(reference, str) and not reference.startswith("#"):
                found.add(reference)
    return found


def relinked(value: Any, references: Mapping[str, str], uris: Mapping[str, str]) -> Any:
    """Return the value with its references and URIs replaced; what has none is returned as it is."""
    if isinstance(value, dict) and value.get("resourceType") != "Bundle":
        changed = {
            name: new
            for name, old in value.items()
            if (new := _member(value, name, old, references, uris)) is not old
        }
        return value | changed if changed else value
    if isinstance(value, list):
        items = [relinked(each, references, uris) for each in value]
        if any(new is not old for new, old in zip(items, value, strict=True)):
            return items
    return value


def _member(
    owner: Mapping[str, Any],
    name: str,
    value: Any,
    references: Mapping[str, str],
    uris: Mapping[str, str],
) -> Any:
    if not isinstance(value, str):
        return relinked(value, references, uris) if isinstance(value, dict | list) else value
    if name == "reference":
        return references.get(value, value)
    # The `url` of a resource is its own canonical name, no link.
    if name in _URIS and "resourceType" not in owner:
        return uris.get(value, value)
    return value
