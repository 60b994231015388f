"""From a resource to its index record: https://hl7.org/fhir/R4/search.html. Pure, and the same each time."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import chain
from typing import TypeAlias
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from fhir_server.conformance.definitions import Definitions
from fhir_server.fhir.errors import TooLarge
from fhir_server.fhir.fhirpath import root
from fhir_server.fhir.resource import Resource
from fhir_server.search.compiling import Compiled, Compiler, steps_for
from fhir_server.search.defaults import DEFAULT_ZONE
from fhir_server.search.expression import SortKey
from fhir_server.search.mentions import Mentions
from fhir_server.search.operands import Step
from fhir_server.search.parameter_types.entries import Entries
from fhir_server.search.primary import PRIMARY_DATES, primary_date
from fhir_server.search.record import LISTED, IndexRecord, Range
from fhir_server.search.telling import TELLING, told_of

MOST_ENTRIES = 10_000
"""How many terms and ranges one resource may have."""

_MOST_SHAPES = 2_000
_MOST_ORDERS = 50

_Steps: TypeAlias = tuple[tuple[Step, ...], tuple[Step, ...]]
"""Those of R4's own parameters, and those of the added ones: the primary date is one of the former."""


class Extractor:
    """Makes index records; `base_url` is where absolute references are to this server.

    What has no time zone is local time of `zone`. `generation` names the parameters that it indexes by.
    """

    def __init__(
        self,
        definitions: Definitions,
        *,
        zone: str = DEFAULT_ZONE,
        base_url: str = "",
        generation: int = 0,
        codes: frozenset[str] | None = None,
    ) -> None:
        self.definitions = definitions
        self.generation = generation
        self.base_url = base_url.rstrip("/")
        self.zone = ZoneInfo(zone)
        self._compiler = Compiler(definitions, self.zone, self.base_url, codes)
        self._finds_people = codes is None
        self._compiled: dict[str, tuple[Compiled, ...]] = {}
        self._added: dict[str, tuple[Compiled, ...]] = {}
        self._steps: dict[tuple[str, ...], _Steps] = {}
        self._for_order: dict[frozenset[str], Extractor] = {}

    def over(self, definitions: Definitions, generation: int) -> Extractor:
        """Return an extractor by other added parameters; what is compiled of R4's own is shared."""
        made = Extractor(
            definitions, zone=self.zone.key, base_url=self.base_url, generation=generation
        )
        made._compiled = self._compiled
        return made

    def for_order(self, keys: Iterable[SortKey]) -> Extractor:
        """Return an extractor of what these keys order by alone, the primary date among it: a third of the work.

        Its records do not tell whom a resource mentions.
        """
        codes = frozenset(chain(PRIMARY_DATES, *(each.codes for each in keys)))
        known = self._for_order.get(codes)
        if known is None:
            if len(self._for_order) >= _MOST_ORDERS:
                self._for_order.clear()
            known = Extractor(
                self.definitions, zone=self.zone.key, base_url=self.base_url, codes=codes
            )
            self._for_order[codes] = known
        return known

    def extract(self, resource: Resource) -> IndexRecord:
        """Return what a resource can be found by; raise TooLarge for one with too many entries."""
        node, entries = root(resource), Entries()
        own, added = self._steps_of(resource)
        for step in own:
            step(node, entries)
        primary = primary_date(entries.ranges)
        for step in added:
            step(node, entries)
        _check_size(resource, entries)
        logical_id: str = resource.get("id", "")
        patients = entries.patients
        if resource["resourceType"] == "Patient":
            # A link to another patient gives that patient no sight of this record.
            patients = {logical_id} if logical_id else set()
        mentioned = Mentions(self.base_url, set(patients))
        if self._finds_people:
            mentioned.find(resource)
        return IndexRecord(
            id=logical_id,
            terms=tuple(sorted(set(entries.terms))),
            ranges=tuple([Range(*each) for each in sorted(set(entries.ranges))]),
            present=tuple(sorted(entries.present)),
            primary=primary,
            compartments=tuple(sorted(patients)),
            mentions=tuple(sorted(mentioned.patients)),
            contained=self._contained(resource) if "contained" in resource else (),
            about=self._about(resource, mentioned.patients),
            named=tuple(sorted(mentioned.numbers)),
        )

    def _about(self, resource: Resource, mentions: Collection[str]) -> tuple[str, ...]:
        """Return what a resource tells of."""
        if resource["resourceType"] not in TELLING:
            return ()
        kinds = TELLING.union(self._compiler.definitions.compartments["Patient"])
        return told_of(resource, mentions, kinds, self.base_url)

    def _contained(self, resource: Resource) -> tuple[tuple[str, IndexRecord], ...]:
        """Return the records of the resources inside a resource."""
        known = self._compiler.definitions.resource_types
        return tuple(
            (each["resourceType"], replace(self.extract(each), id=f"#{each.get('id', '')}"))
            for each in resource["contained"]
            if each.get("resourceType") in known
        )

    def _steps_of(self, resource: Resource) -> _Steps:
        """Return the steps for a resource, looked up by its type and keys: few shapes are common."""
        resource_type: str = resource["resourceType"]
        shape = (resource_type, *resource)
        steps = self._steps.get(shape)
        if steps is None:
            compiled = self._compiled.get(resource_type)
            if compiled is None:
                compiled = self._compiled[resource_type] = self._compiler.compile(resource_type)
            if len(self._steps) >= _MOST_SHAPES:
                self._steps.clear()
            added = self._added.get(resource_type)
            if added is None:
                added = self._added[resource_type] = self._compiler.compile_added(resource_type)
            steps = steps_for(compiled, resource), steps_for(added, resource)
            self._steps[shape] = steps
        return steps


def _check_size(resource: Resource, entries: Entries) -> None:
    count = len(entries.terms) + len(entries.ranges)
    if count > MOST_ENTRIES:
        # What a List has was counted by its items.
        count -= sum(each.startswith(f"{LISTED}>") for each in entries.terms)
    if count > MOST_ENTRIES:
        raise TooLarge(
            f"this {resource['resourceType']} could be found by {count} values; "
            f"the index takes {MOST_ENTRIES} of one resource"
        )
