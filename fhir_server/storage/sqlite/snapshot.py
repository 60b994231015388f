"""One read transaction around several statements, so that they see one moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import apsw


@contextmanager
def snapshot(connection: apsw.Connection) -> Iterator[None]:
    """Read of one moment; within a transaction that is already open, of that one."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if not connection.get_autocommit():
            connection.execute("COMMIT")
