"""The index of words: no write pays for it. It is made when first asked for, and brought up to date by the writer.

What was written since it was last brought up to date is looked at as it is, so that every answer is that of its snapshot.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import cached_property
from typing import Any, assert_never

import apsw
import msgspec

from fhir_server.fhir.errors import TooCostly
from fhir_server.search.expression import HasWords
from fhir_server.search.phrases import Every, Phrase, Some, Words
from fhir_server.search.words import NO_TEXTS, Texts, has_words, texts_of

TABLES = """
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(   -- by rid; the words themselves are not kept
  type, narrative, others, content='', contentless_delete=1, tokenize='ascii'
);
CREATE TABLE IF NOT EXISTS words_until(                -- the moment of the last version that was looked at
  moment INTEGER NOT NULL
) STRICT;
INSERT INTO words_until SELECT 0 WHERE NOT EXISTS(SELECT 1 FROM words_until);
"""
DROP = "DROP TABLE IF EXISTS words; DROP TABLE IF EXISTS words_until;"
IS_THERE = "SELECT 1 FROM sqlite_schema WHERE name='words_until'"
UNTIL = "SELECT moment FROM words_until"

TOGETHER = 250
SECONDS_TOGETHER = 0.05
"""Resources, and seconds, of one transaction that indexes words: what a write may have to wait for."""

FRESH = 100
"""How many versions may have been written since, for a search that does not wait."""

MOST_FRESH = 2_000
"""How many of them a search looks at."""

WRITTEN_SINCE = """
SELECT rid, type, version, moment, deleted, body FROM resource WHERE moment>? ORDER BY moment LIMIT ?
"""
COUNT_SINCE = "SELECT count(*) FROM (SELECT 1 FROM resource WHERE moment>? LIMIT ?)"
FORGET = "DELETE FROM words WHERE rowid=?"
FIND = "SELECT rowid FROM words WHERE words MATCH ?"
COUNT_WORDS = "SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH ? LIMIT ?)"
LIST = "SELECT value FROM json_each(?)"
REMEMBER = "INSERT INTO words(rowid, type, narrative, others) VALUES(?,?,?,?)"


# Numbers are no text, and some are beyond what a float can be.
_decode = msgspec.json.Decoder(float_hook=lambda _: None).decode


def texts_in(body: bytes) -> Texts:
    """Return the words of a stored resource."""
    return texts_of(_decode(body))


def until(connection: apsw.Connection) -> int:
    """Return the moment up to which words are indexed; -1 where there is no index yet."""
    if connection.execute(IS_THERE).get is None:
        return -1
    moment: int = connection.execute(UNTIL).get
    return moment


def is_behind(connection: apsw.Connection) -> bool:
    """Tell whether a search should wait for more words to be indexed."""
    number: int = connection.execute(COUNT_SINCE, (until(connection), FRESH + 1)).get
    return number > FRESH


def advance(connection: apsw.Connection) -> bool:
    """Index the words of what was written next, within the open transaction; tell whether more is left."""
    connection.execute(TABLES)
    rows = _written_since(connection, TOGETHER)
    deadline, done = time.perf_counter() + SECONDS_TOGETHER, 0
    while done < len(rows) and (done == 0 or time.perf_counter() < deadline):
        _index(connection, rows[done])
        done += 1
    if done:
        connection.execute("UPDATE words_until SET moment=?", (rows[done - 1][3],))
    return done < len(rows) or done == TOGETHER


def _written_since(connection: apsw.Connection, most: int) -> list[tuple[Any, ...]]:
    return connection.execute(WRITTEN_SINCE, (until(connection), most)).fetchall()


def _index(connection: apsw.Connection, row: tuple[Any, ...]) -> None:
    rid, kind, version, _, deleted, body = row
    if version > 1:
        connection.execute(FORGET, (rid,))
    if not deleted:
        texts = texts_in(body)
        connection.execute(REMEMBER, (rid, kind, texts.narrative, texts.others))


def too_costly(connection: apsw.Connection) -> TooCostly:
    """Return the refusal of a search that would have to wait too long for the index."""
    moment = until(connection)
    done, all_of_them = connection.execute(
        "SELECT count(*) FILTER (WHERE moment<=?), count(*) FROM resource", (moment,)
    ).get
    percent = 100 * done // max(1, all_of_them)
    return TooCostly(
        f"The words of what is stored are being indexed, {percent} % so far: try again in a while"
    )


class WordsFound:
    """What has which words, as one search sees it within its snapshot."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._fresh_of: dict[HasWords, list[int]] = {}
        self._indexed_of: dict[tuple[str, HasWords], frozenset[int]] = {}

    @cached_property
    def is_indexed(self) -> bool:
        """Whether there is an index to look into."""
        return until(self._connection) >= 0

    @cached_property
    def unknown(self) -> dict[int, Texts]:
        """The words of what was written since the index was brought up to date, by rid."""
        rows = _written_since(self._connection, MOST_FRESH + 1)
        if len(rows) > MOST_FRESH:
            raise too_costly(self._connection)
        # A deletion has no words, whatever the index still tells.
        return {
            rid: NO_TEXTS if deleted else texts_in(body) for rid, _, _, _, deleted, body in rows
        }

    def fresh(self, asked: HasWords) -> list[int]:
        """Return the rids of what has the words, of all that the index does not know."""
        if asked not in self._fresh_of:
            found = [rid for rid, texts in self.unknown.items() if has_words(texts, asked)]
            self._fresh_of[asked] = found
        return self._fresh_of[asked]

    def has(self, kind: str, rid: int, asked: HasWords) -> bool:
        """Tell whether one resource has the words."""
        if rid in self.unknown:
            return has_words(self.unknown[rid], asked)
        if (kind, asked) not in self._indexed_of:
            rows = self._connection.execute(FIND, (match_text(kind, asked),))
            self._indexed_of[kind, asked] = frozenset(int(str(each)) for (each,) in rows)
        return rid in self._indexed_of[kind, asked]


def match_text(kind: str, asked: HasWords) -> str:
    """Return the query of the index for what has the words, of one type."""
    columns = "narrative" if asked.place == "narrative" else "narrative others"
    return f'type : "{kind}" AND {{{columns}}} : {_expression(asked.words)}'


def listed(rids: Iterable[int]) -> str:
    """Return rids as LIST takes them."""
    return f"[{','.join(map(str, rids))}]"


def _expression(asked: Words) -> str:
    # Words are letters and digits: nothing in them could end a quote.
    match asked:
        case Phrase(words):
            return f'"{" ".join(words)}"'
        case Every(parts):
            return f"({' AND '.join(map(_expression, parts))})"
        case Some(parts):
            return f"({' OR '.join(map(_expression, parts))})"
        case _:
            assert_never(asked)
