"""One read transaction around several statements, so that they see one moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import apsw


@contextmanager
def snapshot(connection: apsw.Connection) -> Iterator[None]:
    """Read of one moment; within a transaction that is already open, of that one.

    A budget that is spent at the last may interrupt even its end: `Budget` then ends it.
    """
    if connection.in_transaction:
        yield
        return
    with ending(connection):
        begin(connection)
        yield


@contextmanager
def ending(connection: apsw.Connection) -> Iterator[None]:
    """End what is begun within: one statement alone, which needs no transaction around it, pays for none."""
    if connection.in_transaction:
        yield
        return
    try:
        yield
    finally:
        if not connection.get_autocommit():
            with suppress(apsw.InterruptError):
                connection.execute("ROLLBACK")


def begin(connection: apsw.Connection) -> None:
    """Read of one moment from now on, unless it is of one already; who calls whoever may do so is `ending` it."""
    if not connection.in_transaction:
        connection.execute("BEGIN")
