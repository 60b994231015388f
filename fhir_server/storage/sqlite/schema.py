"""The tables, and how a connection to them is opened."""

from __future__ import annotations

from pathlib import Path

import apsw

from fhir_server.fhir.errors import Unavailable
from fhir_server.storage.sqlite.admitting import not_admitted
from fhir_server.storage.sqlite.criteria import meets

BUSY_MILLISECONDS = 10_000

CHECKPOINT_PAGES = 16_000
"""Pages of 4 kB that the log grows to before it is copied back: fewer, larger copies write less."""

SCHEMA = """
CREATE TABLE resource(                  -- the current version of each resource, or its tombstone
  rid INTEGER PRIMARY KEY,              -- surrogate id: given once, in the order of creation
  type TEXT NOT NULL,
  id TEXT NOT NULL,
  version INTEGER NOT NULL,
  moment INTEGER NOT NULL,              -- microseconds since 1970; rises with each write, in commit order
  method TEXT NOT NULL,
  deleted INTEGER NOT NULL,
  primary_date INTEGER NOT NULL,
  owner INTEGER NOT NULL,
  record BLOB,                          -- its index record: for diffs, and to check what no index can
  body BLOB                             -- the exact bytes that it is answered with
) STRICT;
CREATE UNIQUE INDEX resource_key ON resource(type, id);
CREATE INDEX resource_list ON resource(type, deleted, primary_date DESC, rid DESC, owner);
CREATE INDEX resource_type_moment ON resource(type, moment DESC, owner);
CREATE INDEX resource_moment ON resource(moment DESC, owner);

CREATE TABLE history(                   -- versions that are no longer current
  rid INTEGER NOT NULL,
  version INTEGER NOT NULL,
  type TEXT NOT NULL,
  id TEXT NOT NULL,
  moment INTEGER NOT NULL,
  method TEXT NOT NULL,
  owner INTEGER NOT NULL,
  body BLOB,
  PRIMARY KEY(rid, version)
) STRICT;
CREATE INDEX history_type_moment ON history(type, moment DESC, owner);
CREATE INDEX history_moment ON history(moment DESC, owner);

CREATE TABLE term(                      -- posting lists, in page order
  term TEXT NOT NULL,
  primary_date INTEGER NOT NULL,
  rid INTEGER NOT NULL,
  owner INTEGER NOT NULL,
  PRIMARY KEY(term, primary_date DESC, rid DESC)
) STRICT, WITHOUT ROWID;

CREATE TABLE span(                      -- dates, numbers and quantities, by axis and span class
  axis TEXT NOT NULL,
  low ANY NOT NULL,
  high ANY NOT NULL,
  primary_date INTEGER NOT NULL,
  rid INTEGER NOT NULL,
  owner INTEGER NOT NULL,
  PRIMARY KEY(axis, low, rid, high)
) STRICT, WITHOUT ROWID;

CREATE TABLE owner(                     -- owner classes: the distinct sets of patients concerned
  owner INTEGER PRIMARY KEY,
  patients BLOB NOT NULL UNIQUE
) STRICT;
CREATE TABLE owned(                     -- patient -> owner classes; member: of the compartment, else mentioned
  patient TEXT NOT NULL,
  member INTEGER NOT NULL,
  owner INTEGER NOT NULL,
  PRIMARY KEY(patient, member, owner)
) STRICT, WITHOUT ROWID;

CREATE TABLE secret(
  name TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
"""

CATALOGUE = """
CREATE TABLE catalogue(                 -- one row: the search parameters that the store is indexed by
  revision INTEGER NOT NULL,            -- rises with each replacement
  generation INTEGER NOT NULL,          -- names what index records are made by
  content BLOB NOT NULL
) STRICT;
INSERT INTO catalogue VALUES(0, 0, x'');
"""

DENIALS = """
CREATE TABLE person(                    -- NHS number (its mark) -> Patient resources of that person
  mark BLOB NOT NULL,
  patient TEXT NOT NULL,
  PRIMARY KEY(mark, patient)
) STRICT, WITHOUT ROWID;
CREATE INDEX person_patient ON person(patient, mark);
CREATE TABLE opt_out(                   -- the register of opt-outs, as marks
  mark BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;
CREATE TABLE register(
  name TEXT PRIMARY KEY,
  as_of INTEGER NOT NULL,
  number INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE fact(                      -- what Consents lay down
  patient TEXT NOT NULL,
  origin TEXT NOT NULL,
  content BLOB NOT NULL,
  PRIMARY KEY(patient, origin)
) STRICT, WITHOUT ROWID;
CREATE INDEX fact_origin ON fact(origin);
CREATE TABLE audience(                  -- those whose denials are kept
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  audience INTEGER NOT NULL UNIQUE,
  content BLOB NOT NULL
) STRICT;
CREATE TABLE denial(                    -- owner classes that an audience may not see: kind '*' is every type
  audience INTEGER NOT NULL,
  owner INTEGER NOT NULL,
  kind TEXT NOT NULL,
  since INTEGER NOT NULL,               -- microseconds: since <= now < until
  until INTEGER NOT NULL,
  PRIMARY KEY(audience, owner, kind, since)
) STRICT, WITHOUT ROWID;
INSERT INTO register SELECT 'people', 0, 0 WHERE NOT EXISTS(SELECT 1 FROM resource);
"""
"""What people laid down, and what is denied because of it. Of a store that has resources already nothing is known yet."""

KEY_VALUES = """
CREATE TABLE keyvalue(                  -- what is remembered besides resources
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  value BLOB NOT NULL,
  expires INTEGER,                      -- microseconds since 1970; NULL: never
  PRIMARY KEY(kind, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX keyvalue_expires ON keyvalue(expires) WHERE expires IS NOT NULL;
"""

AUDIT = """
CREATE TABLE audit(                     -- what happened, in blocks: what was committed together
  number INTEGER PRIMARY KEY,           -- of its last entry; they are counted from 1
  moment INTEGER NOT NULL,              -- microseconds since 1970
  content BLOB NOT NULL,                -- the entries, packed
  digest BLOB NOT NULL                  -- of the digest before, and of all that stands here
) STRICT;
CREATE TABLE audit_state(               -- one row
  number INTEGER NOT NULL,              -- of the last entry
  seal BLOB NOT NULL,                   -- of the last digest, by a secret of the store
  published INTEGER NOT NULL            -- up to which entry AuditEvents are made
) STRICT;
INSERT INTO audit_state VALUES(0, x'', 0);
"""

DENIAL_CHANGES = """
CREATE TABLE denial_changes(              -- one row: how often what is denied has changed
  number INTEGER NOT NULL
) STRICT;
INSERT INTO denial_changes VALUES(0);
CREATE TRIGGER audience_insert AFTER INSERT ON audience BEGIN UPDATE denial_changes SET number=number+1; END;
CREATE TRIGGER audience_update AFTER UPDATE ON audience BEGIN UPDATE denial_changes SET number=number+1; END;
CREATE TRIGGER audience_delete AFTER DELETE ON audience BEGIN UPDATE denial_changes SET number=number+1; END;
CREATE TRIGGER denial_insert AFTER INSERT ON denial BEGIN UPDATE denial_changes SET number=number+1; END;
CREATE TRIGGER denial_update AFTER UPDATE ON denial BEGIN UPDATE denial_changes SET number=number+1; END;
CREATE TRIGGER denial_delete AFTER DELETE ON denial BEGIN UPDATE denial_changes SET number=number+1; END;
"""
"""Counted by triggers, so that no writer passes them by, of whatever release its process is."""

ABOUT = """
CREATE TABLE about(                       -- what a version tells of: who is denied one of these is denied it
  rid INTEGER NOT NULL,
  version INTEGER NOT NULL,
  type TEXT NOT NULL,
  id TEXT NOT NULL,
  PRIMARY KEY(rid, version, type, id)
) STRICT, WITHOUT ROWID;
DELETE FROM register WHERE name='people' AND EXISTS(SELECT 1 FROM resource WHERE type IN
  ('AuditEvent', 'Binary', 'Bundle', 'Contract', 'EnrollmentResponse', 'GuidanceResponse', 'Linkage', 'MessageHeader',
   'PaymentNotice', 'PaymentReconciliation', 'Provenance', 'Task', 'VerificationResult'));
"""
"""Of a store that has such resources already nobody knows what they tell of, until it is indexed anew."""

NAMED = """
DELETE FROM register WHERE name='people' AND EXISTS(SELECT 1 FROM resource
  WHERE type<>'Patient' AND instr(body, CAST('https://fhir.nhs.uk/Id/nhs-number' AS BLOB)));
"""
"""Of a store in which people are named by their numbers nobody knows who they are, until it is indexed anew."""

STEPS = (SCHEMA, CATALOGUE, DENIALS, KEY_VALUES, AUDIT, DENIAL_CHANGES, ABOUT, NAMED)
"""What makes each version of the schema of the one before it, beginning with an empty file."""

SCHEMA_VERSION = len(STEPS)


def connect(path: Path, *, read_only: bool = False) -> apsw.Connection:
    """Open a connection; raise Unavailable for a file that cannot be opened or is no store of ours.

    One that is `read_only` is for one thread: no lock is taken at each step, which is a seventh of what a page takes.
    """
    beside = apsw.SQLITE_OPEN_NOMUTEX if read_only else apsw.SQLITE_OPEN_CREATE
    flags = apsw.SQLITE_OPEN_READWRITE | beside
    try:
        connection = apsw.Connection(str(path), flags=flags, statementcachesize=200)
        connection.set_busy_timeout(BUSY_MILLISECONDS)
        connection.create_scalar_function("not_admitted", not_admitted, 0)
        connection.create_scalar_function("meets", meets, 4)  # type: ignore[arg-type]  # an object is passed
        # Else SQLite prepares a statement anew whenever other values are bound: they might ask for another plan.
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "full")
        connection.pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        connection.pragma("cache_size", -65_536)
        connection.pragma("temp_store", "memory")
        if read_only:
            connection.pragma("query_only", True)  # noqa: FBT003
        else:
            _migrate(connection)
    except apsw.Error as problem:
        raise Unavailable(f"The store {path} cannot be opened: {problem}") from problem
    return connection


def _migrate(connection: apsw.Connection) -> None:
    """Bring the tables to this version, in one transaction; refuse those of a later one."""
    if connection.pragma("user_version") == SCHEMA_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        found = int(str(connection.pragma("user_version")))
        for step in STEPS[found:]:
            connection.execute(step)
        if found < SCHEMA_VERSION:
            connection.pragma("user_version", SCHEMA_VERSION)
    connection.execute("COMMIT")
    if found > SCHEMA_VERSION:
        raise Unavailable(
            f"The store was written by a later release (schema {found}, here {SCHEMA_VERSION})"
        )
