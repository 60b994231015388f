"""What leads from one resource to another, and is followed by each member within what it has itself alone. Pure.

Where that may be less than one server with everything would find, each page says so. What the hub follows itself between members (`joining`, `referring`) is no part of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.federation.joined import Joined
from fhir_server.federation.referring import referring
from fhir_server.federation.search import Party, Question
from fhir_server.fhir.outcome import Issue
from fhir_server.search.expression import (
    AllOf,
    AnyOf,
    InHierarchy,
    Not,
    PointedToBy,
    PointsTo,
    Predicate,
)
from fhir_server.search.parsing import parse_query

WITHIN_MEMBERS = Issue(
    "information",
    "informational",
    "Each member followed what leads from one resource to another within what it has itself: what stands at another"
    " member does not count",
)


def crossings(question: Question, parties: Sequence[Party]) -> Sequence[Issue]:
    """Return what a page has to say of what its search leads through; nothing where members cannot have it apart."""
    query = question.query
    if followed := referring(question, parties):
        left = Joined(tuple(each.pair for each in followed), ()).rest(query).applied
        query = parse_query(question.resource_type, left, question.definitions, now=question.moment)
    holders = _searching(question.resource_type, parties)
    return [WITHIN_MEMBERS] if _crosses(query.plan.predicate, holders, parties) else []


def _crosses(predicate: Predicate, holders: frozenset[str], parties: Sequence[Party]) -> bool:
    """Tell whether what these members hold may be matched by what stands at another one."""
    match predicate:
        case PointsTo(target=target, predicate=inner):
            targets = _searching(target, parties)
            # Who has none of them is asked otherwise by the hub, or not at all.
            apart = len(targets) > 1 and not holders.isdisjoint(targets)
            return apart or _crosses(inner, targets, parties)
        case PointedToBy(source=source, predicate=inner):
            sources = _searching(source, parties)
            return len(holders | sources) > 1 or _crosses(inner, sources, parties)
        case InHierarchy():
            return len(holders) > 1
        case Not(inner):
            return _crosses(inner, holders, parties)
        case AllOf(parts) | AnyOf(parts):
            return any(_crosses(each, holders, parties) for each in parts)
        case _:
            return False


def _searching(resource_type: str, parties: Sequence[Party]) -> frozenset[str]:
    """Return the members that search a type."""
    found = (each for each in parties if each.capabilities.searches(resource_type))
    return frozenset(each.line.member.id for each in found)
