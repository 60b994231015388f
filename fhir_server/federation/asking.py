"""One member's part of one search: its pages, by the line to it, and what the hub itself looks at on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

from fhir_server.federation.answers import BadAnswer, Match, MemberPage, member_page
from fhir_server.federation.clearing import Clearing
from fhir_server.federation.dividing import Division, to_be_shown
from fhir_server.federation.joined import Joined, Pairs
from fhir_server.federation.lines import Line
from fhir_server.federation.transport import Failed
from fhir_server.fhir.errors import FhirError
from fhir_server.fhir.json import parse
from fhir_server.fhir.resource import Resource
from fhir_server.search.expression import SortKey
from fhir_server.search.indexing import Extractor
from fhir_server.search.matching import matches, sort_key
from fhir_server.search.ordering import Order, SortValue

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MOST_UNSORTED = 1_000
"""Matches that are fetched of a member that keeps no order, to put them in order here."""

MOST_COUNTED = 5_000
"""Matches of a member that are counted one by one, where its own total would count what may not be shown."""
COUNTED_TOGETHER = 500
"""Matches that are asked for at once to be counted."""


@dataclass(frozen=True, slots=True)
class Asking:
    """How one member is asked: `keys` are the completed sort keys, `headers` go with each request.

    `form` is asked besides the criteria, `together` are the matches of a page that is counted. Not `ordered`: it is not asked for the order, or does not keep it.
    `clearing` leaves out what may not be shown, None where all may. `joined` is asked in turns, in the place of a chain.
    """

    line: Line
    resource_type: str
    division: Division
    keys: tuple[SortKey, ...]
    extractor: Extractor
    headers: Mapping[str, str]
    form: Pairs = ()
    ordered: bool = True
    together: int = COUNTED_TOGETHER
    clearing: Clearing | None = None
    joined: Joined | None = None

    @property
    def whole(self) -> bool:
        """Tell whether the member answers all of it at once, and all of that may be shown: its total is the total."""
        at_once = self.joined is None or len(self.joined.turns) == 1
        return self.division.whole and at_once and self.clearing is None

    def first(self, pairs: Pairs) -> str:
        """Return the URL of the first page; where it is asked in turns those of each, with spaces between."""
        turns: tuple[Pairs, ...] = ((),) if self.joined is None else self.joined.turns
        return " ".join(self._url((*self.division.pushed, *turn, *pairs)) for turn in turns)

    def _url(self, pairs: Pairs) -> str:
        query = urlencode(pairs, safe="/:,$|", quote_via=quote)
        return f"{self.line.member.base}/{self.resource_type}?{query}"

    async def page(self, url: str, *, until: float) -> MemberPage:
        """Return a page; raise Failed. `until` is a moment of the event loop. A total that it has is that of matches."""
        first, *turns = url.split(" ")
        page = await self._page(first, until)
        if self.ordered and not turns:
            return page if self.whole else replace(page, total=None)
        return await self._all(page, turns, until)

    def judge(self, match: Match) -> tuple[SortValue, ...] | None:
        """Return what a match sorts by, None where it is no match after all; raise ValueError."""
        try:
            resource = parse(match.resource)
            record = self.extractor.extract(resource)
            updated = _moment(resource)
        except (FhirError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"{match.type}/{match.id} cannot be read") from error
        if not matches(self.division.residual, record, updated=updated):
            return None
        return tuple(sort_key(record, each, updated=updated) for each in self.keys)

    async def _page(self, url: str, until: float) -> MemberPage:
        content = await self.line.get(url, self.headers, until=until)
        try:
            page = member_page(
                content, asked=url, base=self.line.member.base, resource_type=self.resource_type
            )
        except BadAnswer as problem:
            raise Failed("error", str(problem)) from problem
        left_out = to_be_shown(url) - page.applied
        if left_out:
            raise Failed("unsupported", f"it left out {', '.join(sorted(left_out))}")
        return page if self.clearing is None else await self.clearing.cleared(page, until=until)

    async def total(self, url: str, *, until: float) -> int | None:
        """Return how many matches may be shown: what the member tells at this URL, if that counts; raise Failed."""
        return (await self._page(url, until)).total if self.whole else await self._count(until)

    async def _count(self, until: float) -> int:
        """Return how many matches there are, each looked at."""
        ahead, seen = self.first((("_count", str(self.together)),)).split(" "), set[str]()
        found: dict[str, bool] = {}
        while ahead:
            url = ahead.pop(0)
            if url in seen or len(found) > MOST_COUNTED:
                told = f"it has over {MOST_COUNTED} matches, which are counted here"
                raise Failed("unsupported", told)
            seen.add(url)
            page = await self._page(url, until)
            found |= {each.full_url: self._judged(each) is not None for each in page.matches}
            if page.next is not None:
                ahead.insert(0, page.next)
        return sum(found.values())

    async def _all(self, page: MemberPage, turns: list[str], until: float) -> MemberPage:
        """Return all pages as one, in our order: nothing can be shown before all is known."""
        ahead, seen = [*turns], set[str]()
        found = {each.full_url: each for each in page.matches}
        included, warned = [*page.included], page.warned
        while page.next is not None or ahead:
            url = page.next or ahead.pop(0)
            if len(found) > MOST_UNSORTED or url in seen:
                asked = "is asked in turns" if turns else "keeps no order"
                raise Failed("unsupported", f"it {asked}, and has over {MOST_UNSORTED} matches")
            seen.add(url)
            page = await self._page(url, until)
            found |= {each.full_url: each for each in page.matches}
            included += page.included
            warned |= page.warned
        ordered = self._in_order([*found.values()])
        told = {each.full_url: each for each in included}
        return MemberPage(
            tuple(ordered), tuple(told.values()), None, len(ordered), page.applied, warned
        )

    def _in_order(self, found: list[Match]) -> list[Match]:
        values = {each.full_url: self._judged(each) for each in found}
        placed = [
            (Order(self.keys, known), each) for each in found if (known := values[each.full_url])
        ]
        return [each for _, each in sorted(placed, key=lambda pair: pair[0])]

    def _judged(self, match: Match) -> tuple[SortValue, ...] | None:
        try:
            return self.judge(match)
        except ValueError as problem:
            raise Failed("error", str(problem)) from problem


def _moment(resource: Resource) -> int:
    """Return when a resource was updated, in microseconds; 0 where it does not say."""
    told = resource.get("meta", {}).get("lastUpdated")
    if told is None:
        return 0
    return (datetime.fromisoformat(told) - _EPOCH) // timedelta(microseconds=1)
