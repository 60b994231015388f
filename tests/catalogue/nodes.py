"""Several processes' views of one store, and SearchParameters to put into it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from fhir_server.catalogue.backfill import LEASE, Backfill
from fhir_server.catalogue.register import InForce, Register, shipped_entries
from fhir_server.conformance.definitions import definitions_in
from fhir_server.conformance.validation import Validator
from fhir_server.fhir.resource import Key, Resource
from fhir_server.interactions.call import Call
from fhir_server.interactions.delete import delete
from fhir_server.interactions.search import search
from fhir_server.interactions.update import update
from fhir_server.policy.visibility import Visibility
from fhir_server.search.catalogue import Entry
from fhir_server.search.indexing import Extractor
from fhir_server.storage.sqlite.store import SQLiteStore, open_store
from tests.support.data import ROOT

DEFINITIONS = definitions_in(ROOT / "profiles" / "r4")
SHIPPED = shipped_entries(ROOT / "profiles" / "search-parameters", DEFINITIONS)
EVERYTHING = Visibility.everything("test")
NOW = 1_800_000_000_000_000

_validator = Validator(DEFINITIONS)
_extractor = Extractor(DEFINITIONS)


def a_parameter(code: str, expression: str, **more: Any) -> Resource:
    """Return a SearchParameter whose id is its code; its base is where its expression begins."""
    return {
        "resourceType": "SearchParameter",
        "id": code,
        "url": f"https://node.example.org/SearchParameter/{code}",
        "name": "Parameter",
        "status": "active",
        "description": "A parameter of the tests",
        "code": code,
        "base": [expression.partition(".")[0].lstrip("(")],
        "type": "token",
        "expression": expression,
        **more,
    }


LANGUAGE = a_parameter("spoken", "Patient.communication.language")
TITLE = a_parameter("title", "Patient.name.prefix", type="string")


def a_patient(name: str, language: str | None, /, **more: Any) -> Resource:
    """Return a Patient who speaks a language."""
    patient: Resource = {"resourceType": "Patient", "id": name, **more}
    if language is not None:
        coding = {"system": "urn:ietf:bcp:47", "code": language}
        patient["communication"] = [{"language": {"coding": [coding]}}]
    return patient


@dataclass
class Node:
    """What one process has of a store: its own connections, register and backfill."""

    store: SQLiteStore
    register: Register
    backfill: Backfill

    def call(self) -> Call:
        """Return a call under what is in force."""
        force = self.register.current
        return Call(
            store=self.store,
            definitions=force.definitions,
            validator=_validator,
            extractor=force.extractor,
            sight=EVERYTHING,
            new_id=lambda: "new",
            base_url="https://node.example.org/fhir",
        )

    async def put(self, *resources: Resource) -> None:
        """Write resources as a request would: again where the parameters changed."""
        for each in resources:
            await self.register.settled(partial(self._put, each))

    async def _put(self, resource: Resource, _: InForce) -> None:
        key = Key(resource["resourceType"], resource["id"])
        await update(self.call(), key, resource)

    async def delete(self, kind: str, name: str) -> None:
        """Delete a resource."""
        await delete(self.call(), Key(kind, name))

    async def found(self, kind: str, **asked: str) -> list[str]:
        """Return the ids that a search finds, after catching up as the HTTP layer does."""
        await self.register.refresh()
        pairs = [*asked.items(), ("_count", "1000")]
        found = await search(self.call(), kind, pairs, after=None, now=NOW)
        return sorted(row.stored.key.id for row in found.rows)

    async def settle(self, now: int = NOW) -> int:
        """Do all the work there is; return how many steps that took."""
        steps = 0
        while await self.backfill.step(now):
            steps += 1
        return steps

    async def states(self) -> dict[str, str]:
        """Return the state of each parameter that a client wrote, by the id of its resource."""
        await self.register.refresh()
        return {
            each.source.partition("/")[2]: self.register.current.catalogue.state_of(each)
            for each in self.register.current.catalogue.entries
            if each.source.startswith("SearchParameter/")
        }


_moments = count(NOW, 1_000)
_holders = count(1)


@asynccontextmanager
async def a_node(path: Path, shipped: Sequence[Entry] = ()) -> AsyncIterator[Node]:
    """Open a store as one process of several would."""
    async with open_store(path, clock=lambda: next(_moments)) as store:
        register = Register(store, _extractor, shipped)
        await register.start()
        yield Node(store, register, Backfill(store, register, f"holder-{next(_holders)}"))


LATER = NOW + LEASE + 1
"""When the lease of a process that fell silent is over."""
