"""Whether the requests of the property notice that a condition is missing.

Each mutant answers the scripts of some callers on random stores; what the code as it is answered is known. That this is
what a store without anything hidden answers, `test_noninterference.py` shows.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass, replace
from random import Random

from fhir_server.fhir.resource import Key, Stored
from fhir_server.policy.access import Access
from fhir_server.policy.visibility import Visibility
from fhir_server.search.expression import Plan
from fhir_server.storage.pages import Part
from tests.noninterference import chosen
from tests.noninterference.asking import LATER, START, TICK, Answer
from tests.noninterference.chosen import build_chosen
from tests.noninterference.erasing import Reach, hidden_keys
from tests.noninterference.keeping import Keep, Kept
from tests.noninterference.keeping_on_mongo import KEEPING
from tests.noninterference.mutants import Place, places, without
from tests.noninterference.scripts import Ask, a_script
from tests.noninterference.sides import Side, a_caller, admitted, build, inline, opened, reach_of
from tests.support import mongo

CALLERS = 4
SCRIPTS = {"sqlite": 20, "mongo": 5}
"""Scripts of each caller, by store: the wire server takes ten times as long."""

MOST_CALLERS = {"sqlite": 48, "mongo": 12}
"""Callers who are asked in turn whether they notice."""

_DOOR = "it spares a statement: the door would show nothing of it"
_REVIEWED = "who reviews decisions is told of them, hidden or not"
EQUIVALENT = {
    "fhir_server/interactions/drafting.py _check_permitted sight.permits_type(key.type) 1": (
        "`Call.to` has refused types that are not permitted"
    ),
    "fhir_server/interactions/identity.py check_same_person call.store.read_many(call.sight, [op.draft.key]) 1": (
        "who is bound to a patient reads that patient's own record"
    ),
    "fhir_server/operations/explain_access.py _beyond_rights standing.rights.sight('r').permits_type(key.type) 1": (
        _REVIEWED
    ),
    "fhir_server/operations/explain_access.py _beyond_rights counted.permits_type(key.type) 1": _REVIEWED,
    "fhir_server/operations/explain_access.py _reached sight.permits_type(key.type) 1": _REVIEWED,
    "fhir_server/operations/explain_access.py _reached call.store.read(sight, key) 1": _REVIEWED,
    "fhir_server/operations/explain_access.py _because call.store.read(sight, Key(kind, logical_id)) 1": _REVIEWED,
    "fhir_server/storage/mongo/reading.py Reader.many self._sight.visibility.permits_type(each.type) 1": _DOOR,
    "fhir_server/storage/mongo/searching.py Searcher.records self.sight.visibility.permits_type(kind) 1": _DOOR,
    "fhir_server/storage/mongo/searching.py Searcher.kinds self.sight.visibility.permits_type(each) 1": _DOOR,
    "fhir_server/storage/mongo/door.py Door.count self.sight.of(kind) 1": (
        "what is counted was bounded by the same as it was planned"
    ),
    "fhir_server/storage/mongo/planning.py Planner._bounds sight.patient_of(kind) 1": _DOOR,
    "fhir_server/storage/mongo/store.py MongoStore.read sight.permits_type(key.type) 1": _DOOR,
    "fhir_server/storage/mongo/store.py MongoStore.explain Sight(sight) 1": (
        "how a search is found is explained to those who may see everything"
    ),
    "fhir_server/storage/sqlite/filtering.py Filter.page reach(self._view.sight, self._view.kind, source, condition) 1": (
        "the compartment and the criteria of scopes are checked as a part of what is asked for (`View.bound`)"
    ),
    "fhir_server/storage/sqlite/searching.py Searcher.inside sight.permits_type(kind) 1": (
        "a search of what is contained names its types, and `Call.to` has refused those that are not permitted"
    ),
    "fhir_server/operations/explain_access.py _check_may_ask call.store.read(call.sight, key) 1": _REVIEWED,
}
"""Conditions that hold whenever they are asked, each with what makes them so: kept as a second look."""

ALL = Visibility.everything("test")
_NAMES = (("Observation", "o0"), ("Observation", "o1"), ("Location", "site"), ("Location", "ward"))
Seen = Answer | list[Stored]


@dataclass(frozen=True)
class Recorded:
    """A caller of a store, what it asks, and what it is answered."""

    store: Kept
    access: Access
    reach: Reach
    asks: Sequence[Ask]
    answers: list[Seen]


class Killing:
    """Random callers, made when they are first needed."""

    def __init__(self, store: str, keep: Keep, seed: int = 0) -> None:
        self._store = store
        self._keep = keep
        self._random = Random(seed)
        self._recorded: list[Recorded] = []

    def notices(self, place: Place) -> bool:
        """Tell whether a caller is answered otherwise without the condition."""
        for number in range(MOST_CALLERS[self._store]):
            recorded = self.caller(number)
            with without(place):
                if asyncio.run(self._differs(recorded)):
                    # Who noticed one is likely to notice the next.
                    self._recorded.remove(recorded)
                    self._recorded.insert(0, recorded)
                    return True
        return False

    def caller(self, number: int) -> Recorded:
        """Return a caller with what it asks; the first ones are chosen."""
        while len(self._recorded) <= number:
            self._recorded += asyncio.run(self._record())
        return self._recorded[number]

    async def _record(self) -> list[Recorded]:
        world = self._keep("world")
        world.clear()
        callers = [a_caller(self._random) for _ in range(CALLERS)]
        with inline():
            if self._recorded:
                await build(world, self._random)
            else:
                await build_chosen(world)
                callers = list(chosen.CALLERS)
        scripts = SCRIPTS[self._store] if self._recorded or self._store == "sqlite" else 0
        return [await self._record_caller(world, each, scripts) for each in callers]

    async def _record_caller(self, world: Kept, access: Access, number: int) -> Recorded:
        reach = reach_of(access)
        store = self._keep(f"{self._random.getrandbits(60)}")
        world.copy_to(store)
        await admitted(store, reach)
        scripts = [a_script(self._random, writes=True) for _ in range(number)]
        asks = [*chosen.ASKS, *_puts(hidden_keys(store, reach))]
        asks += [ask for script in scripts for ask in script]
        found = Recorded(store, access, reach, asks, [])
        found.answers.extend([each async for each in self._answers(found)])
        return found

    async def ask(self, recorded: Recorded) -> None:
        """Ask once more what a caller asks."""
        async for _ in self._answers(recorded, _read_on):
            pass

    async def _differs(self, recorded: Recorded) -> bool:
        known = iter(recorded.answers)
        with suppress(AssertionError):
            async with aclosing(self._answers(recorded)) as answers:
                async for each in answers:
                    if each != next(known, None):
                        return True
            return next(known, None) is not None
        # The request failed: that is an answer of its own.
        return True

    async def _answers(
        self, recorded: Recorded, *ways: Callable[[Side, Reach], AsyncGenerator[Seen]]
    ) -> AsyncGenerator[Seen]:
        copy = self._keep("copy")
        recorded.store.copy_to(copy)
        with inline():
            async with opened(copy, recorded.access) as side:
                for way in ways or (_read_on, _read_by_rights):
                    async with aclosing(way(side, recorded.reach)) as seen:
                        async for each in seen:
                            yield each
                for ask in recorded.asks:
                    for answer in await side.answers(ask):
                        yield answer


def _puts(hidden: set[str]) -> list[Ask]:
    """Return writes at the addresses of what is hidden."""
    found = []
    for each in sorted(hidden):
        kind, _, name = each.partition("/")
        if kind == "Observation":
            own = {"resourceType": kind, "id": name, "status": "final", "code": {"text": "x"}}
            found.append(Ask("PUT", f"/{each}", own))
            found.append(Ask("POST", "/Provenance", _provenance(each)))
            found.append(Ask("PUT", "/Observation?_id=none", own))
            found.append(Ask("POST", "/", _transaction(Ask("PUT", each, own))))
    return found


def _provenance(target: str) -> dict[str, object]:
    agent = {"who": {"display": "somebody"}}
    own = {"recorded": "2026-11-23T10:00:00Z", "target": [{"reference": target}], "agent": [agent]}
    return {"resourceType": "Provenance", **own}


def _transaction(*asks: Ask) -> dict[str, object]:
    entries = [
        {"request": {"method": each.method, "url": each.url}, "resource": each.body}
        for each in asks
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


async def _read_on(side: Side, reach: Reach) -> AsyncGenerator[Seen]:
    """Yield what the store gives to those who read on, as an export will, by each letter."""
    new = ALL.of_audience(replace(reach.audience, actors=frozenset({"new"})), at=LATER)
    by_letter = (each.of_audience(reach.audience, at=reach.at) for each in reach.sights())
    sights = list(dict.fromkeys(by_letter))
    for sight in sights:
        for kind, name in _NAMES:
            found = await side.store.read(sight, Key(kind, name))
            yield [] if found is None else [found]
        for moment in (START + 30 * TICK, await side.store.now()):
            part = Part(None, 0, 2**62)
            yield [each async for each in side.store.scan(sight, part, moment)]
    emergency = ALL.of_audience(reach.audience, at=LATER, emergency=frozenset({"ada"}))
    for kind in ("Observation", "Patient"):
        plan = Plan(frozenset({kind}))
        yield [each.stored for each in (await side.store.search(emergency, plan, None, 99)).rows]
    for sight in (*sights, new):
        for kind in ("Observation", "Patient", "Location"):
            walked = await side.store.walk(sight, kind, after="", highest=2**62, limit=99)
            yield list(walked)


async def _read_by_rights(side: Side, reach: Reach) -> AsyncGenerator[Seen]:
    """Yield what is seen by rights alone, by each letter: as where nobody's denials are asked for."""
    for sight in dict.fromkeys(reach.sights()):
        page = await side.store.search(sight, Plan(frozenset({"Observation"})), None, 99)
        yield [each.stored for each in page.rows]
        for kind in ("Observation", "Patient", "Location"):
            yield list(await side.store.walk(sight, kind, after="", highest=2**62, limit=99))


@contextmanager
def killing(store: str, seed: int = 0) -> Iterator[Killing]:
    """Make callers until the block ends."""
    with KEEPING[store]() as keep:
        yield Killing(store, keep, seed)


def main() -> int:
    """Try every mutant; print those that nobody noticed, and return 1 where there are any."""
    parser = argparse.ArgumentParser(prog="scripts/mutants", description=main.__doc__)
    parser.add_argument("--list", action="store_true", help="only tell where they are")
    parser.add_argument("--store", choices=KEEPING, help="[all]")
    asked = parser.parse_args()
    stores = [asked.store] if asked.store else list(KEEPING)
    if asked.list:
        print(*(each for store in stores for each in places(store)), sep="\n")  # noqa: T201 - a command
        return 0
    try:
        left = sum(map(_tried, stores))
    finally:
        mongo.end_shared()
    print(f"{left} left")  # noqa: T201 - a command
    return 1 if left else 0


def _tried(store: str) -> int:
    """Try the mutants of a store; return how many nobody noticed."""
    left = 0
    with killing(store) as asked:
        for number, place in enumerate(places(store), 1):
            told = EQUIVALENT.get(str(place)) or ("killed" if asked.notices(place) else "LEFT")
            print(f"{number:3} {told:8} {place}", flush=True)  # noqa: T201 - a command
            left += told == "LEFT"
    return left


if __name__ == "__main__":
    sys.exit(main())
