"""The references of a transaction's resources, resolved to what the entries are and will be.

https://hl7.org/fhir/R4/bundle.html#references, and conditional references: https://hl7.org/fhir/R4/http.html#trules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fhir_server.fhir.errors import BadRequest, PreconditionFailed
from fhir_server.fhir.resource import Key
from fhir_server.interactions.call import Call
from fhir_server.interactions.criteria import criteria_of, only_match
from fhir_server.interactions.entries import (
    Creation,
    Entry,
    Modification,
    ReadEntry,
    Removal,
    Replacement,
    at_entry,
)
from fhir_server.interactions.patch import FhirPathPatch, JsonPatch
from fhir_server.interactions.references import references_in
from fhir_server.interactions.targets import Targets
from fhir_server.storage.contract import Expectation

_RESTFUL = re.compile(r"(https?://.*)/[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}\Z")
_CONDITIONAL = re.compile(r"([A-Z][A-Za-z]+)\?(.+)\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Links:
    """What to write instead of what was sent.

    `uris` has the new address of each entry by its fullUrl; `references` adds, by the entry's index, what its
    references become; `expectations` hold as long as the conditional references still find the same.
    """

    uris: Mapping[str, str]
    references: Mapping[int, Mapping[str, str]]
    expectations: tuple[Expectation, ...]


@dataclass(slots=True)
class _Found:
    """The conditional references that were looked up so far, by their text."""

    addresses: dict[str, str] = field(default_factory=dict)
    expectations: list[Expectation] = field(default_factory=list)


async def resolve_links(call: Call, entries: Sequence[Entry], targets: Targets) -> Links:
    """Resolve each reference to an entry, and each conditional one to its only match."""
    uris = _addresses(call, entries, targets)
    removed = frozenset(
        key for each in entries if isinstance(each, Removal) and (key := targets[each.index].key)
    )
    found = _Found()
    references: dict[int, dict[str, str]] = {}
    for entry in entries:
        if isinstance(entry, Creation) and targets[entry.index].match:
            continue
        with at_entry(entry.index):
            base = _base_of(entry)
            for reference in references_in(_content(entry)):
                new = _entry_address(reference, base, uris)
                if new is None and (conditional := _CONDITIONAL.match(reference)):
                    new = await _look_up(call, conditional, found, removed)
                if new is not None:
                    references.setdefault(entry.index, {})[reference] = new
    return Links(uris, references, tuple(found.expectations))


def _addresses(call: Call, entries: Sequence[Entry], targets: Targets) -> dict[str, str]:
    """Return the address of each entry by its fullUrl, but for those that are their own address."""
    return {
        entry.full_url: str(key)
        for entry in entries
        if not isinstance(entry, ReadEntry | Removal)
        and entry.full_url
        and (key := targets[entry.index].key)
        and entry.full_url != f"{call.base_url}/{key}"
    }


def _content(entry: Entry) -> Any:
    match entry:
        case Creation(resource=resource) | Replacement(resource=resource):
            return resource
        case Modification(change=JsonPatch(operations)):
            return operations
        case Modification(change=FhirPathPatch(parameters)):
            return parameters
        case _:
            return None


def _base_of(entry: Entry) -> str | None:
    """Return the server that relative references of the entry are relative to, by its fullUrl."""
    if isinstance(entry, ReadEntry | Removal) or not entry.full_url:
        return None
    restful = _RESTFUL.match(entry.full_url)
    return restful and restful[1]


def _entry_address(reference: str, base: str | None, uris: Mapping[str, str]) -> str | None:
    """Return the address of the entry that is referred to; raise BadRequest for a urn without an entry."""
    known = uris.get(reference)
    if known is None and base is not None:
        known = uris.get(f"{base}/{reference}")
    if known is None and reference.startswith(("urn:uuid:", "urn:oid:")):
        raise BadRequest(f"no entry of this transaction has the fullUrl {reference}")
    return known


async def _look_up(
    call: Call, conditional: re.Match[str], found: _Found, removed: frozenset[Key]
) -> str:
    text = conditional[0]
    known = found.addresses.get(text)
    if known is not None:
        return known
    criteria = criteria_of(call, conditional[1], conditional[2])
    match = await only_match(call, criteria, leaving_out=removed)
    if match is None:
        raise PreconditionFailed(f"the conditional reference {text} finds nothing")
    found.addresses[text] = str(match.key)
    found.expectations.append(criteria.expect(call, match.key))
    return str(match.key)
