"""What is going on at a date, or comes after it, is found without reading what has long ended."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from fhir_server.fhir.resource import Key
from fhir_server.policy.visibility import Visibility
from fhir_server.search.expression import AllOf, AnyOf, HasRange, HasTerm, Limit, Plan, SortKey
from fhir_server.search.ordering import PRIMARY
from fhir_server.search.planning import DAY
from fhir_server.search.record import IndexRecord, Range
from fhir_server.storage.contract import Draft, Put
from fhir_server.storage.pages import Position
from fhir_server.storage.sqlite.schema import connect
from fhir_server.storage.sqlite.searching import Searcher
from tests.storage.conftest import BACKENDS

SEES = Visibility.everything("test")
NUMBER = 3_000
TODAY = (NUMBER - 10) * DAY
BOOKED = HasTerm("status=booked\x1f")
OLDEST = SortKey("when", PRIMARY, descending=False)
SINCE_TODAY = AnyOf(
    (
        HasRange("when", (Limit("high", ">=", TODAY + DAY),), primary=True),
        HasRange("when", (Limit("low", ">=", TODAY),), primary=True),
    )
)
LONG = 2_900
"""The one that is going on since a hundred days."""


def record(number: int) -> IndexRecord:
    """Return one of many that last an hour, a day apart from each other."""
    begin = number * DAY
    end = TODAY + 2 * DAY if number == LONG else begin + DAY // 24
    when = Range("when", begin, end)
    return IndexRecord(f"r{number}", (BOOKED.term,), (when,), (), begin, (), ())


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("beginnings")

    async def fill() -> None:
        async with BACKENDS["sqlite"](folder) as store:
            keys = [(Key("Appointment", f"r{each}"), record(each)) for each in range(NUMBER)]
            puts = [Put(Draft(key, b"", b'"n":1', made)) for key, made in keys]
            await store.write(puts, atomic=False)

    asyncio.run(fill())
    return folder / "store.db"


@pytest.fixture
def connection(filled: Path) -> Iterator[apsw.Connection]:
    opened = connect(filled, read_only=True)
    yield opened
    opened.close()


def plan(*sort: SortKey) -> Plan:
    return Plan(frozenset({"Appointment"}), AllOf((BOOKED, SINCE_TODAY)), sort)


class Steps:
    """Counts the steps that the statements of a connection take: a row of an index takes three or more."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.number = 0
        connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, self._note)

    def _note(self, event: dict[str, Any]) -> None:
        self.number += event["stmt_status"]["SQLITE_STMTSTATUS_VM_STEP"]


@pytest.mark.parametrize(
    ("sort", "after", "expected"),
    [
        ((OLDEST,), None, "r2900 r2990 r2991"),
        ((OLDEST,), (LONG * DAY, LONG + 1), "r2990 r2991 r2992"),
        ((OLDEST,), (2_995 * DAY, 2_996), "r2996 r2997 r2998"),
        ((), None, "r2999 r2998 r2997"),
        ((), (2_991 * DAY, 2_992), "r2990 r2900"),
    ],
)
def test_a_page_reads_what_comes_and_what_is_going_on(
    connection: apsw.Connection,
    sort: tuple[SortKey, ...],
    after: Position | None,
    expected: str,
) -> None:
    steps = Steps(connection)

    found = Searcher(connection).page(SEES, plan(*sort), after, 3)

    assert [row.id for row in found.rows] == expected.split()
    assert steps.number < 2 * NUMBER


def test_a_total_counts_no_more_than_that(connection: apsw.Connection) -> None:
    steps = Steps(connection)

    assert Searcher(connection).count(SEES, plan()).number == 11
    assert steps.number < 2 * NUMBER
