"""Who is who, and what was laid down about them.

People are told apart by the marks of their NHS numbers: several Patient resources of one number are one person, and
so is who is mentioned by it, which stands among the patients as the number with `#` before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import apsw
import msgspec

from fhir_server.policy.decision import Person, Provision
from fhir_server.search.record import BY_NUMBER, ids_among

REGISTER = Provision("opt-out", "deny", "register")

FACTS = "SELECT content FROM fact WHERE patient IN (SELECT value FROM json_each(?))"
NUMBERS = "SELECT mark FROM person WHERE patient=?"
NAMESAKES = "SELECT patient FROM person WHERE mark=?"
CLASSES = "SELECT DISTINCT owner FROM owned WHERE patient=? AND member=0"

_provisions = msgspec.msgpack.Decoder(tuple[Provision, ...]).decode


class Persons:
    """The people of one store, on one connection; `key` is what their marks are made with."""

    def __init__(self, connection: apsw.Connection, key: bytes) -> None:
        self._connection = connection
        self._key = key

    def mark(self, number: str) -> bytes:
        """Return what stands for an NHS number in this store."""
        written = number.replace(" ", "").encode()
        return blake2b(written, digest_size=16, key=self._key).digest()

    def name(self, people: Iterable[str]) -> None:
        """Note who those are that are mentioned by a number."""
        rows = [(self.mark(each[1:]), each) for each in people if each.startswith(BY_NUMBER)]
        if rows:
            self._connection.executemany("INSERT OR IGNORE INTO person VALUES(?,?)", rows)

    def classes(self, patients: Iterable[str]) -> set[int]:
        """Return the owner classes that mention one of these patients."""
        return {
            owner
            for patient in patients
            for (owner,) in self._connection.execute(CLASSES, (patient,))
        }

    def provisions_about(self, patient: str) -> tuple[Provision, ...]:
        """Return what was laid down about the person whose Patient this is."""
        same = sorted(self.same({patient}))
        rows = self._connection.execute(FACTS, (msgspec.json.encode(same).decode(),))
        found = [each for (content,) in rows for each in _provisions(content)]
        opted_out = self._connection.execute(
            "SELECT 1 FROM person p JOIN opt_out x ON x.mark=p.mark"
            " WHERE p.patient IN (SELECT value FROM json_each(?))",
            (msgspec.json.encode(same).decode(),),
        ).get
        return (*found, REGISTER) if opted_out else tuple(found)

    def person(self, number: str) -> Person:
        """Return who has an NHS number, whether or not there is a Patient of it."""
        mark = self.mark(number)
        patients = sorted(self.same(self.namesakes([mark])))
        found = self.provisions_about(patients[0]) if patients else ()
        opted_out = self._connection.execute("SELECT 1 FROM opt_out WHERE mark=?", (mark,)).get
        if opted_out and REGISTER not in found:
            found = (*found, REGISTER)
        return Person(tuple(ids_among(patients)), found)

    def same(self, patients: Iterable[str]) -> set[str]:
        """Return the Patient resources of the same people, these among them."""
        found: set[str] = set()
        waiting = list(patients)
        while waiting:
            patient = waiting.pop()
            if patient not in found:
                found.add(patient)
                marks = {mark for (mark,) in self._connection.execute(NUMBERS, (patient,))}
                waiting += self.namesakes(marks)
        return found

    def namesakes(self, marks: Iterable[bytes]) -> set[str]:
        """Return the Patient resources that have one of these numbers."""
        return {each for mark in marks for (each,) in self._connection.execute(NAMESAKES, (mark,))}
