"""`$everything` of a patient, and of an encounter.

https://hl7.org/fhir/R4/patient-operation-everything.html, https://hl7.org/fhir/R4/encounter-operation-everything.html

The subject, what is in its compartment, and what that refers to one step further: staff, organisations, places,
medications. What concerns another patient is not followed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from fhir_server.fhir.errors import BadRequest, NotSupported
from fhir_server.fhir.resource import Key
from fhir_server.interactions.addressing import absent
from fhir_server.interactions.call import AUDIT_EVENT, Call
from fhir_server.interactions.including import Included, follow
from fhir_server.interactions.read import read
from fhir_server.operations.operation import Invocation, Listed, Operation, Parameter, positive
from fhir_server.search.compartments import members, within
from fhir_server.search.expression import (
    EVERYTHING,
    AllOf,
    AnyOf,
    Include,
    IsPresent,
    Not,
    Plan,
    Predicate,
)
from fhir_server.search.filtering import known_parameters, nearest, predicate
from fhir_server.search.matching import matches
from fhir_server.search.parameter_types.criterion import Surroundings
from fhir_server.search.parameter_types.date import interval
from fhir_server.search.primary import PRIMARY_DATES
from fhir_server.search.record import IndexRecord
from fhir_server.storage.pages import Page, Row

DEFAULT_COUNT = 100

_ALL_REFERENCES = (Include("*", "*"),)
_START = ()
"""The position before all that is in the compartment: the subject, which comes first, was given."""


async def everything(call: Call, asked: Invocation) -> Listed:
    """Return a page of what is known of a subject; raise NotFound for one absent or hidden, or Gone."""
    wanted = _wanted(call, asked)
    subject = await _subject(call, asked.key)
    first: tuple[Row, ...] = ()
    if asked.after is None and wanted.keeps(subject):
        first = (subject,)
    page = await _page(call, wanted, asked, wanted.count - len(first))
    rows = (*first, *page.rows)
    included = await follow(call, _ALL_REFERENCES, (), rows)
    beside = tuple(wanted.beside(subject, included))
    total = len(rows) if asked.after is None and page.next is None else None
    return Listed(rows, beside, page.next, total, included.issues)


async def everything_of_the_caller(call: Call, asked: Invocation) -> Listed:
    """Return the same of a patient, or of the one patient that the caller may see; raise NotSupported."""
    if asked.id is None and call.sight.patient is None:
        raise NotSupported(
            "Patient/$everything would be every record that may be seen, and a bulk $export is not"
            " served yet; Patient/[id]/$everything is of one patient"
        )
    return await everything(call, replace(asked, id=asked.id or call.sight.patient))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is asked for: `plan` finds it in the `compartment`, `types` (None: all) bounds what that refers to."""

    plan: Plan
    compartment: Plan
    since: Predicate
    types: frozenset[str] | None
    count: int

    def keeps(self, subject: Row) -> bool:
        """Tell whether the subject's own record is asked for."""
        if self.types is not None and subject.stored.key.type not in self.types:
            return False
        return matches(self.since, subject.record, updated=subject.stored.moment)

    def beside(self, subject: Row, included: Included) -> Iterable[Row]:
        """Yield those of the included that concern no patient but the subject's, and are no matches themselves."""
        patients = set(subject.record.compartments)
        for row in included.rows:
            kind, record = row.stored.key.type, row.record
            asked = self.types is None or kind in self.types
            if asked and patients.issuperset(record.compartments) and not self._has(kind, record):
                yield row

    def _has(self, kind: str, record: IndexRecord) -> bool:
        """Tell whether a resource is in the compartment, and so on a page of its own."""
        if self.compartment.types is None or kind not in self.compartment.types:
            return False
        return matches(self.compartment.predicate_of(kind), record, updated=0)


async def _subject(call: Call, key: Key) -> Row:
    for row in await call.store.read_many(call.sight, [key]):
        return row
    await read(call, key)
    # It came to be between the two reads.
    raise absent(key)


async def _page(call: Call, wanted: _Wanted, asked: Invocation, room: int) -> Page:
    if not wanted.plan.types:
        return Page((), None)
    if room == 0:
        return Page((), _START)
    return await call.store.search(call.sight, wanted.plan, asked.after or None, room)


def _wanted(call: Call, asked: Invocation) -> _Wanted:
    around = Surroundings(asked.now, call.extractor.zone, call.base_url)
    in_compartment = members(call.definitions, asked.type).keys()
    types = _types(call, asked)
    if types is not None and not types & in_compartment:
        raise BadRequest(
            f"_type={','.join(sorted(types))} names nothing of the {asked.type} compartment;"
            " resources of other types are given beside those that refer to them: name these too"
        )
    searched = (types or in_compartment - {AUDIT_EVENT}) & in_compartment - {asked.type}
    since = _since(call, asked, around)
    dated = tuple((each, _dated(call, each, asked, around)) for each in sorted(searched))
    plan = Plan(frozenset(searched), since, placed=dated)
    if searched:
        plan = within(plan, asked.key, call.definitions)
    count = positive(
        "_count", asked.value("_count"), default=DEFAULT_COUNT, most=call.page_sizes.most
    )
    compartment = within(Plan(None), asked.key, call.definitions)
    return _Wanted(plan, compartment, since, types, count)


def _types(call: Call, asked: Invocation) -> frozenset[str] | None:
    named = [each for name, value in asked.pairs if name == "_type" for each in value.split(",")]
    known = dict.fromkeys(call.definitions.resource_types)
    for each in named:
        if each not in known:
            raise BadRequest(
                f"_type: there is no resource type {each[:64]!r}{nearest(each, known)}"
            )
    return frozenset(named) or None


def _since(call: Call, asked: Invocation, around: Surroundings) -> Predicate:
    limit = _limit(asked, "_since", "ge", around)
    known = known_parameters(call.definitions, "Resource")
    return EVERYTHING if limit is None else predicate(known, "_lastUpdated", limit, around)


def _dated(call: Call, resource_type: str, asked: Invocation, around: Surroundings) -> Predicate:
    """Return that the date which tells best when it happened touches the span; what has no date is kept."""
    limits = [_limit(asked, "start", "ge", around), _limit(asked, "end", "le", around)]
    given = [each for each in limits if each is not None]
    if not given:
        return EVERYTHING
    known = known_parameters(call.definitions, resource_type)
    codes = [each for each in PRIMARY_DATES if each in known.parameters]
    found: Predicate = EVERYTHING
    for code in reversed(codes):
        if known.parameters[code].type == "date":
            touches = AllOf(tuple(predicate(known, code, each, around) for each in given))
            found = AnyOf((touches, AllOf((Not(IsPresent(code)), found))))
    return found


def _limit(asked: Invocation, name: str, prefix: str, around: Surroundings) -> str | None:
    value = asked.value(name)
    if value is None:
        return None
    if interval(value, around.zone) is None:
        raise BadRequest(f"{name}={value[:40]!r} is no date, such as 2026-11-23")
    return prefix + value


PATIENT_EVERYTHING = Operation(
    name="everything",
    url="http://hl7.org/fhir/OperationDefinition/Patient-everything",
    levels=("type", "instance"),
    types=("Patient",),
    parameters=(
        Parameter("start"),
        Parameter("end"),
        Parameter("_since"),
        Parameter("_type", repeats=True),
        Parameter("_count"),
    ),
    run=everything_of_the_caller,
)

ENCOUNTER_EVERYTHING = Operation(
    name="everything",
    url="http://hl7.org/fhir/OperationDefinition/Encounter-everything",
    levels=("instance",),
    types=("Encounter",),
    parameters=(Parameter("_since"), Parameter("_type", repeats=True), Parameter("_count")),
    run=everything,
)
