"""What a store decides by, and reads of what it decided: on owner classes, by the rules and what was laid down.

What is denied is kept by `fhir_server.storage.mongo.denials`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fhir_server.fhir.resource import Key
from fhir_server.policy.decision import Audience, Decision, Enforcement, Person, first_denial
from fhir_server.policy.denying import Rules
from fhir_server.policy.visibility import Visibility
from fhir_server.storage.mongo.documents import RESOURCE
from fhir_server.storage.mongo.door import JUDGED
from fhir_server.storage.mongo.persons import Marks, Persons, those_apart
from fhir_server.storage.mongo.statements import Statements


class Enforcing:
    """What a store keeps denials by."""

    def __init__(self, enforcement: Enforcement, *, key: bytes) -> None:
        self.rules = Rules(enforcement)
        self.marks = Marks(enforcement, key)
        self.edition = enforcement.rules

    async def opened(self, statements: Statements, sight: Visibility) -> Visibility:
        """Return a sight with what its emergency opens at its moment: types of owner classes of those people."""
        if not sight.emergency or sight.audience is None:
            return sight
        persons = Persons(statements)
        patients = await persons.same(sight.emergency)
        found: set[str] = set()
        for owner in await persons.classes(patients):
            own, others = those_apart(owner, patients)
            facts = await persons.provisions(own), await persons.provisions(others)
            kinds = self.rules.opened(owner["labels"], *facts, sight.audience, at=sight.at)
            found |= {f"{owner['n']}.{kind}" for kind in kinds}
        return replace(sight, opened=frozenset(found))

    async def people(self, statements: Statements, numbers: Iterable[str]) -> dict[str, Person]:
        """Return who has these NHS numbers."""
        persons = Persons(statements)
        return {each: await persons.person(self.marks.of(each)) for each in numbers}

    async def decided(
        self, statements: Statements, key: Key, audience: Audience, *, at: int
    ) -> Decision | None:
        """Return what is decided on a current version and on what it tells of, None where there is none."""
        if await statements.one(RESOURCE, {"_id": str(key), "x": False}, {"_id": 1}) is None:
            return None
        decided: list[Decision] = []
        persons = Persons(statements)
        seen: dict[str, None] = {}
        waiting = [str(key)]
        while waiting:
            seen.update(dict.fromkeys(waiting))
            found = await statements.all(RESOURCE, {"_id": {"$in": waiting}}, JUDGED)
            for each in found:
                owner = await statements.one("owner", {"n": each["o"]})
                assert owner is not None, "a resource has an owner class"
                people = await persons.provisions(owner["mentions"])
                decided.append(
                    self.rules.decided(each["t"], owner["labels"], people, audience, at=at)
                )
            told = {one for each in found for one in each.get("a", ())}
            waiting = sorted(told - seen.keys())
        return first_denial(decided)
