"""Runs plans on one connection: candidates in page order, then the rows of the page.

All is synchronous and within one read transaction, so that a page and its rows are of one moment.
"""

from __future__ import annotations

from itertools import islice

import apsw
from msgspec.structs import replace

from fhir_server.policy.visibility import Visibility
from fhir_server.search.expression import Plan, SortKey
from fhir_server.search.ordering import completed
from fhir_server.storage.pages import Count, Page, Position, Row
from fhir_server.storage.sqlite.candidates import Candidates
from fhir_server.storage.sqlite.cataloguing import Stamps
from fhir_server.storage.sqlite.contained import Inside
from fhir_server.storage.sqlite.joining import MOST_JOINED, Joins
from fhir_server.storage.sqlite.pages import (
    Asked,
    Found,
    PageStatement,
    PageStatements,
    asked_for,
    place_of,
)
from fhir_server.storage.sqlite.positions import (
    is_served,
    number_inside,
    places_of,
    positions,
    positions_inside,
)
from fhir_server.storage.sqlite.snapshot import begin, end, snapshot
from fhir_server.storage.sqlite.undenied import Undenied
from fhir_server.storage.sqlite.windows import Window

SELECT_ROWS = """
SELECT rid, type, id, version, moment, method, body, record FROM resource
WHERE rid IN (SELECT value FROM json_each(?))
"""


class Searcher:
    """Search and count on one connection; `most_joined` bounds what chains may ask of other resources."""

    def __init__(self, connection: apsw.Connection, *, most_joined: int = MOST_JOINED) -> None:
        self._connection = connection
        self._most_joined = most_joined
        self._broad: dict[str, tuple[int, int]] = {}
        self._pages = PageStatements(connection)
        self._stamps = Stamps(connection)
        self._undenied = Undenied(connection)

    def page(
        self,
        sight: Visibility,
        plan: Plan,
        after: Position | None,
        limit: int,
        *,
        records: bool = True,
    ) -> Page:
        """Return the next visible matches; raise TooCostly if too many had to be sorted or joined."""
        asked = asked_for(sight, plan, after, limit, records=records)
        known = self._pages.get(asked)
        if known is not None:
            rows, behind = known.page(self._undenied, sight, after)
        else:
            was_open = self._connection.in_transaction
            try:
                rows, behind = self._page(asked, sight, after)
            finally:
                if not was_open:
                    # One statement alone needs no transaction around it, and has begun none.
                    end(self._connection)
        return Page(rows, behind, self._stamps.since_last_read())

    def _page(self, asked: Asked, sight: Visibility, after: Position | None) -> Found:
        plan, _, limit, _, records = asked
        keys = completed(plan.sort)
        if plan.is_of_several or plan.contained is not None:
            # What is joined, and what it is joined to, are of one moment; and so are words and resources.
            begin(self._connection)
        if plan.contained is not None:
            return self._page_inside(sight, plan, after, limit)
        candidates = self.candidates(sight, plan, of_all=False)
        if len(candidates) == 1 and (
            statement := _statement(candidates[0], keys, after, limit, records=records)
        ):
            if plan.types is not None and not plan.is_of_several and candidates[0].is_lasting:
                chosen = self._connection.data_version() if candidates[0].is_chosen else None
                self._pages.keep(asked, statement, chosen)
            return statement.page(self._undenied, sight, after)
        begin(self._connection)
        found = list(islice(positions(candidates, keys, after), limit + 1))
        rows = self._rows([int(each[-1] or 0) for each in found[:limit]])
        return rows, found[limit - 1] if len(found) > limit else None

    def _page_inside(
        self, sight: Visibility, plan: Plan, after: Position | None, limit: int
    ) -> Found:
        """Return a page of what is inside other resources, or of these, and of what stands by itself."""
        ways = self.candidates(sight, plan, of_all=False), self.inside(sight, plan, of_all=False)
        found = list(islice(positions_inside(*ways, plan, after), limit + 1))
        places = [places_of(plan, each) for each in found[:limit]]
        rows = self._rows([rid for rid, _ in places])
        named = (replace(row, inside=inside) for row, (_, inside) in zip(rows, places, strict=True))
        return tuple(named), found[limit - 1] if len(found) > limit else None

    def count(self, sight: Visibility, plan: Plan) -> Count:
        """Return the number of visible matches."""
        with snapshot(self._connection):
            candidates = self.candidates(sight, plan, of_all=True)
            number = sum(each.count() for each in candidates)
            if plan.contained is not None:
                number += number_inside(candidates, self.inside(sight, plan, of_all=True), plan)
            return Count(number, exact=True)

    def inside(self, sight: Visibility, plan: Plan, *, of_all: bool) -> list[Inside]:
        """Return the matches inside other resources, where they are asked for and may be seen."""
        if plan.contained is None:
            return []
        joined = Joins(self._connection, sight, self._broad, most=self._most_joined, of_all=of_all)
        return [
            joined.inside(kind, plan.predicate_of(kind), plan.contained)
            for kind in sorted(plan.types or ())
            if sight.permits_type(kind)
        ]

    def candidates(self, sight: Visibility, plan: Plan, *, of_all: bool) -> list[Candidates]:
        """Return the matches of each type that may be seen, those inside others left out."""
        if plan.contained is not None and plan.contained.alone:
            return []
        kinds = self._present() if plan.types is None else sorted(plan.types)
        joined = Joins(self._connection, sight, self._broad, most=self._most_joined, of_all=of_all)
        return [
            joined.candidates(kind, plan.predicate_of(kind))
            for kind in kinds
            if sight.permits_type(kind)
        ]

    def _present(self) -> list[str]:
        """Return the types that have resources, by one seek for each."""
        kinds: list[str] = []
        latest = ""
        while True:
            latest = self._connection.execute(
                "SELECT min(type) FROM resource WHERE type>?", (latest,)
            ).get
            if latest is None:
                return kinds
            kinds.append(latest)

    def _rows(self, rids: list[int]) -> tuple[Row, ...]:
        """Return the rows of a page in its order, by one statement."""
        if not rids:
            return ()
        listed = "[" + ",".join(map(str, rids)) + "]"
        found = self._connection.execute(SELECT_ROWS, (listed,))
        by_rid = {rid: Row(*columns) for rid, *columns in found}
        return tuple(by_rid[rid] for rid in rids)


def _statement(
    candidates: Candidates,
    keys: tuple[SortKey, ...],
    after: Position | None,
    limit: int,
    *,
    records: bool,
) -> PageStatement | None:
    """Return the statement of a page in the order of the posting lists, if one gives it with its rows."""
    if not is_served(keys):
        return None
    window = Window(place_of(after), descending=keys[0].descending)
    return candidates.page(window, limit, records=records)
