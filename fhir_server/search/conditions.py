"""One parameter that says what a resource must satisfy, as a predicate: plain, chained, or a filter. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from fhir_server.fhir.errors import BadRequest, shown
from fhir_server.search import chaining, filter_language, filter_operators, filtering
from fhir_server.search.chaining import Effort
from fhir_server.search.expression import AllOf, Not, Predicate
from fhir_server.search.filter_language import Comparison, Filter, Junction, Negation
from fhir_server.search.filtering import LONGEST_PARAMETER, EmptyValue, Known, UnknownParameter
from fhir_server.search.parameter_types.criterion import Surroundings, any_of


def predicate(known: Known, name: str, value: str, around: Surroundings) -> Predicate:
    """Return what a parameter asks; raise a BadRequest that says what is wrong with it."""
    asked = _Asked(name, value, around)
    return chaining.predicate(known, name, asked.at_end, effort=asked.effort)


def of_each_type(
    known: Known, name: str, value: str, around: Surroundings
) -> Mapping[str, Predicate]:
    """Return what a `_has` of a search of all types asks, by the types that it can be asked of."""
    asked = _Asked(name, value, around)
    return chaining.of_each_type(known, name, asked.at_end, effort=asked.effort)


def of_types(
    kinds: Iterable[Known], name: str, value: str, around: Surroundings
) -> Mapping[str, Predicate]:
    """Return what a parameter that several types share asks of each; raise UnknownParameter where one has it not."""
    asked, found = _Asked(name, value, around), {}
    lacking: dict[str, UnknownParameter] = {}
    for known in kinds:
        try:
            found[known.resource_type] = chaining.predicate(
                known, name, asked.at_end, effort=asked.effort
            )
        except UnknownParameter as refusal:
            lacking[known.resource_type] = refusal
    if lacking:
        raise UnknownParameter(f"{next(iter(lacking.values()))} of {', '.join(lacking)}")
    return found


@dataclass(slots=True)
class _Asked:
    """One parameter, and how far the chains went that it needed."""

    name: str
    value: str
    around: Surroundings
    effort: Effort = field(default_factory=Effort)

    def at_end(self, known: Known, name: str, hops: int) -> Predicate:
        """Return what is asked of the type that a chain leads to."""
        if name.partition(":")[0] != "_filter":
            within = f"{shown(self.name)}={shown(self.value)}" if hops else ""
            return filtering.predicate(known, name, self.value, self.around, within=within)
        if name != "_filter":
            raise BadRequest(f"{name}: _filter has no modifiers")
        if not self.value:
            raise EmptyValue("_filter has no value")
        if len(self.value) > LONGEST_PARAMETER:
            raise BadRequest(f"_filter is longer than {LONGEST_PARAMETER} characters")
        return _Filtering(self.around, self.effort).predicate(known, self.value, hops)


@dataclass(slots=True)
class _Filtering:
    """A filter on its way to be a predicate: `column` is that of the comparison under way."""

    around: Surroundings
    effort: Effort
    column: int = 1

    def predicate(self, known: Known, text: str, hops: int) -> Predicate:
        """Return what a filter asks of a type."""
        try:
            tree = filter_language.parsed(text)
        except BadRequest as refusal:
            raise BadRequest(f"_filter: {refusal}") from None
        try:
            return self._of(known, tree, hops)
        except BadRequest as refusal:
            raise type(refusal)(f"{refusal} (in _filter, column {self.column})") from None

    def _of(self, known: Known, tree: Filter, hops: int) -> Predicate:
        match tree:
            case Comparison():
                return self._comparison(known, tree, hops)
            case Negation(inner):
                return Not(self._of(known, inner, hops))
            case Junction("and", filters):
                return AllOf(tuple(self._of(known, each, hops) for each in filters))
            case Junction(_, filters):
                return any_of(self._of(known, each, hops) for each in filters)

    def _comparison(self, known: Known, asked: Comparison, hops: int) -> Predicate:
        self.column = asked.column
        beside = {
            hops + links: partial(self._beside, condition, hops + links)
            for links, condition in asked.conditions
        }
        end = partial(self._compared, asked)
        return chaining.predicate(
            known, asked.path, end, effort=self.effort, beside=beside, hops=hops
        )

    def _beside(self, condition: Filter, hops: int, known: Known) -> Predicate:
        return self._of(known, condition, hops)

    def _compared(self, asked: Comparison, known: Known, name: str, _hops: int) -> Predicate:
        self.column = asked.column
        return filter_operators.predicate(known, name, asked.operator, asked.value, self.around)
