"""The parameters of a search, read one after another: https://hl7.org/fhir/R4/search.html. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeVar

from fhir_server.conformance.definitions import Definitions
from fhir_server.fhir.errors import BadRequest, shown
from fhir_server.search import conditions, contained, listing
from fhir_server.search.defaults import PageSizes
from fhir_server.search.expression import (
    NOTHING,
    AllOf,
    Contained,
    Include,
    Plan,
    Predicate,
    SortKey,
)
from fhir_server.search.filtering import (
    EmptyValue,
    Known,
    UnknownParameter,
    check_value,
    known_parameters,
    nearest,
)
from fhir_server.search.includes import parse_include, parse_revinclude
from fhir_server.search.listing import Expected
from fhir_server.search.parameter_types.criterion import Surroundings
from fhir_server.search.planning import conjuncts
from fhir_server.search.query import Query, Summary, Total
from fhir_server.search.record import LISTED
from fhir_server.search.sort_keys import sort_key

MOST_SORT_KEYS = 5

_Choice = TypeVar("_Choice", bound=str)

_TOTALS: dict[str, Total] = {"none": "none", "estimate": "estimate", "accurate": "accurate"}
_SUMMARIES: dict[str, Summary] = {
    "true": "true",
    "text": "text",
    "data": "data",
    "count": "count",
    "false": "false",
}
_ONCE = frozenset(
    ("_count", "_total", "_elements", "_summary", "_type", "_contained", "_containedType")
)
_FOUND = {each: each for each in contained.FOUND}
_ANSWERED = {each: each for each in contained.ANSWERED}


@dataclass(slots=True)
class Reading:
    """A query as far as it was read; `subject` is the patient whose compartment is searched."""

    resource_type: str | None
    definitions: Definitions
    known: Known
    around: Surroundings
    sizes: PageSizes
    count: int
    subject: str | None = None
    only_count: bool = False
    total: Total = "none"
    summary: Summary | None = None
    types: frozenset[str] | None = None
    contained: str | None = None
    contained_type: str | None = None
    elements: tuple[str, ...] = ()
    sort: list[SortKey] = field(default_factory=list)
    includes: list[Include] = field(default_factory=list)
    revincludes: list[Include] = field(default_factory=list)
    predicates: list[Predicate] = field(default_factory=list)
    placed: list[tuple[str, Mapping[str, Predicate]]] = field(default_factory=list)
    functions: list[tuple[str, str]] = field(default_factory=list)
    applied: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[tuple[str, str]] = field(default_factory=list)

    def apply(self, name: str, value: str) -> None:
        """Take one parameter in; raise a BadRequest that says what is wrong with it."""
        code = name.partition(":")[0]
        if code not in READERS:
            self._apply_criterion(code, name, value)
        else:
            self._apply_result_parameter(code, name, value)
        self.applied.append((name, value))

    def _apply_criterion(self, code: str, name: str, value: str) -> None:
        if code == LISTED and listing.is_by_function(value):
            check_value(name, value)
            self.functions.append((name, value))
        elif self.resource_type is None and (found := self._of_each_type(code, name, value)):
            self.placed.append((name, found))
        else:
            self.predicates.append(conditions.predicate(self.known, name, value, self.around))

    def _of_each_type(self, code: str, name: str, value: str) -> Mapping[str, Predicate] | None:
        """Return what is another thing for each type; None where it is the same for all."""
        if code == LISTED:
            check_value(name, value)
            kinds = self.definitions.resource_types
            return {each: listing.predicate(each, name, value) for each in kinds}
        if code == "_has":
            return conditions.of_each_type(self.known, name, value, self.around)
        if self.types is None or (code in self.known.parameters and code != "_filter"):
            return None
        return conditions.of_types(self.kinds(), name, value, self.around)

    def kinds(self) -> list[Known]:
        """Return what the types that are named can be asked."""
        return [known_parameters(self.definitions, each) for each in sorted(self.types or ())]

    def query(self) -> Query:
        """Return what was read."""
        lists = self._apply_functions()
        predicate = (
            self.predicates[0] if len(self.predicates) == 1 else AllOf(tuple(self.predicates))
        )
        if self.summary == "text" and (self.includes or self.revincludes):
            raise BadRequest(
                "_summary=text: R4 has no _include and no _revinclude beside it; leave them out, or ask for _summary=true"
            )
        types = self.types if self.resource_type is None else frozenset({self.resource_type})
        return Query(
            Plan(types, predicate, tuple(self.sort), self._placed(), self._contained(predicate)),
            self.count,
            self.only_count or self.summary == "count",
            self.total,
            self.summary,
            self.elements,
            tuple(self.includes),
            tuple(self.revincludes),
            tuple(self.applied),
            tuple(self.ignored),
            lists,
        )

    def _contained(self, predicate: Predicate) -> Contained | None:
        """Return how contained resources are found; raise BadRequest or NotSupported where they cannot be."""
        wanted = contained.asked(self.contained, self.contained_type)
        if wanted is None:
            return None
        contained.check_predicate(predicate)
        names = {name.partition(":")[0] for name, _ in self.applied}
        of_type = {"_elements", "_include"} | (
            {"_sort"} if contained.sorts_type(self.sort) else set()
        )
        back = next(iter(names & {"_revinclude"}), None)
        contained.check_answer(wanted, back, next(iter(sorted(names & of_type)), None))
        return wanted

    def _apply_functions(self) -> tuple[Expected, ...]:
        """Take the lists by their function in, which are those of the patients that the rest names; return them."""
        if not self.functions:
            return ()
        if self.resource_type is not None:
            kinds: Collection[str] = {self.resource_type}
        else:
            kinds = self.definitions.resource_types if self.types is None else self.types
        patients = {each: self._patients(each) for each in sorted(kinds)}
        for name, value in self.functions:
            found = {
                each: listing.by_function(each, name, value, patients[each]) for each in patients
            }
            if self.resource_type is None:
                self.placed.append((name, found))
            else:
                self.predicates.append(found[self.resource_type])
        named = dict.fromkeys(chain.from_iterable(patients.values()))
        return tuple(each for _, value in self.functions for each in listing.expected(value, named))

    def _patients(self, kind: str) -> Mapping[str, str | None]:
        """Return the patients that the search of a type is about, each with the term that says so, if one does."""
        if self.subject is not None:
            return {self.subject: None}
        own = (found[kind] for _, found in self.placed if kind in found)
        return listing.patients_of(conjuncts(AllOf((*self.predicates, *own))))

    def _placed(self) -> tuple[tuple[str, Predicate], ...]:
        """Return what only some types can be asked; of the others none matches."""
        if not self.placed:
            return ()
        types = self.definitions.resource_types if self.types is None else self.types
        for name, found in self.placed:
            if types.isdisjoint(found):
                raise BadRequest(
                    f"{name} is asked of {', '.join(sorted(found))}, not of {', '.join(sorted(types))}"
                )
        return tuple(
            (each, AllOf(tuple(found.get(each, NOTHING) for _, found in self.placed)))
            for each in sorted(types)
        )

    def _apply_result_parameter(self, code: str, name: str, value: str) -> None:
        if not value:
            raise EmptyValue(f"{name}= has no value, and asks for nothing: leave it out")
        if code in _ONCE and any(code == each for each, _ in self.applied):
            raise BadRequest(f"{name}={shown(value)}: {code} is given twice, and taken once")
        if ":" in name and code not in {"_include", "_revinclude"}:
            raise BadRequest(
                f"{name}={shown(value)}: {code} has no modifiers, and is asked without"
            )
        READERS[code](self, name, value)


def _read_total(reading: Reading, _name: str, value: str) -> None:
    reading.total = _choice("_total", value, _TOTALS)


def _read_summary(reading: Reading, _name: str, value: str) -> None:
    reading.summary = _choice("_summary", value, _SUMMARIES)


def _read_elements(reading: Reading, _name: str, value: str) -> None:
    reading.elements = _names("_elements", value)


def _read_include(reading: Reading, name: str, value: str) -> None:
    reading.includes.append(parse_include(name, value, reading.resource_type, reading.definitions))


def _read_revinclude(reading: Reading, name: str, value: str) -> None:
    reading.revincludes.append(
        parse_revinclude(name, value, reading.resource_type, reading.definitions)
    )


def _read_count(reading: Reading, _name: str, value: str) -> None:
    if not (value.isascii() and value.isdigit()):
        raise BadRequest(f"_count={value}: this is a number of resources, 0 or more")
    most = reading.sizes.most
    # More digits than the largest page has are no more than that page.
    count = int(value) if len(value) <= len(str(most)) + 1 else most
    reading.count = min(count, most)
    reading.only_count = count == 0


def _read_sort(reading: Reading, _name: str, value: str) -> None:
    kinds = reading.kinds() or [reading.known]
    reading.sort += [sort_key(reading.known, kinds, each.strip()) for each in value.split(",")]
    if len(reading.sort) > MOST_SORT_KEYS:
        raise BadRequest(f"_sort={value}: {MOST_SORT_KEYS} keys are taken")


def _read_types(reading: Reading, _name: str, value: str) -> None:
    if reading.resource_type is not None:
        raise UnknownParameter("'_type' (it belongs to a search of all types)")
    names = _names("_type", value)
    for each in names:
        if each not in reading.definitions.resource_types:
            hint = nearest(each, dict.fromkeys(reading.definitions.resource_types))
            raise BadRequest(f"_type={value}: there is no resource type {each!r}{hint}")
    reading.types = frozenset(names)


def _read_contained(reading: Reading, _name: str, value: str) -> None:
    contained.check_type(reading.resource_type)
    reading.contained = _choice("_contained", value, _FOUND)


def _read_contained_type(reading: Reading, _name: str, value: str) -> None:
    reading.contained_type = _choice("_containedType", value, _ANSWERED)


READERS: dict[str, Callable[[Reading, str, str], None]] = {
    "_count": _read_count,
    "_sort": _read_sort,
    "_total": _read_total,
    "_elements": _read_elements,
    "_summary": _read_summary,
    "_include": _read_include,
    "_revinclude": _read_revinclude,
    "_type": _read_types,
    contained.CONTAINED: _read_contained,
    contained.CONTAINED_TYPE: _read_contained_type,
}
"""The result parameters: https://hl7.org/fhir/R4/search.html#modifyingresults."""


def _names(code: str, value: str) -> tuple[str, ...]:
    names = tuple(each.strip() for each in value.split(","))
    if not all(each.replace(".", "").replace("[x]", "").isalnum() for each in names):
        raise BadRequest(f"{code}={value}: these are names, separated by commas")
    return names


def _choice(code: str, value: str, choices: dict[str, _Choice]) -> _Choice:
    if value not in choices:
        raise BadRequest(f"{code}={value}: this is one of {', '.join(choices)}")
    return choices[value]
