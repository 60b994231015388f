"""A search of all members as one: https://hl7.org/fhir/R4/search.html.

Asked of each what it can answer, merged in one order, every member accounted for on every page. A member that failed is
not asked again by the same cursor: what it has is reported missing, and `missing` leads to it alone.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, TypeVar

from fhir_server.conformance.definitions import Definitions
from fhir_server.federation.accounts import Account
from fhir_server.federation.answers import Match
from fhir_server.federation.asking import COUNTED_TOGETHER, Asking
from fhir_server.federation.clearing import Clearing
from fhir_server.federation.cursors import FederatedCursor, Place, Standing
from fhir_server.federation.dividing import divided, keeps_order, sort_pairs
from fhir_server.federation.duplicates import MOST_SEEN, SHOW_ALL, Duplicates, Mode
from fhir_server.federation.including import led_to
from fhir_server.federation.joined import Joined, Pairs
from fhir_server.federation.lines import Line
from fhir_server.federation.linking import belonging
from fhir_server.federation.members import Capabilities
from fhir_server.federation.merging import Judge, Merge, Source, Stream, Taken
from fhir_server.federation.persons import PersonIndex
from fhir_server.federation.totals import Total, counted, total_of
from fhir_server.federation.transport import Failed
from fhir_server.fhir.errors import TooCostly
from fhir_server.search.expression import SortKey
from fhir_server.search.filtering import known_parameters
from fhir_server.search.indexing import Extractor
from fhir_server.search.ordering import Order, SortValue, completed
from fhir_server.search.parsing import Query
from fhir_server.search.primary import primary_parameter

T = TypeVar("T")

MOST_PAGES = 50
"""Pages of one member that one page of the hub may need."""


@dataclass(frozen=True, slots=True)
class Party:
    """A member that takes part: the line to it, what it declares, what reads its resources, what clears them.

    `joined` is what it is asked in the place of a chain that leads to other members; `persons` are whom it knows.
    """

    line: Line
    capabilities: Capabilities
    extractor: Extractor
    clearing: Clearing | None = None
    joined: Joined | None = None
    persons: PersonIndex | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of all. `headers` go to each member; `until` is a moment of the event loop.

    `duplicates` are for the first page: those that follow go on as it began.
    """

    query: Query
    resource_type: str
    definitions: Definitions
    headers: Mapping[str, str]
    moment: int
    until: float
    duplicates: Duplicates = SHOW_ALL


@dataclass(frozen=True, slots=True)
class Federated:
    """One page. `cursor` is where the next one starts, None at the end; `missing` where what failed is asked anew.

    `total` is the number of all matches, or what there are at least.
    """

    taken: Sequence[Taken]
    included: Sequence[Taken]
    accounts: Sequence[Account]
    cursor: FederatedCursor | None
    missing: FederatedCursor | None
    total: Total
    left_out: Sequence[Source] = ()
    duplicates: Mode = "off"


async def federated_search(
    question: Question, parties: Sequence[Party], cursor: FederatedCursor | None = None
) -> Federated:
    """Return a page: the first, or the one at the cursor. No failure of a member is raised: all are in the accounts."""
    query = question.query
    askings = {each.line.member.id: _asking(question, each) for each in parties}
    standings = _begun(askings) if cursor is None else _known(cursor, askings)
    streams = [Stream(each.account, each.place, _judge(askings, each)) for each in standings]
    order = _order(completed(query.plan.sort))
    page = 1 if cursor is None else cursor.page + 1
    cleared = any(each.clearing is not None for each in parties)
    duplicates = question.duplicates.known_by(None if cursor is None else cursor.duplicates)
    before = dict.fromkeys(() if cursor is None else cursor.shown)
    if len(before) > MOST_SEEN:
        raise TooCostly(f"Duplicates are told among the first {MOST_SEEN} matches: ask for less")
    merge = Merge(
        streams, order, query.count, page, cleared, same=duplicates.same, shown={**before}
    )
    rest = cursor is not None and cursor.rest
    for stream in streams:
        stream.account.milliseconds = 0
    await _fill(merge, askings, question.until, first=cursor is None)
    return Federated(
        merge.taken,
        [each for stream in streams for each in _included(merge, stream, askings, query)],
        [each.account for each in streams],
        _cursor(merge, question.moment, duplicates.mode, rest=rest),
        _missing(merge, question.moment, duplicates.mode),
        total_of(merge, rest=rest),
        merge.left_out,
        duplicates.mode,
    )


async def federated_count(question: Question, parties: Sequence[Party]) -> Federated:
    """Return the total alone, or what there are at least where a member did not tell it."""
    askings = {each.line.member.id: _asking(question, each) for each in parties}
    standings = _begun(askings, (("_summary", "count"),))

    async def ask(standing: Standing) -> None:
        asking, place = askings[standing.account.member], standing.place
        if standing.account.frozen or place.ended:
            standing.account.total = 0
            return
        try:
            counting = asking.total(place.url, until=question.until)
            total = await _timed(counting, standing.account)
        except Failed as failure:
            _give_up(standing.account, failure)
        else:
            standing.account.total = total

    await _all(ask(each) for each in standings)
    accounts = [each.account for each in standings]
    return Federated((), (), accounts, None, None, counted(accounts))


async def _fill(merge: Merge, askings: Mapping[str, Asking], until: float, *, first: bool) -> None:
    """Fetch and merge until the page is full, or nothing more is there; the `first` page of each tells its total."""
    pages: Counter[str] = Counter()

    async def ask(stream: Stream) -> None:
        member = stream.account.member
        pages[member] += 1
        if pages[member] > MOST_PAGES:
            merge.freeze(stream, "error", f"one page of this needs more than {MOST_PAGES} of its")
            return
        try:
            page = await _timed(askings[member].page(stream.place.url, until=until), stream.account)
        except Failed as failure:
            merge.freeze(stream, failure.state, str(failure))
        else:
            if first and pages[member] == 1:
                stream.account.total = page.total
            merge.give(stream, page)

    while wanted := merge.wanted():
        await _all(ask(each) for each in wanted)
        merge.merge()


async def _timed(answering: Awaitable[T], account: Account) -> T:
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        return await answering
    finally:
        account.milliseconds += round((loop.time() - began) * 1000)


async def _all(waits: Iterable[Coroutine[Any, Any, None]]) -> None:
    async with asyncio.TaskGroup() as group:
        for each in waits:
            group.create_task(each)


def _asking(question: Question, party: Party) -> Asking:
    division = divided(
        question.query if party.joined is None else party.joined.rest(question.query),
        question.resource_type,
        party.capabilities,
        party.extractor,
        now=question.moment,
    )
    keys = completed(question.query.plan.sort)
    # Where the member answers all of it, nothing is looked at here but the order.
    extractor = party.extractor.for_order(keys) if division.whole else party.extractor
    ordered = party.line.member.sorted and keeps_order(
        question.query, question.resource_type, party.capabilities, question.definitions
    )
    return Asking(
        party.line,
        question.resource_type,
        division,
        keys,
        extractor,
        question.headers,
        _form(question, party, ordered=ordered),
        ordered,
        party.capabilities.abilities.page(COUNTED_TOGETHER),
        party.clearing,
        party.joined,
    )


def _begun(askings: Mapping[str, Asking], form: Pairs | None = None) -> list[Standing]:
    """Return where each member stands before the first page: those that cannot be asked are given up."""
    found = []
    for asking in askings.values():
        account = Account(asking.line.member.id, ods=asking.line.member.ods)
        if asking.line.member.withheld:
            _give_up(account, Failed("suspended", asking.line.member.withheld))
        elif asking.division.problem:
            _give_up(account, Failed("unsupported", asking.division.problem))
        elif asking.joined is not None and asking.joined.lacking:
            account.state, account.problem = "partial", asking.joined.lacking
        url = asking.first(asking.form if form is None else form)
        # A chain that led nowhere leaves nothing to ask.
        found.append(Standing(account, Place(url, ended=not url)))
    return found


def _form(question: Question, party: Party, *, ordered: bool) -> Pairs:
    """Return what a member is asked for besides the criteria: the order, the size of a page, the total if it is to be told."""
    query, capabilities = question.query, party.capabilities
    known = known_parameters(question.definitions, question.resource_type).parameters
    cannot = party.line.member.sorted and not ordered
    return (
        *(() if cannot else sort_pairs(query, primary_parameter(known))),
        ("_count", str(capabilities.abilities.page(query.count))),
        *((("_total", "accurate"),) if query.total == "accurate" else ()),
    )


def _known(cursor: FederatedCursor, askings: Mapping[str, Asking]) -> list[Standing]:
    """Return where each member stands; one that was taken out of the register, or withheld, meanwhile is given up."""
    for each in cursor.standings:
        asking = askings.get(each.account.member)
        if each.account.frozen:
            continue
        if asking is None:
            _give_up(each.account, Failed("error", "it is no member any more"), cursor.page + 1)
        elif asking.line.member.withheld:
            failure = Failed("suspended", asking.line.member.withheld)
            _give_up(each.account, failure, cursor.page + 1)
    return cursor.standings


def _judge(askings: Mapping[str, Asking], standing: Standing) -> Judge:
    asking = askings.get(standing.account.member)
    return _nothing if asking is None else asking.judge


def _nothing(_: Match) -> None:
    return None


def _order(keys: tuple[SortKey, ...]) -> Callable[[tuple[SortValue, ...]], Order]:
    return lambda values: Order(keys, values)


def _give_up(account: Account, failure: Failed, page: int = 1) -> None:
    account.state, account.problem, account.frozen_at = failure.state, str(failure), page


def _included(
    merge: Merge, stream: Stream, askings: Mapping[str, Asking], query: Query
) -> list[Taken]:
    member = stream.account.member
    if not stream.included:
        return []
    shown = [each.match for each in merge.taken if each.member == member]
    base, clearing = askings[member].line.member.base, askings[member].clearing
    if clearing is None:
        found = belonging(shown, stream.included, base)
    else:
        found = led_to(shown, stream.included, query, clearing.extractor)
    # Not as they came: that depends on where the member's pages end, and so on what was left out.
    return [Taken(member, each) for each in sorted(found, key=attrgetter("full_url"))]


def _cursor(merge: Merge, moment: int, mode: Mode, *, rest: bool) -> FederatedCursor | None:
    if not merge.more:
        return None
    standings = [Standing(each.account, each.place) for each in merge.streams]
    return FederatedCursor(merge.page, moment, standings, mode, [*merge.shown], rest)


def _missing(merge: Merge, moment: int, mode: Mode) -> FederatedCursor | None:
    """Return where those that failed are asked anew, from where they stood; not those that cannot be asked this."""
    failed = [
        Standing(Account(each.account.member, ods=each.account.ods), each.place)
        for each in merge.streams
        if each.account.frozen and each.account.state not in {"unsupported", "unauthorised"}
    ]
    return FederatedCursor(0, moment, failed, mode, [*merge.shown], rest=True) if failed else None
