"""Which owner classes are denied to which audience: kept beside what causes it, in the same transaction.

Every scan leaves the denied classes out by one look at this table, so that a Consent or an opt-out takes effect with
its commit, at any place where data is read. The decision itself is `fhir_server.policy.decision`.

People are told apart by the marks of their NHS numbers: several Patient resources of one number are one person, and
no number stands in these tables.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import apsw
import msgspec

from fhir_server.fhir.errors import Unavailable
from fhir_server.fhir.resource import Key
from fhir_server.policy.decision import (
    Audience,
    Decision,
    Enforcement,
    LaidDown,
    Person,
)
from fhir_server.policy.denying import Rules
from fhir_server.policy.visibility import Visibility
from fhir_server.search.record import SEPARATOR, system_key
from fhir_server.storage.contract import Draft
from fhir_server.storage.sqlite.opt_outs import SECONDS_TOGETHER, OptOutRegister
from fhir_server.storage.sqlite.owners import OwnerClass, unpacked_patients
from fhir_server.storage.sqlite.persons import NUMBERS, Persons

MOST_AUDIENCES = 1_000
"""Audiences whose denials are kept; the oldest make room, and are worked out anew when they return."""


_audience = msgspec.msgpack.Decoder(Audience).decode
_encode = msgspec.msgpack.Encoder().encode

MENTIONED = "SELECT patients FROM owner WHERE owner=?"
LABELLED = "SELECT owner, patients FROM owner WHERE substr(patients, 1, 1)=x'93'"
"""Owner classes that bear labels: these are arrays of three (owners.py)."""
NOBODYS = "SELECT owner FROM owner w WHERE NOT EXISTS(SELECT 1 FROM owned o WHERE o.owner=w.owner)"
CAUSES = """
SELECT patient FROM fact UNION SELECT p.patient FROM opt_out x JOIN person p ON p.mark=x.mark
"""
NAMED = "SELECT DISTINCT patient FROM owned WHERE patient>'#' AND patient<'$'"

RULES = "SELECT as_of FROM register WHERE name='rules'"
KNOWN = "SELECT 1 FROM audience WHERE audience=?"
OLDEST = "SELECT audience FROM audience ORDER BY number DESC LIMIT -1 OFFSET ?"
KEPT = "SELECT kind, since, until FROM denial WHERE audience=? AND owner=?"


class Denials:
    """The denials of one store, on the writer's connection."""

    def __init__(
        self, connection: apsw.Connection, enforcement: Enforcement, *, key: bytes
    ) -> None:
        self._connection = connection
        self._judging = Rules(enforcement)
        self._rules = enforcement.rules
        self._persons = Persons(connection, key)
        self._number = re.compile(
            f"identifier=(.*){SEPARATOR}{system_key(enforcement.number_system)}"
        )
        self._audiences: list[Audience] = []
        self.opt_outs = OptOutRegister(connection, self._persons, self._decide_bound)

    def settle(self) -> None:
        """Forget what was worked out by other rules than those of this process."""
        if self._connection.execute(RULES).get == self._rules:
            return
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("DELETE FROM audience; DELETE FROM denial")
        self._connection.execute(
            "INSERT OR REPLACE INTO register VALUES('rules', ?, 0)", (self._rules,)
        )
        self._connection.execute("COMMIT")

    def start(self) -> None:
        """Learn which audiences there are, as another process may have added one."""
        rows = self._connection.execute("SELECT content FROM audience")
        self._audiences = [_audience(content) for (content,) in rows]

    def admit(self, audience: Audience) -> None:
        """Work out what an audience is denied, unless that was done before, within the open transaction."""
        if self._connection.execute(KNOWN, (audience.key,)).get is None:
            self.begin(audience)
            self._decide(self.concerned(), [audience])
            self.complete(audience)

    def begin(self, audience: Audience) -> None:
        """Let all writers know an audience: until it is complete under its negated key, which no reader looks for."""
        if self._connection.execute("SELECT 1 FROM register WHERE name='people'").get is None:
            raise Unavailable(
                "The store was written before Consents were kept apart: run fhir-server reindex"
            )
        oldest: list[Any] = self._connection.execute(OLDEST, (MOST_AUDIENCES - 1,)).fetchall()
        for (key,) in oldest:
            self._connection.execute("DELETE FROM audience WHERE audience=?", (key,))
            self._connection.execute("DELETE FROM denial WHERE audience=?", (abs(key),))
        row = (-audience.key, _encode(audience))
        self._connection.execute(
            "INSERT OR IGNORE INTO audience(audience, content) VALUES(?,?)", row
        )
        self.start()

    def decide_some(self, owners: Sequence[int], first: int, audience: Audience) -> int:
        """Decide on owner classes from a place on, as long as a piece may take; return where to go on."""
        deadline, place = time.perf_counter() + SECONDS_TOGETHER, first
        while place < len(owners) and (place == first or time.perf_counter() < deadline):
            self._decide([owners[place]], [audience])
            place += 1
        return place

    def complete(self, audience: Audience) -> None:
        """Let readers know an audience that was worked out."""
        key = audience.key
        self._connection.execute(
            "UPDATE OR REPLACE audience SET audience=? WHERE audience=?", (key, -key)
        )

    def made(self, owner: int, people: Iterable[str]) -> None:
        """Take a new owner class in, which mentions these people."""
        self._persons.name(people)
        if self._audiences:
            self._decide([owner], self._audiences)

    def written(self, draft: Draft) -> None:
        """Take in what a new version changes about who people are, and about what they said."""
        if draft.key.type == "Patient":
            found = map(self._number.fullmatch, draft.record.terms)
            self._identified(draft.key.id, {each[1] for each in found if each})
        elif draft.key.type == "Consent":
            self._laid_down(str(draft.key), draft.laid_down)

    def name_all(self) -> None:
        """Learn anew who is meant where people are named by their number."""
        self._persons.name([each for (each,) in self._connection.execute(NAMED)])

    def deleted(self, key: Key) -> None:
        """Take in that a resource is gone: with a Consent what it laid down, with a Patient who that was."""
        if key.type == "Patient":
            self._identified(key.id, set())
        elif key.type == "Consent":
            self._laid_down(str(key), None)

    def _identified(self, patient: str, numbers: Iterable[str]) -> None:
        before = {mark for (mark,) in self._connection.execute(NUMBERS, (patient,))}
        after = {self._persons.mark(each) for each in numbers}
        if before == after:
            return
        self._connection.execute("DELETE FROM person WHERE patient=?", (patient,))
        self._connection.executemany(
            "INSERT INTO person(mark, patient) VALUES(?,?)", [(each, patient) for each in after]
        )
        self._decide_again(self._persons.same({patient, *self._persons.namesakes(before | after)}))

    def _laid_down(self, origin: str, laid_down: LaidDown | None) -> None:
        """Put what a Consent lays down now in place of what it did before."""
        rows = self._connection.execute("SELECT patient FROM fact WHERE origin=?", (origin,))
        touched = {each for (each,) in rows}
        self._connection.execute("DELETE FROM fact WHERE origin=?", (origin,))
        if laid_down is not None:
            content = _encode(laid_down.provisions)
            row = (laid_down.patient, origin, content)
            self._connection.execute("INSERT INTO fact VALUES(?,?,?)", row)
            touched.add(laid_down.patient)
        if touched:
            self._decide_again(self._persons.same(touched))

    def wrong(self) -> Iterator[str]:
        """Yield where the denials are not those that follow from what was laid down."""
        rows = self._connection.execute("SELECT content FROM audience WHERE audience>0")
        audiences = [_audience(content) for (content,) in rows]
        kept = {each for (each,) in self._connection.execute("SELECT DISTINCT owner FROM denial")}
        for audience in audiences:
            for owner in sorted(kept.union(self.concerned())):
                rows = self._connection.execute(KEPT, (audience.key, owner))
                if set(rows) != self.expected(owner, audience):
                    yield f"what {audience.purpose} may not see of owner class {owner} is not what was laid down"

    def expected(self, owner: int, audience: Audience) -> set[tuple[str, int, int]]:
        """Return the denials of an owner class as they should be: kind, since, until."""
        concerned = self._concerned_by(owner)
        people = [self._persons.provisions_about(each) for each in concerned.mentions]
        return self._judging.expected(concerned.labels, people, audience)

    def people(self, numbers: Iterable[str]) -> dict[str, Person]:
        """Return who has these NHS numbers."""
        return {each: self._persons.person(each) for each in numbers}

    def decided(self, owner: int, kind: str, audience: Audience, *, at: int) -> Decision:
        """Return what is decided on a type in an owner class, with its reasons."""
        concerned = self._concerned_by(owner)
        people = [self._persons.provisions_about(each) for each in concerned.mentions]
        return self._judging.decided(kind, concerned.labels, people, audience, at=at)

    def opened(self, sight: Visibility) -> Visibility:
        """Return a sight with what its emergency opens at its moment: the types of the owner classes of those people.

        What mentions others as well is opened where they would not have denied it.
        """
        patients = self._persons.same(sight.emergency)
        found = (
            f"{owner}.{kind}"
            for owner in self._persons.classes(patients)
            for kind in self._opened_of(self._concerned_by(owner), patients, sight)
        )
        return replace(sight, opened=frozenset(found))

    def _opened_of(
        self, concerned: OwnerClass, patients: Collection[str], sight: Visibility
    ) -> Iterator[str]:
        """Return the types of an owner class that an emergency of these patients opens."""
        assert sight.audience is not None
        facts = {each: self._persons.provisions_about(each) for each in concerned.mentions}
        own = [facts[each] for each in facts if each in patients]
        others = [facts[each] for each in facts if each not in patients]
        return self._judging.opened(concerned.labels, own, others, sight.audience, at=sight.at)

    def _concerned_by(self, owner: int) -> OwnerClass:
        return unpacked_patients(self._connection.execute(MENTIONED, (owner,)).get)

    def concerned(self) -> list[int]:
        """Return the owner classes that something was laid down about, that bear labels, and those of nobody."""
        patients = [each for (each,) in self._connection.execute(CAUSES)]
        nobodys = {each for (each,) in self._connection.execute(NOBODYS)}
        labelled = {
            each for each, packed in self._connection.execute(LABELLED) if self._hides(packed)
        }
        return sorted(nobodys | labelled | self._persons.classes(self._persons.same(patients)))

    def _hides(self, packed: bytes) -> bool:
        """Tell whether an owner class bears a label that hides it by itself."""
        return self._judging.hides(unpacked_patients(packed).labels)

    def _decide_again(self, patients: Iterable[str]) -> None:
        if self._audiences:
            self._decide(sorted(self._persons.classes(patients)), self._audiences)

    def _decide_bound(self, patients: Iterable[str]) -> None:
        """Decide anew about people for those whom opt-outs bind."""
        bound = [each for each in self._audiences if self._judging.is_bound(each)]
        if bound:
            self._decide(sorted(self._persons.classes(patients)), bound)

    def _decide(self, owners: Iterable[int], audiences: Collection[Audience]) -> None:
        """Write the denials of owner classes anew."""
        for owner in owners:
            for audience in audiences:
                self._connection.execute(
                    "DELETE FROM denial WHERE audience=? AND owner=?", (audience.key, owner)
                )
                rows = sorted(self.expected(owner, audience))
                self._connection.executemany(
                    "INSERT INTO denial VALUES(?,?,?,?,?)",
                    [(audience.key, owner, *each) for each in rows],
                )
