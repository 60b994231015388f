"""Where the matches of a plan stand, those of all types and ways in one order: what pages are cut from."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, groupby

from fhir_server.search.expression import Plan, SortKey
from fhir_server.search.ordering import PRIMARY, Order, completed
from fhir_server.storage.pages import Position
from fhir_server.storage.sqlite.budget import held
from fhir_server.storage.sqlite.candidates import Candidates
from fhir_server.storage.sqlite.contained import Inside
from fhir_server.storage.sqlite.pages import place_of, position_of
from fhir_server.storage.sqlite.sorting import Sorting
from fhir_server.storage.sqlite.windows import Window


def is_served(keys: tuple[SortKey, ...]) -> bool:
    """Tell whether the posting lists are in this order."""
    return len(keys) == 1 and keys[0].kind == PRIMARY


def positions(
    candidates: list[Candidates], keys: tuple[SortKey, ...], after: Position | None
) -> Iterator[Position]:
    """Yield the positions of the matches of all types, in order."""
    start = None if after is None else Order(keys, after)
    streams = [_orders(each, keys, start) for each in candidates]
    merged = streams[0] if len(streams) == 1 else heapq.merge(*streams)
    return (each.values for each in merged)


def positions_inside(
    candidates: Sequence[Candidates], inside: Sequence[Inside], plan: Plan, after: Position | None
) -> Iterator[Position]:
    """Yield the positions of what is inside other resources, or of these, beside what stands by itself.

    A position of one by itself ends with a number: 0 for a resource, -1, -2 … for those that it contains.
    """
    keys = completed(plan.sort)
    start = own = None if after is None else Order(keys, after)
    if start is not None and not _as_container(plan):
        own = replace(start, values=start.values[:-1])
    alone = (_orders(each, keys, own) for each in candidates)
    contained = (each.orders(keys, start) for each in inside)
    if not _as_container(plan):
        merged = heapq.merge(*map(_numbered, alone), *contained)
        return (each.values for each in merged)
    # A container may match as well.
    return (order.values for order, _ in groupby(heapq.merge(*alone, *contained)))


def _numbered(orders: Iterator[Order]) -> Iterator[Order]:
    return (replace(each, values=(*each.values, 0)) for each in orders)


def places_of(plan: Plan, found: Position) -> tuple[int, int | None]:
    """Return the rid of such a position, and which of its contained resources is the match."""
    if _as_container(plan):
        return int(found[-1] or 0), None
    rid, number = int(found[-2] or 0), int(found[-1] or 0)
    return rid, -1 - number if number else None


def number_inside(candidates: Sequence[Candidates], inside: Sequence[Inside], plan: Plan) -> int:
    """Return how many matches there are besides the candidates."""
    if not _as_container(plan):
        return sum(each.number() for each in inside)
    containers = held(chain.from_iterable(each.containers() for each in inside))
    counted = sum(
        len(each.checked([rid for rid, kind in containers if kind == each.view.kind]))
        for each in candidates
    )
    return len(containers) - counted


def _as_container(plan: Plan) -> bool:
    return plan.contained is not None and plan.contained.as_container


def _orders(
    candidates: Candidates, keys: tuple[SortKey, ...], start: Order | None
) -> Iterator[Order]:
    """Yield the matches of one type in order: as an index has them, else sorted."""
    after = None if start is None else start.values
    if is_served(keys):
        window = Window(place_of(after), descending=keys[0].descending)
        return (Order(keys, position_of(*each)) for each in candidates.in_order(window))
    return Sorting(candidates, keys).orders(start)
