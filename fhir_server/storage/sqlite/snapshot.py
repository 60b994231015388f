"""One read transaction around several statements, so that they see one moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import apsw


@contextmanager
def snapshot(connection: apsw.Connection) -> Iterator[None]:
    """Read of one moment; within a transaction that is already open, of that one."""
    if connection.in_transaction:
        yield
        return
    try:
        begin(connection)
        yield
    finally:
        end(connection)


def begin(connection: apsw.Connection) -> None:
    """Read of one moment from now on, unless it is of one already; who calls those that may do so is to `end` it."""
    if not connection.in_transaction:
        connection.execute("BEGIN")


def end(connection: apsw.Connection) -> None:
    """End what was begun, if anything was.

    A budget that is spent at the last may interrupt even this: `Budget` then ends it.
    """
    if not connection.get_autocommit():
        with suppress(apsw.InterruptError):
            connection.execute("ROLLBACK")
