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
    try:
        connection.execute("BEGIN")
        yield
    finally:
        if not connection.get_autocommit():
            with suppress(apsw.InterruptError):
                connection.execute("ROLLBACK")
