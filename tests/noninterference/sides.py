"""A store that one caller asks, and others write to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from random import Random

import msgspec

from fhir_server.conformance.definitions import definitions_in
from fhir_server.fhir.json import parse_resource
from fhir_server.interactions.delete import delete
from fhir_server.interactions.update import update
from fhir_server.policy.access import Access
from fhir_server.policy.criteria import SearchReader
from fhir_server.policy.disclosure import Disclosure
from fhir_server.policy.rights import rights_of
from fhir_server.policy.scopes import parse_scopes
from fhir_server.policy.visibility import Visibility
from fhir_server.rest import bundles
from fhir_server.rest.service import Service
from fhir_server.rules import disclosure
from fhir_server.search.expression import Plan
from fhir_server.search.indexing import Extractor
from fhir_server.settings import Settings, definitions_folder
from fhir_server.storage.contract import Store
from fhir_server.storage.mongo import door
from fhir_server.storage.sqlite import budget
from fhir_server.wiring import service_of
from tests.noninterference.asking import (
    BASE,
    LATER,
    SETTINGS,
    Answer,
    Asking,
    Clock,
    a_service,
    next_page,
)
from tests.noninterference.erasing import Reach
from tests.noninterference.keeping import Kept
from tests.noninterference.scripts import Ask
from tests.noninterference.worlds import (
    PEOPLE,
    PURPOSES,
    Step,
    a_world,
    number_of,
)

MOST_PAGES = 8

SCOPES = (
    "system/*.cruds",
    "user/*.cruds",
    "system/*.rs",
    "patient/*.cruds",
    "patient/*.rs user/Location.rs user/Practitioner.rs",
    "patient/Observation.cruds patient/Patient.cruds",
    "patient/Observation.rs user/Practitioner.cruds user/Consent.cruds",
    "user/Observation.cruds user/Practitioner.cruds user/List.rs",
    "user/Patient.cruds patient/*.cruds",
    "user/Observation.s user/Patient.r patient/*.rs",
    "user/Observation.cruds?category=laboratory user/Patient.cruds user/Encounter.rs",
    "patient/Observation.cruds?category=laboratory patient/Patient.rs user/Observation.rs?code=a",
    "patient/*.rs patient/Observation.rs?code=b user/Observation.rs?category=vital-signs&status=final",
    "user/Observation.rs?code=a user/Observation.s?code=b user/List.rs?_id=l1 user/Patient.rs?family=Lovelace",
    "system/Location.rs?_id=ward system/Encounter.rs system/Observation.cruds?category:not=laboratory",
)


ROLES = {
    "TREAT": ("R8000", "R8001", "integration", "service"),
    "PATADMIN": ("R8000", "R8009", "integration"),
    "PATRQT": ("patient",),
    "HRESCH": ("R8012", "service"),
    "HOPERAT": ("R8012", "service"),
    "PUBHLTH": ("R8012", "service"),
}
"""Roles that may ask for a purpose."""

PROGRAMMES = {
    "HRESCH": (None, "records", "exempt"),
    "HOPERAT": (None, "records", "exempt"),
    "PUBHLTH": (None, "records"),
}
"""Programmes that it may be asked for by: numbers alone are told to none of them."""


@cache
def judging() -> Disclosure:
    """Return what callers are judged by."""
    return disclosure(SETTINGS)


def a_caller(random: Random) -> Access:
    """Return somebody who asks, for some purpose, with some scopes."""
    purpose = random.choice((*PURPOSES, "TREAT", "TREAT"))
    programme = random.choice(PROGRAMMES.get(purpose, (None,)))
    return Access(
        "https://issuer.example",
        "someone",
        parse_scopes(random.choice(SCOPES)),
        patient=random.choice(list(PEOPLE)),
        organisation="X26" if programme else random.choice((None, "RR8", "X26")),
        role=random.choice(ROLES[purpose]),
        purpose=purpose,
        programme=programme,
    )


def reach_of(access: Access) -> Reach:
    """Return what a caller may see."""
    standing = judging().standing(access, rights_of(access))
    rights = standing.rights.read_by(reader())
    return Reach(rights, standing.audience, LATER)


@cache
def reader() -> SearchReader:
    """Return what reads the parameters of scopes."""
    known = definitions_in(definitions_folder())
    return SearchReader(known, Extractor(known, base_url=BASE), BASE)


async def build(kept: Kept, random: Random) -> None:
    """Write a random past into a new store, with a register of opt-outs."""
    clock = Clock()
    async with kept.open(clock) as store:
        service = await service_of(Settings(base_url=BASE, auth="none"), store)
        for step in a_world(random):
            clock.tick()
            await write(service, step)
        opted_out = random.sample(list(PEOPLE), random.choice((0, 1, 1, 2)))
        await store.replace_opt_outs([number_of(each) for each in opted_out], as_of=LATER)


async def write(service: Service, step: Step) -> None:
    """Write as somebody who may do everything."""
    call = service.call_at(BASE)
    key, resource = step
    if resource is None:
        await delete(call, key)
    else:
        await update(call, key, parse_resource(msgspec.json.encode(resource)))


@dataclass(frozen=True)
class Side:
    """A store, asked by one caller, and written to by others."""

    kept: Kept
    store: Store
    asking: Asking
    others: Service
    clock: Clock

    async def answers(self, ask: Ask) -> list[Answer]:
        """Return the answer, and those of all pages that follow."""
        answer = await self.asking.ask(ask.method, ask.url, ask.body, dict(ask.headers))
        found = [answer]
        while len(found) < MOST_PAGES and (following := next_page(found[-1])):
            found.append(await self.asking.ask("GET", following))
        return found


@contextmanager
def inline() -> Iterator[None]:
    """Answer one thing after the other, however slow the machine: entries of a batch would come in any order."""
    usual = budget.INLINE_SECONDS, bundles.AT_ONCE
    budget.INLINE_SECONDS, bundles.AT_ONCE = 60.0, 1
    try:
        yield
    finally:
        budget.INLINE_SECONDS, bundles.AT_ONCE = usual


@contextmanager
def _counting(access: Access) -> Iterator[None]:
    """Have it counted for every other caller as where very much is denied."""
    usual = door.MOST_NAMED
    door.MOST_NAMED = usual if access.patient in {"ada", "bob"} else 0
    try:
        yield
    finally:
        door.MOST_NAMED = usual


@asynccontextmanager
async def opened(kept: Kept, access: Access) -> AsyncIterator[Side]:
    """Open a store for one caller."""
    clock = Clock(LATER)
    with _counting(access):
        async with kept.open(clock) as store:
            service = await a_service(store, access, clock)
            others = await service_of(Settings(base_url=BASE, auth="none"), store)
            yield Side(kept, store, Asking(service, clock), others, clock)


async def admitted(kept: Kept, reach: Reach) -> None:
    """Have a store work out what an audience is denied."""
    async with kept.open(Clock(LATER)) as store:
        sight = Visibility.everything("test").of_audience(reach.audience, at=LATER)
        await store.search(sight, Plan(None), None, 1)
