"""Pages and totals of searches for what is inside other resources, or of these, and of what stands by itself."""

from __future__ import annotations

from dataclasses import replace
from heapq import nsmallest

from msgspec import structs

from fhir_server.search.expression import Contained, Plan
from fhir_server.search.ordering import Order, completed
from fhir_server.storage.mongo.conditions import both
from fhir_server.storage.mongo.contained import Inside
from fhir_server.storage.mongo.documents import Document, row_of
from fhir_server.storage.mongo.planning import Wanted
from fhir_server.storage.mongo.searching import Searcher
from fhir_server.storage.pages import Count, Page, Position, Row


async def page(searcher: Searcher, plan: Plan, after: Position | None, limit: int) -> Page:
    """Return the next visible matches; raise TooCostly or OutOfTime."""
    if plan.contained is None:
        return await searcher.page(plan, after, limit)
    keys, asked = completed(plan.sort), plan.contained
    start = own = None if after is None else Order(keys, after)
    if start is not None and not asked.as_container:
        own = replace(start, values=start.values[:-1])
    found: dict[Order, Document] = {}
    for kind in await searcher.kinds(plan):
        if not asked.alone:
            wanted = await searcher.wanted(kind, plan.predicate_of(kind))
            alone = await searcher.first(wanted, keys, own, limit + 1, wanted.members)
            found |= {_numbered(each, asked): document for each, document in alone}
        # A container that matches as well is the same match.
        found |= dict(await _inside(searcher, kind, plan, asked).first(keys, start, limit + 1))
    orders = nsmallest(limit + 1, found)
    documents = await searcher.rows([found[each] for each in orders[:limit]])
    rows = [_row(document, each, asked) for document, each in zip(documents, orders, strict=False)]
    return Page(tuple(rows), orders[limit - 1].values if len(orders) > limit else None)


async def count(searcher: Searcher, plan: Plan) -> Count:
    """Return the number of visible matches; raise TooCostly or OutOfTime."""
    if plan.contained is None:
        return await searcher.count(plan)
    number = 0
    for kind in await searcher.kinds(plan):
        own = await searcher.wanted(kind, plan.predicate_of(kind))
        if not plan.contained.alone:
            number += await searcher.counted(own)
        number += await _count_inside(searcher, own, plan, plan.contained)
    return Count(number, exact=True)


async def _count_inside(searcher: Searcher, own: Wanted, plan: Plan, asked: Contained) -> int:
    """Count what is inside others, containers that match themselves left out."""
    number = 0
    async for document, inner in _inside(searcher, own.kind, plan, asked).containers():
        if not asked.as_container:
            number += len(inner)
        elif asked.alone or document["t"] != own.kind:
            number += 1
        else:
            itself = replace(own, condition=both({"_id": document["_id"]}, own.condition))
            number += await searcher.counted(itself) == 0
    return number


def _inside(searcher: Searcher, kind: str, plan: Plan, asked: Contained) -> Inside:
    return Inside(
        searcher.door,
        kind,
        plan.predicate_of(kind),
        asked,
        searcher.settled,
    )


def _numbered(order: Order, asked: Contained) -> Order:
    """Return where a resource stands among those that it contains: before them."""
    return order if asked.as_container else replace(order, values=(*order.values, 0))


def _row(document: Document, order: Order, asked: Contained) -> Row:
    number = 0 if asked.as_container else int(order.values[-1] or 0)
    return structs.replace(row_of(document), inside=-1 - number if number else None)
