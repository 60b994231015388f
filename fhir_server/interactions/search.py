"""The search interaction: https://hl7.org/fhir/R4/search.html."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import msgspec

from fhir_server.fhir.outcome import Issue
from fhir_server.fhir.resource import Key
from fhir_server.interactions.addressing import check_type
from fhir_server.interactions.call import Call
from fhir_server.interactions.contained import drawn_out, referring
from fhir_server.interactions.counting import as_told, check_countable
from fhir_server.interactions.including import NOTHING, follow
from fhir_server.search.compartments import within
from fhir_server.search.listing import Expected
from fhir_server.search.parsing import parse_query
from fhir_server.search.query import Query
from fhir_server.storage.pages import Count, Position, Row
from fhir_server.storage.parameters import Stamp


class Found(msgspec.Struct, frozen=True):
    """One page of a search. `total` None: not counted; not `total_exact`: at least that many.

    `stamp` is that of its page, where nothing was read after it.
    """

    query: Query
    rows: tuple[Row, ...]
    included: tuple[Row, ...]
    next: Position | None
    total: int | None
    total_exact: bool
    issues: tuple[Issue, ...]
    stamp: Stamp | None = None


async def search(  # noqa: PLR0913 - options, each by keyword
    call: Call,
    resource_type: str | None,
    pairs: Sequence[tuple[str, str]],
    *,
    after: Position | None,
    now: int,
    owner: Key | None = None,
) -> Found:
    """Return one page of what matches, and what it includes; `now` is in microseconds.

    Of an `owner` only what is in its compartment; whether it exists makes no difference.
    """
    call, query = understood(call, resource_type, pairs, now=now, owner=owner)
    issues = [_ignored(*each) for each in query.ignored]
    if query.lists and after is None:
        issues += [each async for each in _missing(call, query.lists)]
    if query.only_count:
        counted = await call.store.count(call.sight, query.plan)
        if call.rounded:
            number, told = as_told(call, counted)
            return Found(query, (), (), None, number, number is not None, (*issues, told))
        issues += _inexact(counted)
        return Found(query, (), (), None, counted.number, counted.exact, tuple(issues))
    page = await call.store.search(
        call.sight, query.plan, after, query.count, records=query.needs_records
    )
    rows, matches = page.rows, page.rows
    if query.plan.contained is not None:
        rows, matches = tuple(map(drawn_out, rows)), tuple(map(referring, rows))
    included = NOTHING
    if query.includes or query.revincludes:
        included = await follow(call, query.includes, query.revincludes, matches)
        issues += included.issues
    is_all, count = included is NOTHING, None
    if after is None and page.next is None:
        count = Count(len(rows), exact=True)
    elif query.total != "none":
        is_all, count = False, await call.store.count(call.sight, query.plan)
        issues += _inexact(count)
    return Found(
        query,
        rows,
        included.rows,
        page.next,
        total=None if count is None else count.number,
        total_exact=count is not None and count.exact,
        issues=tuple(issues),
        stamp=page.stamp if is_all else None,
    )


def understood(
    call: Call,
    resource_type: str | None,
    pairs: Sequence[tuple[str, str]],
    *,
    now: int,
    owner: Key | None,
) -> tuple[Call, Query]:
    """Return what is searched for, and the call with the rights for it.

    Raise NotFound for an unknown type, BadRequest for what is not served, InsufficientScope.
    """
    if resource_type is not None:
        check_type(call, resource_type)
    query = parse_query(
        resource_type,
        pairs,
        call.definitions,
        now=now,
        lenient=call.lenient,
        base_url=call.base_url,
        zone=call.extractor.zone.key,
        sizes=call.page_sizes,
        subject=owner.id if owner is not None and owner.type == "Patient" else None,
    )
    types = sorted(query.plan.types or ())
    call = call.counting(*types) if query.only_count else call.to("s", *types)
    if call.rounded:
        check_countable(call, query, owner)
    if owner is not None:
        query = replace(query, plan=within(query.plan, owner, call.definitions))
    return call, query


async def _missing(call: Call, lists: Sequence[Expected]) -> AsyncIterator[Issue]:
    """Yield a warning for each list that a search goes by, and that is not there: no list is no empty list."""
    for each in lists:
        page = await call.store.search(call.sight, each.plan, None, 1)
        if not page.rows:
            message = (
                f"Patient/{each.patient} has no current List of the function {each.function}: "
                "that nothing is found on it does not say that there is nothing"
            )
            yield Issue("warning", "not-found", message)


def _ignored(name: str, reason: str) -> Issue:
    return Issue("warning", "not-supported", f"The parameter {name} was left out: {reason}")


def _inexact(count: Count) -> list[Issue]:
    if count.exact:
        return []
    message = f"The total is at least {count.number}; counting on would have cost too much"
    return [Issue("information", "too-costly", message)]
