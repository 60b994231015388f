"""What a page of matches includes: `_include` and `_revinclude`, each row under the caller's sight.

References come from the index records, so that no body is parsed.
https://hl7.org/fhir/R4/search.html#include
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

from fhir_server.conformance.definitions import Definitions, SearchParameter
from fhir_server.fhir.outcome import Issue
from fhir_server.fhir.resource import Key
from fhir_server.interactions import canonical_links
from fhir_server.interactions.call import Call
from fhir_server.search.expression import HasAnyTerm, Include, Plan
from fhir_server.search.record import reference_term
from fhir_server.storage.pages import Position, Row

MOST_INCLUDED = 1_000
"""How many resources one page may include."""

DEEPEST = 5
"""How many steps away from a match an included resource may be."""

_T = TypeVar("_T")
_BATCH = 200
_REFERENCE = re.compile(r"([\w-]+)>([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})\Z")


@dataclass(frozen=True, slots=True)
class Included:
    """The rows that a page includes, in the order they were found, and what there is to tell."""

    rows: tuple[Row, ...] = ()
    issues: tuple[Issue, ...] = ()


NOTHING = Included()


@dataclass(frozen=True, slots=True)
class _Links:
    """The includes that apply to a row: forward (`_include`) and backward (`_revinclude`)."""

    forward: tuple[Include, ...]
    backward: tuple[Include, ...]

    def __bool__(self) -> bool:
        return bool(self.forward or self.backward)

    def iterating(self) -> _Links:
        """Return those that apply to included rows as well."""
        return _Links(
            tuple(each for each in self.forward if each.iterate),
            tuple(each for each in self.backward if each.iterate),
        )


async def follow(
    call: Call,
    includes: Sequence[Include],
    revincludes: Sequence[Include],
    matches: Sequence[Row],
    most: int = MOST_INCLUDED,
) -> Included:
    """Return what the matches include, each resource once; where something is cut off, an issue tells."""
    links = _Links(tuple(includes), tuple(revincludes))
    found: dict[Key, Row] = {}
    seen = {row.stored.key for row in matches}
    frontier = tuple(matches)
    for _ in range(DEEPEST):
        if not links or not frontier:
            return Included(tuple(found.values()))
        fresh: list[Row] = []
        async with aclosing(_one_step(call, links, frontier, seen)) as rows:
            async for row in rows:
                if len(found) == most:
                    return Included(tuple(found.values()), (_too_many(most),))
                seen.add(row.stored.key)
                found[row.stored.key] = row
                fresh.append(row)
        frontier, links = tuple(fresh), links.iterating()
    issues = (_too_deep(),) if links and frontier else ()
    return Included(tuple(found.values()), issues)


async def _one_step(
    call: Call, links: _Links, frontier: Sequence[Row], seen: set[Key]
) -> AsyncGenerator[Row, None]:
    """Yield the rows one link away that were not seen before."""
    referred = _referred(call.definitions, links.forward, frontier)
    wanted = [each for each in referred if each not in seen]
    for keys in _batches(wanted):
        for row in await call.store.read_many(call.sight, keys):
            yield row
    for plan in _searches(call, links, frontier):
        async with aclosing(_matches(call, plan)) as rows:
            async for row in rows:
                if row.stored.key not in seen:
                    yield row


def _searches(call: Call, links: _Links, frontier: Sequence[Row]) -> Iterator[Plan]:
    """Yield the searches for what is not named by type and id: what refers to the rows, and canonical URLs."""
    for include in links.forward:
        for rows in _batches(frontier):
            yield from canonical_links.referred(call.definitions, include, rows)
    for include in links.backward:
        for rows in _batches(frontier):
            yield _plan(call, include, rows)
            yield from canonical_links.referring(call.definitions, include, rows)


def _referred(
    definitions: Definitions, includes: Sequence[Include], rows: Sequence[Row]
) -> Iterable[Key]:
    """Return the keys that the rows refer to, each once, in the order of the rows."""
    return dict.fromkeys(
        key
        for row in rows
        for include in includes
        if include.source in {row.stored.key.type, "*"}
        for key in _references(row, include, definitions)
    )


def _references(row: Row, include: Include, definitions: Definitions) -> Iterator[Key]:
    """Yield what a row refers to; by `*` through what is searched by, which is less than what is indexed by."""
    prefix = None if include.parameter == "*" else f"{include.parameter}>"
    known = definitions.search_parameters(row.stored.key.type)
    for term in row.record.terms:
        if prefix is not None and not term.startswith(prefix):
            continue
        reference = _REFERENCE.match(term)
        if reference and reference[1] in known and include.target in {None, reference[2]}:
            yield Key(reference[2], reference[3])


def _plan(call: Call, include: Include, rows: Sequence[Row]) -> Plan:
    """Return the plan of what refers to one of the rows."""
    if include.source != "*":
        terms = _terms(call, include.source, include, rows)
        return Plan(frozenset({include.source}), HasAnyTerm(terms))
    kinds = sorted(call.definitions.resource_types)
    return Plan(
        None, placed=tuple((each, HasAnyTerm(_terms(call, each, include, rows))) for each in kinds)
    )


def _terms(call: Call, source: str, include: Include, rows: Sequence[Row]) -> tuple[str, ...]:
    """Return the terms of which a resource of the source has one if it refers to one of the rows."""
    keys = [row.stored.key for row in rows]
    return tuple(
        reference_term(parameter.code, str(key))
        for parameter in _parameters(call, source, include)
        for key in keys
        if include.target in {None, key.type} and key.type in (parameter.targets or (key.type,))
    )


def _parameters(call: Call, source: str, include: Include) -> Iterator[SearchParameter]:
    """Yield the reference parameters of the source that an include names."""
    for each in call.definitions.search_parameters(source).values():
        if each.type == "reference" and include.parameter in {"*", each.code}:
            yield each


async def _matches(call: Call, plan: Plan) -> AsyncGenerator[Row, None]:
    after: Position | None = None
    while True:
        page = await call.store.search(call.sight, plan, after, _BATCH)
        for row in page.rows:
            yield row
        if page.next is None:
            return
        after = page.next


def _batches(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(values), _BATCH):
        yield values[start : start + _BATCH]


def _too_many(most: int) -> Issue:
    message = f"Only the first {most} included resources are here; ask for a smaller _count"
    return Issue("warning", "too-costly", message)


def _too_deep() -> Issue:
    message = f"Includes were followed {DEEPEST} steps from each match, and no further"
    return Issue("warning", "too-costly", message)
