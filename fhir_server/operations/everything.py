"""`Patient/[id]/$everything`: https://hl7.org/fhir/R4/patient-operation-everything.html.

The patient, what is in the patient's compartment, and what that refers to one step further: staff, organisations,
places, medications. What concerns another patient is not followed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from fhir_server.fhir.errors import BadRequest
from fhir_server.fhir.resource import Key
from fhir_server.interactions.addressing import absent
from fhir_server.interactions.call import Call
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
from fhir_server.search.parsing import DEFAULT_ZONE, MOST_COUNT
from fhir_server.search.primary import PRIMARY_DATES
from fhir_server.storage.contract import Page, Row

DEFAULT_COUNT = 100

_ALL_REFERENCES = (Include("*", "*"),)
_START = ()
"""The position before all that is in the compartment: the patient, who comes first, was given."""


async def everything(call: Call, asked: Invocation) -> Listed:
    """Return a page of what is known of a patient; raise NotFound for one absent or hidden, or Gone."""
    wanted = _wanted(call, asked)
    patient = await _patient(call, asked.key)
    first: tuple[Row, ...] = ()
    if asked.after is None and wanted.keeps(patient):
        first = (patient,)
    page = await _page(call, wanted, asked, wanted.count - len(first))
    rows = (*first, *page.rows)
    included = await follow(call, _ALL_REFERENCES, (), rows)
    total = len(rows) if asked.after is None and page.next is None else None
    return Listed(rows, tuple(wanted.beside(included)), page.next, total, included.issues)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is asked for: `plan` finds the compartment, `types` (None: all) bounds what it refers to."""

    plan: Plan
    since: Predicate
    types: frozenset[str] | None
    count: int

    def keeps(self, patient: Row) -> bool:
        """Tell whether the patient's own record is asked for."""
        if self.types is not None and "Patient" not in self.types:
            return False
        return matches(self.since, patient.record, updated=patient.stored.moment)

    def beside(self, included: Included) -> Iterable[Row]:
        """Yield those of the included that concern no patient: all others are matches, or not followed."""
        for row in included.rows:
            asked = self.types is None or row.stored.key.type in self.types
            if asked and not row.record.compartments:
                yield row


async def _patient(call: Call, key: Key) -> Row:
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
    around = Surroundings(asked.now, ZoneInfo(DEFAULT_ZONE), call.base_url)
    in_compartment = members(call.definitions, "Patient").keys()
    types = _types(call, asked)
    if types is not None and not types & in_compartment:
        raise BadRequest(
            f"_type={','.join(sorted(types))} names nothing that is in a patient's compartment; "
            "resources of other types are given beside those that refer to them: name these too"
        )
    searched = (types or in_compartment) & in_compartment - {"Patient"}
    since = _since(call, asked, around)
    dated = tuple((each, _dated(call, each, asked, around)) for each in sorted(searched))
    plan = Plan(frozenset(searched), since, placed=dated)
    if searched:
        plan = within(plan, asked.key, call.definitions)
    count = positive("_count", asked.value("_count"), default=DEFAULT_COUNT, most=MOST_COUNT)
    return _Wanted(plan, since, types, count)


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
    levels=("instance",),
    types=("Patient",),
    parameters=(
        Parameter("start"),
        Parameter("end"),
        Parameter("_since"),
        Parameter("_type", repeats=True),
        Parameter("_count"),
    ),
    run=everything,
)
