"""More resources alike in every sort key than may be held at once are paged through, and past."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from fhir_server.fhir.resource import Key
from fhir_server.policy.visibility import Visibility
from fhir_server.search.expression import EVERYTHING, Plan, SortKey
from fhir_server.search.ordering import PRIMARY
from fhir_server.search.parameter_types.date import LATEST
from fhir_server.search.planning import DAY
from fhir_server.search.record import IndexRecord, Range
from fhir_server.storage.contract import Draft, Put
from fhir_server.storage.pages import Page, Position
from fhir_server.storage.sqlite import ranging, sorting, walking
from fhir_server.storage.sqlite.schema import connect
from fhir_server.storage.sqlite.searching import Searcher
from tests.storage.conftest import BACKENDS

SEES = Visibility.everything("test")
NUMBER = 900
STATUS = SortKey("status", "token", descending=False)
OLDEST = SortKey("when", PRIMARY, descending=False)
ISSUED = SortKey("issued", "date", descending=True)
OPEN = SortKey("open", "date", descending=True)
NONE = SortKey("none", "date", descending=False)


def record(number: int) -> IndexRecord:
    """Return one of many that are alike in all but the first and the last ten, which are earlier and later."""
    day = 1 if number < 10 else 3 if number >= NUMBER - 10 else 2
    ranges = (
        Range("issued", day * DAY, day * DAY + DAY - 1),
        Range("open", day * DAY, LATEST if day == 2 else day * 1_000 * DAY),
    )
    return IndexRecord(f"r{number}", ("status=final\x1f",), ranges, (), day * DAY, (), ())


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("crowds")

    async def fill() -> None:
        async with BACKENDS["sqlite"](folder) as store:
            keys = [(Key("Task", f"r{each}"), record(each)) for each in range(NUMBER)]
            puts = [Put(Draft(key, b"", b'"n":1', made)) for key, made in keys]
            await store.write(puts, atomic=False)

    asyncio.run(fill())
    return folder / "store.db"


@pytest.fixture
def connection(filled: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[apsw.Connection]:
    """Return a connection to them, with bounds that the crowd is far beyond."""
    for module, name, number in (
        (sorting, "FEW", 100),
        (sorting, "GATHERED", 400),
        (walking, "LARGE", 100),
        (ranging, "LARGE", 100),
        (ranging, "CROWD", 200),
        (ranging, "GATHERED", 400),
    ):
        monkeypatch.setattr(module, name, number)
    opened = connect(filled, read_only=True)
    yield opened
    opened.close()


def page(searcher: Searcher, sort: tuple[SortKey, ...], after: Position | None) -> Page:
    return searcher.page(SEES, Plan(frozenset({"Task"}), EVERYTHING, sort), after, 70)


RISING = list(range(NUMBER))
FALLING = RISING[::-1]
BY_END = [*range(NUMBER - 11, 9, -1), *range(NUMBER - 1, NUMBER - 11, -1), *range(9, -1, -1)]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ((OLDEST, STATUS), RISING),
        ((OLDEST, ISSUED), RISING),
        ((OLDEST, OPEN), RISING),
        ((OLDEST, NONE), RISING),
        ((STATUS, OLDEST), RISING),
        ((NONE, STATUS, OLDEST), RISING),
        ((STATUS,), FALLING),
        ((ISSUED,), FALLING),
        ((ISSUED, STATUS), FALLING),
        ((OPEN,), BY_END),
        ((OPEN, STATUS), BY_END),
    ],
    ids=str,
)
def test_each_of_a_crowd_is_on_one_page(
    connection: apsw.Connection, sort: tuple[SortKey, ...], expected: list[int]
) -> None:
    searcher = Searcher(connection)
    found: list[str] = []
    after: Position | None = None

    while not found or after is not None:
        following = page(searcher, sort, after)
        found += [row.id for row in following.rows]
        after = following.next

    assert found == [f"r{each}" for each in expected]


@pytest.mark.parametrize(
    ("sort", "after"),
    [
        ((OLDEST, STATUS), (2 * DAY, "final\x1f", 501)),
        ((OLDEST, ISSUED), (2 * DAY, 3 * DAY - 1, 501)),
        ((ISSUED,), (3 * DAY - 1, 2 * DAY, 501)),
        ((OPEN,), (LATEST, 2 * DAY, 501)),
    ],
    ids=str,
)
def test_a_page_within_a_crowd_reads_little_more_than_it_shows(
    connection: apsw.Connection, sort: tuple[SortKey, ...], after: Position
) -> None:
    read = 0

    def note(_: apsw.Cursor, row: tuple[object, ...]) -> tuple[object, ...]:
        nonlocal read
        read += 1
        return row

    connection.row_trace = note

    assert len(page(Searcher(connection), sort, after).rows) == 70
    assert read < 500
