"""Every statement that a caller's request runs on rows of resources leaves out what is denied, or is listed here."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import apsw

from tests.noninterference.killing import killing

ROWS = re.compile(r"(?:FROM|JOIN|UPDATE|INTO)\s+(?:resource|history|term|span|words)\b")
DENIED = re.compile(
    r"NOT EXISTS\((SELECT 1 FROM denial d WHERE d\.audience=\?"
    r"|\s*WITH RECURSIVE told\(.*\sFROM told CROSS JOIN denial d ON d\.audience=\?)",
    re.DOTALL,
)

LISTED = {
    # What is found by these is looked at again, under the sight, before it is told.
    r"SELECT (t|g|r)\.primary_date, (t|g|r)\.rid, (t|g|r)\.owner, r\.id,": "a page whose owner classes are then looked up (undenied.py)",
    r"SELECT rid, type, id, version, moment, method, body, record FROM resource\s+WHERE rid IN": "rows of a page, by rids that passed",
    r"SELECT (term, primary_date, rid|low, high, primary_date, rid|id, rid|moment, rid) FROM": "steps of a walk along a sort key",
    r"SELECT t\.primary_date, t\.rid FROM term t WHERE": "steps of a walk at one value",
    r"SELECT count\(\*\) FROM \(SELECT 1 FROM": "candidates of what may lead, counted to choose: no answer tells it",
    r"SELECT low, (high .*|1) FROM span WHERE axis=": "where reading begins, of whatever is there: no match is before it",
    r"SELECT min\((term|axis)\) FROM (term|span)": "the terms and axes that exist, to choose among",
    r"SELECT min\(type\) FROM resource": "the types that exist: each is then searched",
    r"SELECT rowid FROM words WHERE words MATCH": "what has a word, to be checked on each candidate",
    r"SELECT rid, type, version, moment, deleted, body FROM resource WHERE moment>": "what words are not indexed of yet",
    # What no caller is told.
    r"SELECT (max\(moment\)|1) FROM resource": "the moment of the latest write, and whether there is anything",
    r"SELECT revision, generation,": "whether the search parameters have changed",
    r"SELECT r\.type, r\.id, r\.version, r\.moment, r\.method, r\.body FROM resource r WHERE r\.type=\? AND r\.id>\?": "the search parameters that clients wrote, read by the register for itself",
    # The writer's own, once the sight has been asked.
    r"SELECT rid, version, moment, method, deleted, primary_date, owner, record, body\s+FROM resource WHERE type=": "what is written over",
    r"(INSERT|UPDATE|DELETE)\b": "writing",
    r"CREATE\b": "making the index of words",
}
"""What reads without the condition, each with its reason."""


@contextmanager
def traced(found: set[str]) -> Iterator[None]:
    """Collect the statements of all connections that are opened until the block ends."""

    def begin(_: apsw.Cursor, text: str, __: Any) -> bool:
        found.add(text)
        return True

    def opened(connection: apsw.Connection) -> None:
        connection.exec_trace = begin

    apsw.connection_hooks.append(opened)
    try:
        yield
    finally:
        apsw.connection_hooks.remove(opened)


def emitted(callers: int) -> set[str]:
    """Return the statements that the requests of some callers run: of their requests, and no others'."""
    found: set[str] = set()
    with killing("sqlite", seed=1) as asked:
        recorded = [asked.caller(number) for number in range(callers)]
        with traced(found):
            for each in recorded:
                asyncio.run(asked.ask(each))
    return {each for each in found if ROWS.search(each)}


def is_listed(statement: str) -> bool:
    return any(re.match(each, statement.lstrip()) for each in LISTED)


def test_each_statement_on_rows_of_resources_leaves_out_what_is_denied() -> None:
    statements = emitted(12)
    guarded = {each for each in statements if DENIED.search(each)}

    assert [each for each in sorted(statements - guarded) if not is_listed(each)] == []
    assert len(guarded) > 100
