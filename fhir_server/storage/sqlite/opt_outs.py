"""The register of opt-outs on one connection: the marks of NHS numbers, replaced piece by piece.

Who is on the old register and on the new one stays denied throughout; who is new is denied once that piece is durable.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

import apsw

from fhir_server.fhir.errors import Unavailable
from fhir_server.storage.marks import giving_way, in_order
from fhir_server.storage.sqlite.persons import Persons

SECONDS_TOGETHER = 0.02
"""Seconds of one piece of long work on denials: what another writer may have to wait for."""

TOGETHER = 50
"""Numbers between two looks at the clock."""

ADD = "INSERT OR IGNORE INTO opt_out VALUES(?)"
REMOVE = "DELETE FROM opt_out WHERE mark=?"
BEGUN = "SELECT as_of FROM register WHERE name='loading'"
BEGIN = "INSERT OR REPLACE INTO register VALUES('loading', ?, 0)"
END = "INSERT OR REPLACE INTO register VALUES('opt-out', ?, ?)"


class OptOutRegister:
    """What is on the register; `decide` works out anew what is denied about these Patients."""

    def __init__(
        self,
        connection: apsw.Connection,
        persons: Persons,
        decide: Callable[[Iterable[str]], None],
    ) -> None:
        self._connection = connection
        self._persons = persons
        self._decide = decide

    def begin(self, token: int) -> None:
        """Announce a load under a number of its own: one that was begun before is over."""
        self._connection.execute(BEGIN, (token,))

    def marks(self, numbers: Iterable[str]) -> list[bytes]:
        """Return the marks of NHS numbers, each once, in the order of the table."""
        return in_order(map(self._persons.mark, giving_way(numbers)))

    def changes(self, wanted: Sequence[bytes]) -> tuple[list[bytes], list[bytes]]:
        """Return which marks are to be added, and which to be removed."""
        added: list[bytes] = []
        removed: list[bytes] = []
        kept = (
            mark for (mark,) in self._connection.execute("SELECT mark FROM opt_out ORDER BY mark")
        )
        known = next(kept, None)
        for mark in giving_way(wanted):
            while known is not None and known < mark:
                removed.append(known)
                known = next(kept, None)
            if known == mark:
                known = next(kept, None)
            else:
                added.append(mark)
        return added, [*removed, *([] if known is None else [known]), *kept]

    def change(self, token: int, marks: Sequence[bytes], first: int, statement: str) -> int:
        """Add or remove marks from a place on, as long as a piece may take; return where to go on."""
        self._check(token)
        deadline, place = time.perf_counter() + SECONDS_TOGETHER, first
        while place < len(marks) and (place == first or time.perf_counter() < deadline):
            some = marks[place : place + TOGETHER]
            self._connection.executemany(statement, [(each,) for each in some])
            self._decide(self._persons.same(self._persons.namesakes(some)))
            place += len(some)
        return place

    def end(self, token: int, as_of: int, number: int) -> None:
        """Have the register hold as of a moment, with so many numbers."""
        self._check(token)
        self._connection.execute(END, (as_of, number))
        self._connection.execute("DELETE FROM register WHERE name='loading'")

    def _check(self, token: int) -> None:
        if self._connection.execute(BEGUN).get != token:
            raise Unavailable(
                "Another register of opt-outs is being loaded, and this load was given up"
            )
