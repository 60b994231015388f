"""From SearchParameters to a catalogue: which of them are used, and which stand back behind others. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from fhir_server.conformance.definitions import Definitions, SearchParameter
from fhir_server.fhir.errors import InvalidResource
from fhir_server.fhir.resource import Resource
from fhir_server.search.catalogue import EVERY_TYPE, Catalogue, Entry, State, renewed_work
from fhir_server.search.custom import covered_types, parameters_of, reason_not_used


def candidates(source: str, resource: Resource, definitions: Definitions) -> tuple[Entry, ...]:
    """Return an entry for each base of a SearchParameter, without types yet; else one that says why not.

    `source` is where it is from: `SearchParameter/lot`, or the URL of one that is shipped.
    """
    if reason := reason_not_used(resource):
        return _idle(source, resource, "unused", reason)
    try:
        found = parameters_of(resource, definitions)
    except InvalidResource as error:
        return _idle(source, resource, "refused", str(error))
    return tuple(
        Entry(source, each.url, each.code, base, "backfilling", each)
        for base, each in found.items()
    )


def derived(
    before: Catalogue, found: Sequence[Entry], definitions: Definitions, *, as_of: int
) -> Catalogue:
    """Return the catalogue of all candidates, given as they rank.

    Of two that claim one code on one type the one that is used already goes on; else the first.
    """
    entries = _Claims(before, definitions.origin).entries(found)
    after = msgspec.structs.replace(before, as_of=as_of, entries=entries)
    return msgspec.structs.replace(after, work=renewed_work(before, after))


class _Claims:
    """Which code of which type belongs to which source."""

    def __init__(self, before: Catalogue, definitions: Definitions) -> None:
        self._definitions = definitions
        self._before = {(each.source, each.base): each for each in before.entries}
        self._taken: dict[tuple[str, str], str] = {}
        self._held: dict[tuple[str, str], str] = {}

    def entries(self, found: Sequence[Entry]) -> tuple[Entry, ...]:
        used = filter(self._was_used, found)
        self._held = {
            (kind, each.code): each.source
            for each in used
            for kind in self._before[each.source, each.base].types
        }
        # Stable: among those used before, and among the others, the order of the candidates.
        ranked = sorted(range(len(found)), key=lambda place: not self._was_used(found[place]))
        claimed = {place: self._claimed(found[place]) for place in ranked}
        return tuple(claimed[place] for place in range(len(found)))

    def _was_used(self, entry: Entry) -> bool:
        old = self._before.get((entry.source, entry.base))
        return old is not None and old.is_indexed and old.definition == entry.definition

    def _claimed(self, entry: Entry) -> Entry:
        """Return an entry with the types that are left for it."""
        if entry.definition is None:
            return entry
        old = self._before.get((entry.source, entry.base))
        if old is not None and (old.state, old.definition) == ("refused", entry.definition):
            return old
        wanted = sorted(covered_types(entry.base, self._definitions))
        kept_from = {kind: self._owner(kind, entry) for kind in wanted}
        types = [kind for kind, owner in kept_from.items() if not owner]
        self._taken.update({(kind, entry.code): entry.source for kind in types})
        reason = _told({kind: owner for kind, owner in kept_from.items() if owner})
        if not types:
            return msgspec.structs.replace(
                entry, state="conflicting", reason=reason, definition=None
            )
        if len(types) == len(self._definitions.resource_types):
            types.append(EVERY_TYPE)
        return self._continued(
            msgspec.structs.replace(entry, types=tuple(types), reason=reason), entry.definition
        )

    def _owner(self, kind: str, entry: Entry) -> str:
        """Return who else has the code of an entry on a type: who took it, or had it before and still is there."""
        if entry.code in self._definitions.search_parameters(kind):
            return "R4"
        place = kind, entry.code
        if taken := self._taken.get(place):
            return taken
        holder = self._held.get(place, entry.source)
        return "" if holder == entry.source else holder

    def _continued(self, entry: Entry, definition: SearchParameter) -> Entry:
        """Return an entry in the state that it had, where nothing about it changed."""
        old = self._before.get((entry.source, entry.base))
        if old is None or not old.is_indexed or old.definition != definition:
            return entry
        is_covered = set(entry.types) <= set(old.types)
        return msgspec.structs.replace(entry, state=old.state) if is_covered else entry


def _idle(source: str, resource: Resource, state: State, reason: str) -> tuple[Entry, ...]:
    bases = resource.get("base")
    url, code = (str(resource.get(name, "")) for name in ("url", "code"))
    return tuple(
        Entry(source, url, code, str(base), state, reason=reason)
        for base in (bases if isinstance(bases, list) and bases else ("",))
    )


def _told(kept_from: Mapping[str, str]) -> str:
    """Return why an entry is not on some types."""
    owners = sorted(set(kept_from.values()))
    if not owners:
        return ""
    where = ", ".join(sorted(kept_from)[:5]) + (", …" if len(kept_from) > 5 else "")  # noqa: PLR2004
    return f"on {where} the code belongs to {', '.join(owners[:3])}, which goes on"
