"""`:below` and `:above` of references, where what they lead to is part of its own kind: places, organisations. Pure.

https://hl7.org/fhir/R4/search.html#recursive
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from fhir_server.conformance.definitions import Definitions
from fhir_server.fhir.errors import BadRequest
from fhir_server.fhir.resource import LOGICAL_ID
from fhir_server.search.expression import HasTerm, InHierarchy, PointsTo, Predicate
from fhir_server.search.parameter_types import reference
from fhir_server.search.parameter_types.criterion import Criterion, any_of
from fhir_server.search.paths import is_canonical
from fhir_server.search.record import reference_term

_SIDES: dict[str, Literal["above", "below"]] = {"above": "above", "below": "below"}

_UPWARD = ("partof", "part-of", "parent")
"""The codes of the parameters that lead from a part to the whole."""


def asks_hierarchy(definitions: Definitions, criterion: Criterion) -> bool:
    """Tell whether a reference has one of these modifiers; of a canonical URL they are about versions."""
    parameter = criterion.parameter
    if criterion.modifier not in _SIDES or parameter.type != "reference":
        return False
    return not is_canonical(definitions, parameter.expression)


def upward(definitions: Definitions, resource_type: str) -> str | None:
    """Return the parameter by which resources of a type are part of others of it, None if there is none."""
    known = definitions.search_parameters(resource_type)
    codes = [each for each in _UPWARD if each in known and known[each].targets == (resource_type,)]
    return codes[0] if codes else None


def predicate(definitions: Definitions, resource_type: str, criterion: Criterion) -> Predicate:
    """Return what `location:below=…` asks of a type; raise BadRequest where there is no hierarchy."""
    leading = _leading(definitions, resource_type, criterion)
    asked: list[Predicate] = []
    for name in reference.names(criterion):
        target, _, logical_id = name.partition("/")
        if target in leading and LOGICAL_ID.match(logical_id):
            asked += _alternatives(resource_type, criterion, leading[target], target, logical_id)
    if not asked:
        raise BadRequest(
            f"{criterion}: this is the id of a resource of this server that can be part of another:"
            f" {', '.join(f'{each}/…' for each in leading)}"
        )
    return any_of(asked)


def _leading(definitions: Definitions, resource_type: str, criterion: Criterion) -> dict[str, str]:
    """Return by target the parameter that leads upward there."""
    parameter = criterion.parameter
    if parameter.targets == (resource_type,):
        return {resource_type: parameter.code}
    targets = parameter.targets or sorted(definitions.resource_types)
    found = {each: code for each in targets if (code := upward(definitions, each))}
    if not found:
        raise BadRequest(
            f"{criterion}: {parameter.code} refers to {', '.join(targets)}, and none of these"
            " is part of another of its type"
        )
    return found


def _alternatives(
    resource_type: str, criterion: Criterion, link: str, target: str, logical_id: str
) -> Iterator[Predicate]:
    side, code = _SIDES[criterion.modifier or ""], criterion.parameter.code
    inner = InHierarchy(link, target, (logical_id,), side)
    if side == "below" and (target, link) == (resource_type, code):
        # What is part of it, or of what stands below it, stands below it.
        yield inner
    else:
        yield HasTerm(reference_term(code, f"{target}/{logical_id}"))
        yield PointsTo(code, target, inner)
