"""Which owner classes are denied to which audience: kept beside what causes it, in the same transaction.

The decision itself is `fhir_server.policy.decision`. People are told apart by the marks of their NHS numbers: several
Patient resources of one number are one person, and no number stands in these documents.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from hashlib import blake2b
from itertools import pairwise

import msgspec

from fhir_server.fhir.resource import Key
from fhir_server.policy.decision import (
    EVER,
    Audience,
    Enforcement,
    LaidDown,
    Provision,
    Subject,
)
from fhir_server.search.record import SEPARATOR, system_key
from fhir_server.storage.contract import Draft
from fhir_server.storage.mongo.documents import Document
from fhir_server.storage.mongo.schema import REGISTER, STATE
from fhir_server.storage.mongo.sights import ANY_KIND
from fhir_server.storage.mongo.workspace import Workspace, together

MOST_AUDIENCES = 1_000
"""Audiences whose denials are kept; the oldest make room, and are worked out anew when they return."""

THE_REGISTER = Provision("opt-out", "deny", "register")

_provisions = msgspec.msgpack.Decoder(tuple[Provision, ...]).decode
_audience = msgspec.msgpack.Decoder(Audience).decode
_encode = msgspec.msgpack.Encoder().encode


class People:
    """What a store keeps denials by; `key` makes the marks of NHS numbers."""

    def __init__(self, enforcement: Enforcement, *, key: bytes) -> None:
        self.policy = enforcement.policy
        self.kinds = sorted(enforcement.kinds)
        self.personal = sorted(enforcement.personal)
        self._key = key
        self._number = re.compile(
            f"identifier=(.*){SEPARATOR}{system_key(enforcement.number_system)}"
        )

    def mark(self, number: str) -> bytes:
        """Return what stands for an NHS number in this store."""
        return blake2b(number.encode(), digest_size=16, key=self._key).digest()

    def marks(self, terms: Iterable[str]) -> list[bytes]:
        """Return the marks of the NHS numbers among the terms of a Patient."""
        found = map(self._number.fullmatch, terms)
        return sorted({self.mark(each[1]) for each in found if each})


class Denials:
    """The denials of one store, within a transaction."""

    def __init__(self, workspace: Workspace, people: People, epoch: int) -> None:
        self._workspace = workspace
        self._people = people
        self._audiences: list[Audience] | None = None
        self.epoch = epoch

    async def prepare(self, keys: Iterable[Key]) -> None:
        """Read together what is known of Patients and Consents that are written."""
        keys = list(keys)
        await self._known()
        await self._workspace.load("person", [e.id for e in keys if e.type == "Patient"])
        await self._workspace.load("fact", [str(e) for e in keys if e.type == "Consent"])

    def forget(self) -> None:
        """Know nothing of the audiences any more: what was done is undone."""
        self._audiences = None

    async def admit(self, audience: Audience) -> None:
        """Work out what an audience is denied, unless that was done before."""
        known = await self._known()
        if audience in known:
            return
        for oldest in known[: max(0, len(known) - MOST_AUDIENCES + 1)]:
            await self._dismiss(oldest)
        number = 1 + await self._latest_number()
        content = _encode(audience)
        self._workspace.add("audience", {"_id": audience.key, "n": number, "content": content})
        self._audiences = None
        self._changed()
        await self._decide(await self._concerned(), [audience])

    async def made(self, owner: Document) -> None:
        """Take a new owner class in."""
        await self._decide([owner], await self._known())

    async def written(self, draft: Draft) -> None:
        """Take in what a new version changes about who people are, and about what they said."""
        if draft.key.type == "Patient":
            await self._identified(draft.key.id, self._people.marks(draft.record.terms))
        elif draft.key.type == "Consent":
            await self._laid_down(str(draft.key), draft.laid_down)

    async def deleted(self, key: Key) -> None:
        """Take in that a resource is gone: with a Consent what it laid down, with a Patient who that was."""
        if key.type == "Patient":
            await self._identified(key.id, [])
        elif key.type == "Consent":
            await self._laid_down(str(key), None)

    async def register(self, number: int, edition: bytes, as_of: int) -> None:
        """Put the register of an edition, whose marks are there, in place of the one before."""
        register = {"_id": REGISTER, "as_of": as_of, "number": number, "edition": edition}
        await self._workspace.put(STATE, REGISTER, register)
        bound = [each for each in await self._known() if self._is_bound(each)]
        for each in bound:
            await self._clear(each)
        self._changed()
        await self._decide(await self._concerned(), bound)

    def _changed(self) -> None:
        self.epoch += 1

    async def _known(self) -> list[Audience]:
        """Return the audiences whose denials are kept, the oldest first."""
        if self._audiences is None:
            await self._workspace.flush()
            rows = self._workspace.statements.find("audience", {}, order=(("n", 1),))
            self._audiences = [_audience(each["content"]) async for each in rows]
        return self._audiences

    async def _latest_number(self) -> int:
        latest = await self._workspace.statements.all(
            "audience", {}, {"n": 1}, order=(("n", -1),), limit=1
        )
        return int(latest[0]["n"]) if latest else 0

    async def _dismiss(self, audience: Audience) -> None:
        await self._workspace.put("audience", audience.key, None)
        await self._clear(audience)

    async def _clear(self, audience: Audience) -> None:
        """Delete the denials of an audience."""
        await self._workspace.flush()
        wanted = {"a": audience.key}
        async for each in self._workspace.statements.find("denial", wanted, {"_id": 1}):
            await self._workspace.put("denial", each["_id"], None)

    async def _identified(self, patient: str, after: list[bytes]) -> None:
        known = await self._workspace.get("person", patient)
        before = known["marks"] if known else []
        if before == after:
            return
        person = {"_id": patient, "marks": after} if after else None
        await self._workspace.put("person", patient, person)
        if await self._known():
            namesakes = await self._namesakes([*before, *after])
            await self._decide_again({patient, *namesakes})

    async def _laid_down(self, origin: str, laid_down: LaidDown | None) -> None:
        """Put what a Consent lays down now in place of what it did before."""
        known = await self._workspace.get("fact", origin)
        touched = {known["patient"]} if known else set()
        fact = None
        if laid_down is not None:
            content = _encode(laid_down.provisions)
            fact = {"_id": origin, "patient": laid_down.patient, "content": content}
            touched.add(laid_down.patient)
        if known or fact:
            await self._workspace.put("fact", origin, fact)
            await self._decide_again(touched)

    def _is_bound(self, audience: Audience) -> bool:
        rule = self._people.policy.purposes.rule(audience.purpose)
        return rule is not None and rule.opt_out and not audience.exempt

    async def _concerned(self) -> list[Document]:
        """Return the owner classes that something was laid down about, and those of nobody."""
        await self._workspace.flush()
        statements = self._workspace.statements
        facts = statements.find("fact", {}, {"patient": 1})
        patients = {each["patient"] async for each in facts}
        patients |= {each async for each in self._opted_out()}
        classes = await self._classes(await self._same_people(patients))
        nobodys = await statements.all("owner", {"mentions": []})
        return [*classes, *nobodys]

    async def _opted_out(self) -> AsyncIterator[str]:
        """Yield the Patients who are on the register."""
        people = await self._workspace.statements.all("person", {})
        by_mark: dict[bytes, list[str]] = {}
        for each in people:
            for mark in each["marks"]:
                by_mark.setdefault(mark, []).append(each["_id"])
        for mark in await self._registered(by_mark):
            for patient in by_mark[mark]:
                yield patient

    async def _registered(self, marks: Collection[bytes]) -> set[bytes]:
        """Return those of these marks that are on the register."""
        register = await self._workspace.get(STATE, REGISTER)
        if register is None:
            return set()
        edition: bytes = register["edition"]
        found: set[bytes] = set()
        for some in together([edition + each for each in marks]):
            rows = self._workspace.statements.find("opt_out", {"_id": {"$in": some}})
            found |= {each["_id"][len(edition) :] async for each in rows}
        return found

    async def _classes(self, patients: Collection[str]) -> list[Document]:
        """Return the owner classes that mention one of these patients."""
        found: dict[int, Document] = {}
        for some in together(sorted(patients)):
            rows = self._workspace.statements.find("owner", {"mentions": {"$in": some}})
            found.update({each["n"]: each async for each in rows})
        return [found[number] for number in sorted(found)]

    async def _decide_again(self, patients: Iterable[str]) -> None:
        if audiences := await self._known():
            await self._workspace.flush()
            classes = await self._classes(await self._same_people(patients))
            await self._decide(classes, audiences)

    async def _decide(self, owners: Sequence[Document], audiences: Sequence[Audience]) -> None:
        """Write the denials of owner classes anew."""
        if not owners or not audiences:
            return
        await self._workspace.flush()
        ids = [f"{audience.key}.{owner['n']}" for owner in owners for audience in audiences]
        await self._workspace.load("denial", ids)
        known: dict[str, tuple[Provision, ...]] = {}
        for owner in owners:
            people = [await self._about(each, known) for each in owner["mentions"]]
            for audience in audiences:
                await self._deny(owner, audience, people)

    async def _deny(
        self, owner: Document, audience: Audience, people: Sequence[Sequence[Provision]]
    ) -> None:
        """Write what an audience is denied of an owner class, where that is not there yet."""
        number: int = owner["n"]
        rows = sorted(self._expected(frozenset(owner["labels"]), audience, people))
        denial: Document | None = None
        own = f"{audience.key}.{number}"
        if rows:
            told = [list(each) for each in rows]
            denial = {"_id": own, "a": audience.key, "o": number, "rows": told}
        if await self._workspace.get("denial", own) != denial:
            await self._workspace.put("denial", own, denial)
            self._changed()

    def _expected(
        self, labels: frozenset[str], audience: Audience, people: Sequence[Sequence[Provision]]
    ) -> set[tuple[str, int, int]]:
        """Return the denials of an owner class as they should be: type, since, until."""
        return {
            (kind, since, until)
            for kind in self._decided_on(people)
            for since, until in self._denied(people, audience, Subject(kind, labels))
        }

    def _decided_on(self, people: Sequence[Sequence[Provision]]) -> Sequence[str]:
        """Return the resource types to decide on: one by one only where that can make a difference."""
        if not people:
            return self._people.personal
        by_kind = any(each.kinds for facts in people for one in facts for each in one.chain)
        return self._people.kinds if by_kind else (ANY_KIND,)

    def _denied(
        self, people: Sequence[Sequence[Provision]], audience: Audience, subject: Subject
    ) -> Iterable[tuple[int, int]]:
        """Yield the stretches of time in which a type is denied."""
        moments = {-EVER, EVER}
        for facts in people:
            for one in facts:
                for each in one.chain:
                    moments |= {each.since, each.until}
        begun: int | None = None
        for start, end in pairwise(sorted(moments)):
            decided = self._people.policy.decide(people, audience, subject, at=start)
            if decided.effect == "deny" and begun is None:
                begun = start
            elif decided.effect == "permit" and begun is not None:
                yield begun, start
                begun = None
            if end == EVER and begun is not None:
                yield begun, EVER

    async def _about(
        self, patient: str, known: dict[str, tuple[Provision, ...]]
    ) -> tuple[Provision, ...]:
        """Return what was laid down about the person that a Patient is."""
        if patient not in known:
            known[patient] = await self._provisions_about(patient)
        return known[patient]

    async def _provisions_about(self, patient: str) -> tuple[Provision, ...]:
        same = sorted(await self._same_people({patient}))
        rows = self._workspace.statements.find("fact", {"patient": {"$in": same}})
        found = [each async for row in rows for each in _provisions(row["content"])]
        marks = await self._marks(same)
        return (*found, THE_REGISTER) if await self._registered(marks) else tuple(found)

    async def _same_people(self, patients: Iterable[str]) -> set[str]:
        """Return the Patient resources of the same people, these among them."""
        found: set[str] = set()
        frontier = set(patients)
        while frontier:
            found |= frontier
            frontier = await self._namesakes(await self._marks(frontier)) - found
        return found

    async def _marks(self, patients: Iterable[str]) -> set[bytes]:
        marks: set[bytes] = set()
        for some in together(sorted(patients)):
            rows = self._workspace.statements.find("person", {"_id": {"$in": some}})
            marks |= {mark async for row in rows for mark in row["marks"]}
        return marks

    async def _namesakes(self, marks: Iterable[bytes]) -> set[str]:
        await self._workspace.flush()
        found: set[str] = set()
        for some in together(sorted(marks)):
            rows = self._workspace.statements.find("person", {"marks": {"$in": some}}, {"_id": 1})
            found |= {each["_id"] async for each in rows}
        return found
