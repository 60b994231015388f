"""Sorted pages cost what they show: the index is walked, few are sorted, and too many at once are refused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from fhir_server.fhir.errors import TooCostly
from fhir_server.fhir.resource import Key
from fhir_server.policy.visibility import Visibility
from fhir_server.search.expression import EVERYTHING, HasTerm, Plan, SortKey
from fhir_server.search.matching import nothing_resolves
from fhir_server.search.ordering import PRIMARY
from fhir_server.search.planning import DAY, PROBE
from fhir_server.search.record import IndexRecord, Range
from fhir_server.storage.contract import Draft, Put
from fhir_server.storage.pages import Page, Position
from fhir_server.storage.sqlite import ranging, sorting
from fhir_server.storage.sqlite.leads import Leads
from fhir_server.storage.sqlite.schema import connect
from fhir_server.storage.sqlite.searching import Searcher
from fhir_server.storage.sqlite.view import View
from fhir_server.storage.sqlite.words import WordsFound
from tests.storage.conftest import BACKENDS

NUMBER = 3_000
SEES = Visibility.everything("test")
STATUS = SortKey("status", "token", descending=False)
ISSUED = SortKey("issued", "date", descending=True)
MADE = SortKey("made", "date", descending=False)
NONE = SortKey("none", "date", descending=False)
OLDEST = SortKey("when", PRIMARY, descending=False)
NEWEST = SortKey("when", PRIMARY, descending=True)
OLD = HasTerm("old=yes\x1f")
RARE = HasTerm("rare=yes\x1f")


def record(number: int) -> IndexRecord:
    """Return one of many with the same status; half are old, one of each hundred is rare, of each thousand lacks a date."""
    terms = ["status=final\x1f"]
    terms += [RARE.term] * (number % 100 == 0) + [OLD.term] * (number < NUMBER / 2)
    ranges = [Range("made", DAY, DAY)]
    if number % 1_000:
        ranges.append(Range("issued", number * DAY, number * DAY))
    return IndexRecord(f"r{number}", tuple(sorted(terms)), tuple(ranges), (), number, (), ())


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a store that holds many of one status."""
    folder = tmp_path_factory.mktemp("sorting")

    async def fill() -> None:
        keys = [(Key("Task", f"r{each}"), record(each)) for each in range(NUMBER)]
        async with BACKENDS["sqlite"](folder) as store:
            puts = [Put(Draft(key, b"", b'"n":1', made)) for key, made in keys]
            await store.write(puts, atomic=False)

    asyncio.run(fill())
    return folder / "store.db"


@pytest.fixture
def connection(filled: Path) -> Iterator[apsw.Connection]:
    opened = connect(filled, read_only=True)
    yield opened
    opened.close()


@pytest.fixture
def searcher(connection: apsw.Connection) -> Searcher:
    return Searcher(connection)


class Reads:
    """Counts the rows that a connection reads from now on."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.number = 0
        connection.row_trace = self._note

    def _note(self, _: apsw.Cursor, row: tuple[object, ...]) -> tuple[object, ...]:
        self.number += 1
        return row


def page(
    searcher: Searcher,
    *sort: SortKey,
    predicate: HasTerm | None = None,
    after: Position | None = None,
) -> Page:
    plan = Plan(frozenset({"Task"}), predicate or EVERYTHING, sort)
    return searcher.page(SEES, plan, after, 3)


def ids(found: Page) -> list[str]:
    return [row.stored.key.id for row in found.rows]


def test_too_many_equals_that_other_keys_would_sort_are_refused_by_name(
    searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sorting, "GATHERED", 2_999)

    with pytest.raises(TooCostly, match="2999 resources would have to be sorted by made,issued"):
        page(searcher, MADE, ISSUED)


@pytest.mark.parametrize("limit", [2_999, 100_000])
@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ((MADE,), "r2999 r2998 r2997"),
        ((MADE, ISSUED), "r2999 r2998 r2997"),
        ((MADE, STATUS, ISSUED), "r2999 r2998 r2997"),
        ((MADE, OLDEST), "r0 r1 r2"),
    ],
    ids=str,
)
def test_a_crowd_of_one_date_is_sorted_by_the_next_key(
    searcher: Searcher,
    monkeypatch: pytest.MonkeyPatch,
    sort: tuple[SortKey, ...],
    expected: str,
    limit: int,
) -> None:
    monkeypatch.setattr(ranging, "CROWD", 2_000)
    monkeypatch.setattr(ranging, "GATHERED", limit)
    monkeypatch.setattr(sorting, "GATHERED", limit)

    first = page(searcher, *sort)
    second = page(searcher, *sort, after=first.next)

    assert ids(first) == expected.split()
    step = -3 if sort[-1] != OLDEST else 3
    assert ids(second) == [f"r{int(each[1:]) + step}" for each in ids(first)]


def test_a_deep_page_within_a_crowd_reads_little(
    connection: apsw.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranging, "CROWD", 2_000)
    reads = Reads(connection)

    found = page(Searcher(connection), MADE, ISSUED, after=(DAY, 100 * DAY, 100, 101))

    assert ids(found) == ["r99", "r98", "r97"]
    assert reads.number < 200


def test_too_many_of_one_date_are_refused(
    searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranging, "GATHERED", 2_990)
    monkeypatch.setattr(ranging, "SPANS", (2**62,) * 4)

    with pytest.raises(TooCostly, match="by issued at once: narrow the search"):
        page(searcher, ISSUED)


def test_candidates_that_are_few_enough_are_sorted_where_a_walk_is_refused(
    searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sorting, "FEW", 10)
    monkeypatch.setattr(sorting, "GATHERED", 31)

    found = page(searcher, MADE, ISSUED, predicate=RARE)

    assert ids(found) == ["r2900", "r2800", "r2700"]


def test_a_walk_that_meets_nothing_at_first_is_given_up(
    connection: apsw.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sorting, "FEW", 100)
    reads = Reads(connection)

    found = page(Searcher(connection), ISSUED, predicate=OLD)

    assert ids(found) == ["r1499", "r1498", "r1497"]
    assert reads.number < NUMBER / 2 + 500


def test_what_has_no_value_is_paged_to_the_end(searcher: Searcher) -> None:
    last = (DAY, 1, 2)

    found = page(searcher, ISSUED, after=last)

    assert found.next is None
    assert ids(found) == ["r2000", "r1000", "r0"]


@pytest.mark.parametrize(
    ("sort", "after", "expected"),
    [
        ((STATUS,), ("final\x1f", 100, 101), "r99 r98 r97"),
        ((ISSUED,), (100 * DAY, 100, 101), "r99 r98 r97"),
        ((STATUS, NEWEST), ("final\x1f", 100, 101), "r99 r98 r97"),
        ((STATUS, OLDEST), ("final\x1f", 100, 101), "r101 r102 r103"),
        ((ISSUED, STATUS), (100 * DAY, "final\x1f", 100, 101), "r99 r98 r97"),
        ((STATUS, ISSUED), ("final\x1f", 100 * DAY, 100, 101), "r99 r98 r97"),
        ((NONE, ISSUED), (None, 100 * DAY, 100, 101), "r99 r98 r97"),
        ((NONE, STATUS, ISSUED), (None, "final\x1f", 100 * DAY, 100, 101), "r99 r98 r97"),
    ],
    ids=str,
)
def test_a_deep_page_reads_little_more_than_it_shows(
    connection: apsw.Connection, sort: tuple[SortKey, ...], after: Position, expected: str
) -> None:
    reads = Reads(connection)

    found = page(Searcher(connection), *sort, after=after)

    assert ids(found) == expected.split()
    assert reads.number < 200


def test_a_term_that_is_known_to_be_broad_is_counted_beyond_the_probe(
    connection: apsw.Connection,
) -> None:
    leads = Leads(View(connection, SEES, "Task", {}, nothing_resolves, WordsFound(connection)))
    final = HasTerm("status=final\x1f")

    assert leads.count(final, PROBE) == PROBE
    assert leads.count(final, PROBE) == PROBE
    assert leads.count(final, 2 * NUMBER) == NUMBER
