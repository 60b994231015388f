"""Many sorted streams as one page: pure. What is missing is asked for, and given; nothing here waits.

The order is ours: its keys are taken from the resources that came, so that a member that does not keep the order is
found out. Of equals the members take turns, so that none hides the others; each has its own as it gave them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heapreplace
from typing import TypeAlias

from fhir_server.federation.accounts import Account, State
from fhir_server.federation.answers import Match, MemberPage
from fhir_server.federation.cursors import Place
from fhir_server.federation.duplicates import Same
from fhir_server.search.ordering import Order, SortValue

Judge: TypeAlias = Callable[[Match], "tuple[SortValue, ...] | None"]
"""Returns what a resource sorts by; None for one that is not to be shown. Raises ValueError for one that is none."""


@dataclass(slots=True)
class Stream:
    """What comes of one member: the page that is read, and what waits of it.

    `again`: part of this page was shown with the page before, and is passed over.
    """

    account: Account
    place: Place
    judge: Judge
    waiting: deque[Match] = field(default_factory=deque)
    included: tuple[Match, ...] = ()
    next: str | None = None
    arrived: bool = False
    again: bool = False
    head: tuple[Order, Match] | None = None
    seen: set[str] = field(default_factory=set)

    @property
    def open(self) -> bool:
        """Tell whether more may come of it."""
        return not (self.place.ended or self.account.frozen)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a match is: the member, and the address there."""

    member: str
    full_url: str


@dataclass(frozen=True, slots=True)
class Taken:
    """One match of the page, and where it comes from; `also`: where the same is, and is not shown again."""

    member: str
    match: Match
    also: list[Source] = field(default_factory=list)


@dataclass(slots=True)
class Merge:
    """One page in the making: `count` matches at most, by the order of the keys that `order` makes of values.

    It `looks_ahead` where a member may have more, and nothing of it to be shown: a link to a page without matches would
    tell of what was left out.

    `same` tells duplicates, `shown` what stands for them by key: where on this page, None on one before. Those that could
    not be named with it are `left_out`.
    """

    streams: Sequence[Stream]
    order: Callable[[tuple[SortValue, ...]], Order]
    count: int
    page: int
    looks_ahead: bool = False
    same: Same | None = None
    shown: dict[str, int | None] = field(default_factory=dict)
    taken: list[Taken] = field(default_factory=list)
    left_out: list[Source] = field(default_factory=list)

    def wanted(self) -> list[Stream]:
        """Return the streams that must be asked for a page before the next match is known; none: it is complete."""
        full = len(self.taken) >= self.count
        if full and (not self.looks_ahead or any(each.head for each in self.streams)):
            return []
        return [
            each for each in self.streams if each.open and each.head is None and not each.arrived
        ]

    def give(self, stream: Stream, page: MemberPage) -> None:
        """Take in a page of a member, and all that can be merged by now."""
        stream.waiting = deque(page.matches)
        stream.next, stream.arrived = page.next, True
        stream.included = (*stream.included, *page.included)
        stream.again = stream.place.begun
        stream.account.fetched += len(page.matches)
        if page.warned and stream.account.state == "ok":
            stream.account.state = "partial"
        self._advance(stream)

    def freeze(self, stream: Stream, state: State, problem: str = "") -> None:
        """Give a member up for the rest of the cursor."""
        stream.account.state, stream.account.problem = state, problem
        stream.account.frozen_at = self.page
        stream.head = None
        stream.waiting.clear()

    def merge(self) -> None:
        """Take what can be taken, until the page is full or a stream has to be asked."""
        if not self.wanted():
            self._take_in_turn()
        for each in self.streams:
            # So that as many as are known are named with what stands for them.
            while each.head is not None and self._is_on_this_page(each.head[1]):
                self._take(each)

    def _take_in_turn(self) -> None:
        """Take the least of what stands first, again and again, until the page is full or a stream has to be asked."""
        ready = [(*_place_of_head(each), n) for n, each in enumerate(self.streams) if each.head]
        heapify(ready)
        while ready and len(self.taken) < self.count:
            number = ready[0][2]
            stream = self.streams[number]
            self._take(stream)
            if stream.head is not None:
                heapreplace(ready, (*_place_of_head(stream), number))
            elif stream.open and not stream.arrived:
                return
            else:
                heappop(ready)

    @property
    def more(self) -> bool:
        """Tell whether a further page may hold something, or, looking ahead, does."""
        if self.looks_ahead:
            return any(each.head is not None for each in self.streams)
        return any(each.open for each in self.streams)

    def _take(self, stream: Stream) -> None:
        assert stream.head is not None, "the stream is ready"
        order, match = stream.head
        key = None if self.same is None else self.same(match)
        if key is not None and key in self.shown:
            self._leave_out(self.shown[key], Source(stream.account.member, match.full_url))
        else:
            if key is not None:
                self.shown[key] = len(self.taken)
            self.taken.append(Taken(stream.account.member, match))
            stream.account.emitted += 1
        stream.place = stream.place.after(order.values, match.full_url)
        self._advance(stream)

    def _leave_out(self, place: int | None, source: Source) -> None:
        """Name a match with the one that stands for it, at this place of the page; None: on a page before."""
        (self.left_out if place is None else self.taken[place].also).append(source)

    def _is_on_this_page(self, match: Match) -> bool:
        """Tell whether one that is the same stands on this page."""
        key = None if self.same is None else self.same(match)
        return key is not None and self.shown.get(key) is not None

    def _advance(self, stream: Stream) -> None:
        """Find the next match of a stream that is to be shown."""
        stream.head = None
        while stream.waiting:
            match = stream.waiting.popleft()
            if match.full_url in stream.seen:
                self.freeze(stream, "error", "it repeats what it has answered before")
                return
            stream.seen.add(match.full_url)
            try:
                values = stream.judge(match)
            except ValueError as problem:
                self.freeze(stream, "error", str(problem))
                return
            if values is not None and not self._was_shown(stream, match, values):
                self._set_head(stream, match, values)
                return
        self._turn(stream)

    def _was_shown(self, stream: Stream, match: Match, values: tuple[SortValue, ...]) -> bool:
        """Tell whether a match of a page that is read again stands no later than what was shown."""
        last = stream.place.last
        if not stream.again or last is None:
            return False
        return match.full_url in stream.place.passed or self.order(values) < self.order(last)

    def _set_head(self, stream: Stream, match: Match, values: tuple[SortValue, ...]) -> None:
        order, last = self.order(values), stream.place.last
        if last is not None and order < self.order(last):
            self.freeze(stream, "order-violation")
        else:
            stream.head = (order, match)

    def _turn(self, stream: Stream) -> None:
        """Go on to the next page of a member, which is yet to be asked for; or its end."""
        stream.arrived = False
        stream.place = stream.place.turned(stream.next)


def _place_of_head(stream: Stream) -> tuple[Order, int]:
    assert stream.head is not None, "the stream is ready"
    return stream.head[0], stream.account.emitted
