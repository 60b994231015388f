"""Which owner classes are denied to which audience: kept beside what causes it, in the same transaction.

Every read leaves the denied classes out, so that a Consent or an opt-out takes effect with its commit. The decision
itself is `fhir_server.policy.decision`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from fhir_server.fhir.errors import Unavailable
from fhir_server.fhir.resource import Key
from fhir_server.policy.decision import Audience, LaidDown
from fhir_server.policy.denying import People
from fhir_server.storage.contract import Draft
from fhir_server.storage.mongo.documents import Document
from fhir_server.storage.mongo.door import DENIAL, denial_of, mark_of
from fhir_server.storage.mongo.enforcing import Enforcing
from fhir_server.storage.mongo.persons import Persons
from fhir_server.storage.mongo.schema import LOADS, REGISTER, RULES, STATE
from fhir_server.storage.mongo.workspace import Workspace

MOST_AUDIENCES = 1_000
"""Audiences whose denials are kept; the oldest make room, and are worked out anew when they return."""

_audience = msgspec.msgpack.Decoder(Audience).decode
_encode = msgspec.msgpack.Encoder().encode


class GivenUp(Unavailable):
    """A register did not come into force, and never will: another one was loaded meanwhile."""


class Denials:
    """The denials of one store, within a transaction."""

    def __init__(self, workspace: Workspace, enforcing: Enforcing) -> None:
        self._workspace = workspace
        self._rules = enforcing.rules
        self._marks = enforcing.marks
        self._edition = enforcing.edition
        self._audiences: list[Audience] | None = None

    async def settle(self) -> None:
        """Forget what was worked out by other rules than those of this process."""
        kept = await self._workspace.get(STATE, RULES)
        if kept is not None and kept["edition"] == self._edition:
            return
        await self.dismiss_all()
        await self._workspace.put(STATE, RULES, {"_id": RULES, "edition": self._edition})

    async def dismiss_all(self) -> None:
        """Forget what every audience is denied: each is worked out anew when it next asks."""
        for each in await self._known():
            await self._dismiss(each)
        self.forget()

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
        known, mark = await self._known(), mark_of(audience)
        if await self._workspace.get(DENIAL, mark) is not None:
            return
        for oldest in known[: max(0, len(known) - MOST_AUDIENCES + 1)]:
            await self._dismiss(oldest)
        number = 1 + await self._latest_number()
        content = _encode(audience)
        made = {"_id": audience.key, "n": number, "content": content}
        await self._workspace.put("audience", audience.key, made)
        await self._workspace.put(DENIAL, mark, {"_id": mark, "a": audience.key})
        self.forget()
        await self._decide(await self._concerned(), [audience])

    async def made(self, owner: Document) -> None:
        """Take a new owner class in."""
        for each in self._marks.of_named(owner["mentions"]):
            if await self._workspace.get("person", each["_id"]) is None:
                await self._workspace.put("person", each["_id"], each)
        await self._decide([owner], await self._known())

    async def written(self, draft: Draft) -> None:
        """Take in what a new version changes about who people are, and about what they said."""
        if draft.key.type == "Patient":
            await self._identified(draft.key.id, self._marks.among(draft.record.terms))
        elif draft.key.type == "Consent":
            await self._laid_down(str(draft.key), draft.laid_down)

    async def deleted(self, key: Key) -> None:
        """Take in that a resource is gone: with a Consent what it laid down, with a Patient who that was."""
        if key.type == "Patient":
            await self._identified(key.id, [])
        elif key.type == "Consent":
            await self._laid_down(str(key), None)

    async def load_register(self, edition: bytes) -> None:
        """Note that the marks of a register are being written."""
        loads = await self._loads()
        begun = [*loads["begun"], edition]
        await self._workspace.put(STATE, LOADS, {**loads, "begun": begun})

    async def forget_registers(self, editions: Sequence[bytes]) -> None:
        """Note that no marks of these registers are there any more."""
        loads = await self._loads()
        left = [each for each in loads["left"] if each not in editions]
        await self._workspace.put(STATE, LOADS, {**loads, "left": left})

    async def register(self, number: int, edition: bytes, as_of: int) -> None:
        """Put the register of an edition in place of the one before, and let go of all others.

        Raises GivenUp where another came first: then its marks are not all there any more.
        """
        loads, before = await self._loads(), await self._workspace.get(STATE, REGISTER)
        if edition not in loads["begun"]:
            raise GivenUp(
                "Another register of opt-outs was loaded meanwhile, and this load was given up"
            )
        others = [each for each in loads["begun"] if each != edition]
        left = [*loads["left"], *others, *([before["edition"]] if before else [])]
        await self._workspace.put(STATE, LOADS, {"_id": LOADS, "begun": [], "left": left})
        register = {"_id": REGISTER, "as_of": as_of, "number": number, "edition": edition}
        await self._workspace.put(STATE, REGISTER, register)
        bound = [each for each in await self._known() if self._rules.is_bound(each)]
        for each in bound:
            await self._clear(each)
        await self._decide(await self._concerned(), bound)

    async def wrong(self) -> list[str]:
        """Return where the denials are not those that follow from what was laid down."""
        persons, found = await self._persons(), list[str]()
        concerned = {each["n"]: each for each in await self._concerned()}
        for audience in await self._known():
            rows = await self._workspace.statements.all(
                DENIAL, {"a": audience.key, "o": {"$exists": True}}
            )
            kept = {each["o"]: {tuple(row) for row in each["rows"]} for each in rows}
            for number in sorted({*concerned, *kept}):
                owner = concerned.get(number) or await self._owner(number)
                people = await persons.provisions(owner["mentions"])
                if kept.get(number, set()) != self._rules.expected(
                    owner["labels"], people, audience
                ):
                    found.append(
                        f"what {audience.purpose} may not see of owner class {number} is not what was laid down"
                    )
        return found

    async def _loads(self) -> Document:
        empty = {"_id": LOADS, "begun": [], "left": []}
        return await self._workspace.get(STATE, LOADS) or empty

    async def _owner(self, number: int) -> Document:
        """Return an owner class that something was denied of; of one that is gone nothing is known."""
        known = await self._workspace.statements.one("owner", {"n": number})
        return known or {"mentions": [], "labels": []}

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
        await self._workspace.put(DENIAL, mark_of(audience), None)
        await self._clear(audience)

    async def _clear(self, audience: Audience) -> None:
        """Delete the denials of an audience."""
        await self._workspace.flush()
        own = {"a": audience.key, "o": {"$exists": True}}
        for each in await self._workspace.statements.all(DENIAL, own, {"_id": 1}):
            await self._workspace.put(DENIAL, each["_id"], None)

    async def _identified(self, patient: str, after: list[bytes]) -> None:
        known = await self._workspace.get("person", patient)
        before = known["marks"] if known else []
        if before == after:
            return
        person = {"_id": patient, "marks": after} if after else None
        await self._workspace.put("person", patient, person)
        if await self._known():
            namesakes = await (await self._persons()).namesakes({*before, *after})
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

    async def _concerned(self) -> list[Document]:
        """Return the owner classes that something was laid down about, that bear labels, and those of nobody."""
        persons = await self._persons()
        statements = self._workspace.statements
        classes = await persons.classes(await persons.spoken_for())
        labelled = await statements.all("owner", {"labels.0": {"$exists": True}})
        hidden = [each for each in labelled if self._rules.hides(each["labels"])]
        nobodys = await statements.all("owner", {"mentions": []})
        found = {each["n"]: each for each in (*classes, *hidden, *nobodys)}
        return [found[number] for number in sorted(found)]

    async def _persons(self) -> Persons:
        """Return the people as they are now."""
        await self._workspace.flush()
        return Persons(self._workspace.statements)

    async def _decide_again(self, patients: Iterable[str]) -> None:
        if audiences := await self._known():
            persons = await self._persons()
            await self._decide(await persons.classes(await persons.same(patients)), audiences)

    async def _decide(self, owners: Sequence[Document], audiences: Sequence[Audience]) -> None:
        """Write the denials of owner classes anew."""
        if not owners or not audiences:
            return
        persons = await self._persons()
        ids = [denial_of(audience, owner["n"]) for owner in owners for audience in audiences]
        await self._workspace.load(DENIAL, ids)
        for owner in owners:
            people = await persons.provisions(owner["mentions"])
            for audience in audiences:
                await self._deny(owner, audience, people)

    async def _deny(self, owner: Document, audience: Audience, people: People) -> None:
        """Write what an audience is denied of an owner class, where that is not there yet."""
        rows = sorted(self._rules.expected(owner["labels"], people, audience))
        own = denial_of(audience, owner["n"])
        denial: Document | None = None
        if rows:
            told = [list(each) for each in rows]
            denial = {"_id": own, "a": audience.key, "o": owner["n"], "rows": told}
        if await self._workspace.get(DENIAL, own) != denial:
            await self._workspace.put(DENIAL, own, denial)
