"""The scrub: index equals re-extraction, one current version, gapless history. Reads one moment, writes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import apsw

from fhir_server.policy.decision import Enforcement
from fhir_server.search.record import unpacked
from fhir_server.storage.sqlite.denials import Denials
from fhir_server.storage.sqlite.index import Place, posted, posted_spans, rows_inside
from fhir_server.storage.sqlite.marking import refuse_half_copied
from fhir_server.storage.sqlite.owners import packed_patients
from fhir_server.storage.sqlite.schema import connect
from fhir_server.storage.sqlite.snapshot import snapshot
from fhir_server.storage.sqlite.telling import told
from fhir_server.storage.sqlite.verifying import links
from fhir_server.storage.sqlite.words import texts_in, until
from fhir_server.storage.upkeep import Broken, Extract, Finding, Progress

CURRENT = """
SELECT rid, type, id, version, moment, deleted, primary_date, owner, record, body FROM resource ORDER BY rid
"""
HISTORY = "SELECT count(*), min(version), max(version) FROM history WHERE rid=?"
TERM = "SELECT owner FROM term WHERE term=? AND primary_date=? AND rid=?"
SPAN = "SELECT owner FROM span WHERE axis=? AND low=? AND rid=? AND high=? AND primary_date=?"
SIZES = "SELECT sz FROM words_docsize WHERE id=?"
STRAY_WORDS = """
SELECT count(*) FROM words_docsize w WHERE NOT EXISTS(
  SELECT 1 FROM resource r WHERE r.rid=w.id AND (r.deleted=0 OR r.moment>?)
)
"""
VERSION = "SELECT version FROM resource WHERE rid=?"
OWNER = "SELECT patients FROM owner WHERE owner=?"


def scrub(
    path: Path,
    extract: Extract,
    *,
    unsettled: Collection[str] = (),
    enforcement: Enforcement | None = None,
) -> Iterator[Progress | Finding]:
    """Yield what is wrong with a store, and how far the work is; raise Unavailable if it cannot be opened.

    `unsettled` is as in Upkeep.scrub. With `enforcement` denials are compared with what follows from Consents and
    opt-outs.
    """
    connection = connect(path, read_only=True)
    try:
        with snapshot(connection):
            refuse_half_copied(connection)
            yield from _integrity(connection)
            yield from _Scrub(connection, extract, unsettled).run()
            if enforcement is not None:
                wrong = Denials(connection, enforcement, key=b"").wrong()
                yield from (Finding("table denial", each) for each in wrong)
            yield from _audit_log(connection)
    finally:
        connection.close()


def _integrity(connection: apsw.Connection) -> Iterator[Finding]:
    for (line,) in connection.execute("PRAGMA integrity_check"):
        if line != "ok":
            yield Finding("file", line)


def _audit_log(connection: apsw.Connection) -> Iterator[Finding]:
    for each in links(connection):
        if isinstance(each, Broken):
            yield Finding("audit log", each.problem)


class _Scrub:
    def __init__(
        self,
        connection: apsw.Connection,
        extract: Extract,
        unsettled: Collection[str],
    ) -> None:
        self._connection = connection
        self._extract = extract
        self._unsettled = unsettled
        self._terms = 0
        self._spans = 0
        self._words_until = until(connection)

    def run(self) -> Iterator[Progress | Finding]:
        total = self._scalar("SELECT count(*) FROM resource")
        for done, row in enumerate(self._connection.execute(CURRENT), 1):
            rid, kind, logical_id, version, moment, deleted, *rest = row
            subject = f"{kind}/{logical_id}"
            yield from (Finding(subject, each) for each in self._versions(rid, version))
            if not deleted:
                place, kept, body = (rest[0], rid, rest[1]), rest[2], rest[3]
                yield from (Finding(subject, each) for each in self._index(kind, place, kept, body))
                if moment <= self._words_until:
                    yield from (Finding(subject, each) for each in self._words(rid, body))
            yield Progress(done, total)
        yield from self._strays()

    def _versions(self, rid: int, version: int) -> Iterator[str]:
        count, first, last = self._connection.execute(HISTORY, (rid,)).get
        expected = (version - 1, 1, version - 1) if version > 1 else (0, None, None)
        if (count, first, last) != expected:
            yield f"the current version is {version}, the history holds {count} ({first} to {last})"

    def _index(self, kind: str, place: Place, kept: bytes, body: bytes) -> Iterator[str]:
        """Yield the differences between what is indexed and what the body says."""
        primary_date, rid, owner = place
        record = unpacked(kept) if kind in self._unsettled else self._extract(body)
        if unpacked(kept) != record:
            yield "the index record is not that of the body: run fhir-server reindex"
            record = unpacked(kept)
        if record.primary != primary_date:
            yield "the primary date is not that of the index record"
        patients = packed_patients(record)
        if self._scalar(OWNER, owner) != patients:
            yield "the owner class is not that of the index record"
        if told(self._connection, rid, self._scalar(VERSION, rid)) != record.about:
            yield "what it tells of is not that of the index record: run fhir-server reindex"
        own = kind, posted(record), posted_spans(kind, record)
        for name, terms, spans in (own, *rows_inside(record)):
            self._terms += len(terms)
            self._spans += len(spans)
            for term in terms:
                if self._scalar(TERM, f"{name}.{term}", primary_date, rid) != owner:
                    yield f"a posting of parameter {term[:20]!r} is missing"
            for axis, low, high in spans:
                if self._scalar(SPAN, axis, low, rid, high, primary_date) != owner:
                    yield f"a range of axis {axis!r} is missing"

    def _words(self, rid: int, body: bytes) -> Iterator[str]:
        """Yield whether the index of words has another number of words: it does not keep the words themselves."""
        texts = texts_in(body)
        expected = (1, len(texts.narrative.split()), len(texts.others.split()))
        found = _numbers(self._scalar(SIZES, rid) or b"")
        if found != expected:
            yield f"the index of words counts {found[1:]} words, the body has {expected[1:]}"

    def _strays(self) -> Iterator[Finding]:
        for table, expected in (("term", self._terms), ("span", self._spans)):
            found = self._scalar(f"SELECT count(*) FROM {table}")  # noqa: S608 - a constant
            if found != expected:
                yield Finding(f"table {table}", f"{found} rows where the records have {expected}")
        if self._words_until >= 0 and (number := self._scalar(STRAY_WORDS, self._words_until)):
            yield Finding("table words", f"{number} rows of what is not there")

    def _scalar(self, statement: str, *values: int | str) -> Any:
        return self._connection.execute(statement, values).get


def _numbers(sizes: bytes) -> tuple[int, ...]:
    """Return the numbers of words of each column, as FTS5 writes them: seven bits in each byte, the high ones first."""
    numbers, number = [], 0
    for byte in sizes:
        number = number << 7 | byte & 0x7F
        if byte < 0x80:  # noqa: PLR2004 - the bit that tells that more follow
            numbers.append(number)
            number = 0
    return tuple(numbers)
