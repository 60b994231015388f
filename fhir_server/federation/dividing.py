"""Who answers which part of a question: a member what it declares, the hub the rest; never less is asked. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from fhir_server.conformance.definitions import Definitions
from fhir_server.federation.members import Capabilities
from fhir_server.fhir.errors import NotSupported
from fhir_server.search.expression import EVERYTHING, Predicate, is_of_several
from fhir_server.search.indexing import Extractor
from fhir_server.search.parsing import parse_query
from fhir_server.search.primary import primary_parameter
from fhir_server.search.query import Query

_EVERYWHERE = frozenset({"_id", "_lastUpdated"})
"""Parameters that every server has, whether it declares them or not: the hub looks at what comes all the same."""

_HUB = frozenset(
    {"_sort", "_count", "_total", "_elements", "_summary", "_cursor", "_format", "_pretty"}
)
"""What is about the page as a whole, and so the hub's own."""

_INCLUDES = frozenset({"_include", "_revinclude"})

_UNDECLARED = frozenset({"_has", "_filter", "_text", "_content", "_list"})
"""Parameters that no CapabilityStatement has to declare: a member that applied them says so in its self link."""

Answering: TypeAlias = Literal["member", "hub", "self-link"]
"""Who answers a parameter: the member, the hub on what it answers, or the member if its self link says so."""


@dataclass(frozen=True, slots=True)
class Division:
    """`pushed` is asked of the member, `residual` looked at here on what it answers.

    `problem`: why it cannot be asked this at all; nothing else counts then.
    """

    pushed: tuple[tuple[str, str], ...] = ()
    residual: Predicate = EVERYTHING
    problem: str = ""

    @property
    def whole(self) -> bool:
        """Tell whether the member answers all of it, so that its total is the total."""
        return self.residual == EVERYTHING


def check_served(query: Query) -> None:
    """Raise NotSupported for what members' answers cannot be merged by."""
    for name, value in query.applied:
        if _code(name) in {"_contained", "_containedType"}:
            raise NotSupported(
                f"{name}={value}: contained resources are searched at a member itself"
            )


def divided(
    query: Query,
    resource_type: str,
    capabilities: Capabilities,
    extractor: Extractor,
    *,
    now: int,
) -> Division:
    """Return how a search is divided between a member and the hub; `now` is in microseconds.

    The extractor is the one that reads the member's resources.
    """
    if not capabilities.searches(resource_type):
        return Division(problem=f"it does not search {resource_type}")
    asked = [pair for pair in query.applied if _code(pair[0]) not in _HUB]
    pushed = [pair for pair in asked if _is_pushed(pair[0], resource_type, capabilities, extractor)]
    left = [pair for pair in asked if pair not in pushed]
    if not left:
        return Division(tuple(pushed))
    residual = parse_query(
        resource_type,
        left,
        extractor.definitions,
        now=now,
        base_url=extractor.base_url,
        zone=extractor.zone.key,
    ).plan
    if is_of_several(residual.predicate):
        names = ", ".join(name for name, _ in left)
        return Division(problem=f"it does not declare {names}, which is about other resources too")
    return Division(tuple(pushed), residual.predicate)


def _is_pushed(
    name: str, resource_type: str, capabilities: Capabilities, extractor: Extractor
) -> bool:
    code = _code(name)
    if code in _INCLUDES:
        return True
    if answering(code, resource_type, capabilities) == "hub":
        return False
    parameter = extractor.definitions.search_parameters(resource_type).get(code)
    if "." in name or parameter is None:
        # What a chain ends in, the member alone can tell; it refuses what it does not know.
        return True
    modifier = name.partition(":")[2]
    return not modifier or capabilities.abilities.takes(
        resource_type, code, parameter.type, modifier
    )


def keeps_order(
    query: Query, resource_type: str, capabilities: Capabilities, definitions: Definitions
) -> bool:
    """Tell whether a member may be asked for the order: only one that tells how it sorts is known not to."""
    if capabilities.abilities.sortable is None:
        return True
    known = definitions.search_parameters(resource_type)
    pairs = sort_pairs(query, primary_parameter(known))
    codes = [each.strip().removeprefix("-") for _, value in pairs for each in value.split(",")]
    return all(
        answering(each, resource_type, capabilities) == "member"
        and capabilities.abilities.sorts(known[each].type)
        for each in codes
    )


def answering(code: str, resource_type: str, capabilities: Capabilities) -> Answering:
    """Return who answers a parameter for a member, by what it declares."""
    if capabilities.knows(resource_type, code) or code in _EVERYWHERE:
        return "member"
    return "self-link" if code in _UNDECLARED else "hub"


def to_be_shown(url: str) -> frozenset[str]:
    """Return the parameters of a URL that the self link of its answer must have: else they may be left out in silence."""
    if not any(each in url for each in _UNDECLARED):
        return frozenset()
    names = (name for name, _ in parse_qsl(urlsplit(url).query))
    return frozenset(name for name in names if _code(name) in _UNDECLARED)


def sort_pairs(query: Query, primary: str | None) -> tuple[tuple[str, str], ...]:
    """Return the order that a member is asked for: the client's, else the newest first by the type's primary date."""
    asked = tuple(pair for pair in query.applied if pair[0] == "_sort")
    if asked or primary is None:
        return asked
    return (("_sort", f"-{primary}"),)


def _code(name: str) -> str:
    """Return the code of a parameter, without modifier and chain."""
    return name.partition(":")[0].partition(".")[0]
