"""Who is who, and what was laid down about them.

People are told apart by the marks of their NHS numbers: several Patient resources of one number are one person, and
so is who is mentioned by it, which stands among the patients as the number with `#` before it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from hashlib import blake2b

import msgspec

from fhir_server.policy.decision import Enforcement, Person, Provision
from fhir_server.search.record import BY_NUMBER, SEPARATOR, ids_among, system_key
from fhir_server.storage.mongo.documents import Document
from fhir_server.storage.mongo.schema import REGISTER, STATE
from fhir_server.storage.mongo.statements import Statements, together

OPTED_OUT = Provision("opt-out", "deny", "register")

_provisions = msgspec.msgpack.Decoder(tuple[Provision, ...]).decode


class Marks:
    """What stands for NHS numbers in a store; `key` is what they are made with."""

    def __init__(self, enforcement: Enforcement, key: bytes) -> None:
        self._key = key
        self._number = re.compile(
            f"identifier=(.*){SEPARATOR}{system_key(enforcement.number_system)}"
        )

    def of(self, number: str) -> bytes:
        """Return what stands for a number."""
        written = number.replace(" ", "").encode()
        return blake2b(written, digest_size=16, key=self._key).digest()

    def of_named(self, people: Iterable[str]) -> list[Document]:
        """Return the persons among whom an owner class mentions that it names by a number."""
        return [
            {"_id": each, "marks": [self.of(each[1:])]}
            for each in people
            if each.startswith(BY_NUMBER)
        ]

    def among(self, terms: Iterable[str]) -> list[bytes]:
        """Return the marks of the NHS numbers among the terms of a Patient."""
        found = map(self._number.fullmatch, terms)
        return sorted({self.of(each[1]) for each in found if each})


class Persons:
    """The people of one store, at one moment."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._about: dict[str, tuple[Provision, ...]] = {}

    async def provisions(self, patients: Iterable[str]) -> list[tuple[Provision, ...]]:
        """Return what was laid down about each of the people whose Patients these are."""
        return [await self._provisions_about(each) for each in patients]

    async def person(self, mark: bytes) -> Person:
        """Return who has the NHS number of a mark, whether or not there is a Patient of it."""
        patients = sorted(await self.same(await self.namesakes([mark])))
        found = await self._provisions_about(patients[0]) if patients else ()
        if OPTED_OUT not in found and await self._registered([mark]):
            found = (*found, OPTED_OUT)
        return Person(tuple(ids_among(patients)), found)

    async def same(self, patients: Iterable[str]) -> set[str]:
        """Return the Patient resources of the same people, these among them."""
        found: set[str] = set()
        frontier = set(patients)
        while frontier:
            found |= frontier
            frontier = await self.namesakes(await self._marks(frontier)) - found
        return found

    async def namesakes(self, marks: Iterable[bytes]) -> set[str]:
        """Return the Patient resources that have one of these numbers."""
        found: set[str] = set()
        for some in together(sorted(marks)):
            rows = self._statements.find("person", {"marks": {"$in": some}}, {"_id": 1})
            found |= {each["_id"] async for each in rows}
        return found

    async def classes(self, patients: Collection[str]) -> list[Document]:
        """Return the owner classes that mention one of these patients."""
        found: dict[int, Document] = {}
        for some in together(sorted(patients)):
            rows = self._statements.find("owner", {"mentions": {"$in": some}})
            found.update({each["n"]: each async for each in rows})
        return [found[number] for number in sorted(found)]

    async def spoken_for(self) -> set[str]:
        """Return the Patients of all about whom something was laid down."""
        facts = self._statements.find("fact", {}, {"patient": 1})
        patients = {each["patient"] async for each in facts}
        by_mark: dict[bytes, list[str]] = {}
        async for each in self._statements.find("person", {}):
            for mark in each["marks"]:
                by_mark.setdefault(mark, []).append(each["_id"])
        for mark in await self._registered(by_mark):
            patients.update(by_mark[mark])
        return await self.same(patients)

    async def _provisions_about(self, patient: str) -> tuple[Provision, ...]:
        if patient not in self._about:
            same = sorted(await self.same({patient}))
            rows = self._statements.find("fact", {"patient": {"$in": same}})
            found = [each async for row in rows for each in _provisions(row["content"])]
            if await self._registered(await self._marks(same)):
                found.append(OPTED_OUT)
            self._about[patient] = tuple(found)
        return self._about[patient]

    async def _registered(self, marks: Collection[bytes]) -> set[bytes]:
        """Return those of these marks that are on the register."""
        register = await self._statements.one(STATE, {"_id": REGISTER}) if marks else None
        if register is None:
            return set()
        edition: bytes = register["edition"]
        found: set[bytes] = set()
        for some in together([edition + each for each in marks]):
            rows = self._statements.find("opt_out", {"_id": {"$in": some}})
            found |= {each["_id"][len(edition) :] async for each in rows}
        return found

    async def _marks(self, patients: Iterable[str]) -> set[bytes]:
        marks: set[bytes] = set()
        for some in together(sorted(patients)):
            rows = self._statements.find("person", {"_id": {"$in": some}})
            marks |= {mark async for row in rows for mark in row["marks"]}
        return marks


def those_apart(owner: Document, patients: Collection[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Return the people that an owner class mentions: those among the patients, and the others."""
    mentions: Sequence[str] = owner["mentions"]
    own = [each for each in mentions if each in patients]
    return own, [each for each in mentions if each not in patients]
