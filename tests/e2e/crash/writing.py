"""Clients that write all that FHIR lets one write, until the server is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx2
import msgspec

from tests.e2e.crash.ledger import Acknowledged, Address, Ledger, digest
from tests.support.patience import PATIENCE

JSON = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
EXPECTED_REFUSALS = frozenset({404, 410, 412})
"""Of a patch on what is deleted, of a precondition that another client's write broke."""
CONTENDED = 3
OWNED = 4


class _Response(msgspec.Struct):
    status: str
    etag: str


class _Entry(msgspec.Struct):
    resource: msgspec.Raw
    response: _Response


class _Bundle(msgspec.Struct):
    entry: list[_Entry]


_entries = msgspec.json.Decoder(_Bundle)


@dataclass(slots=True)
class Writer:
    """One client: it has resources of its own, a pair that it writes in transactions, and shares some."""

    client: httpx2.AsyncClient
    name: str
    ledger: Ledger
    random: Random
    refused: list[str] = field(default_factory=list)

    async def write(self) -> None:
        """Write until the connection breaks; collect answers that nobody may give."""
        actions: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (
            *(self.create, self.put, self.put, self.put_contended, self.put_if_match),
            *(self.patch, self.patch, self.delete, self.transact, self.transact),
        )
        try:
            while True:
                await self.random.choice(actions)()
        except httpx2.TransportError:
            return

    async def create(self) -> None:
        """POST an observation with decimals whose digits count."""
        value = f"{self.random.randrange(10**6)}.{self.random.randrange(1000):03}"
        body = (
            '{"resourceType":"Observation","status":"final","code":{"text":"pulse"},'
            f'"valueQuantity":{{"value":{value},"unit":"/min"}}}}'
        )
        self._note(await self.client.post("/Observation", content=body.encode(), headers=JSON))

    async def put(self) -> None:
        """PUT one of its own resources, which may have been deleted."""
        self._note(await self._put(self._own(), {}))

    async def put_contended(self) -> None:
        """PUT a resource that all clients write."""
        self._note(await self._put(self._contended(), {}))

    async def put_if_match(self) -> None:
        """PUT a contended resource if it is still the version that the ledger knows."""
        address = self._contended()
        expected = self.ledger.highest.get(address, 1)
        self._note(await self._put(address, {"If-Match": f'W/"{expected}"'}))

    async def patch(self) -> None:
        """PATCH one of its own resources."""
        change = [{"op": "add", "path": "/birthDate", "value": self._date()}]
        address, body = self._own(), msgspec.json.encode(change)
        self._note(await self.client.patch(f"/{address}", content=body, headers=JSON_PATCH))

    async def delete(self) -> None:
        """DELETE one of its own resources."""
        address = self._own()
        answer = await self.client.delete(f"/{address}")
        # Without an ETag there was nothing to delete.
        if self._accepted(answer) and "etag" in answer.headers:
            self.ledger.add(Acknowledged(address, _version(answer.headers["etag"]), None))

    async def transact(self) -> None:
        """PUT both of its pair in one transaction: they have the same version or the server tore it."""
        mark = self._date()
        entries = [
            {"resource": _patient(each, mark), "request": {"method": "PUT", "url": each}}
            for each in pair_of(self.name)
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        answer = await self.client.post("", content=msgspec.json.encode(bundle), headers=JSON)
        if not self._accepted(answer):
            return
        done = _entries.decode(answer.content).entry
        for address, entry in zip(pair_of(self.name), done, strict=True):
            version = _version(entry.response.etag)
            self.ledger.add(Acknowledged(address, version, digest(bytes(entry.resource))))

    async def _put(self, address: Address, headers: dict[str, str]) -> httpx2.Response:
        body = msgspec.json.encode(_patient(address, self._date()))
        return await self.client.put(f"/{address}", content=body, headers=JSON | headers)

    def _note(self, answer: httpx2.Response) -> None:
        if self._accepted(answer):
            place = answer.headers["location"].partition("/fhir/")[2]
            address, _, version = place.partition("/_history/")
            self.ledger.add(Acknowledged(Address(address), int(version), digest(answer.content)))

    def _accepted(self, answer: httpx2.Response) -> bool:
        if answer.is_success:
            return True
        if answer.status_code not in EXPECTED_REFUSALS:
            self.refused.append(f"{answer.request.method} {answer.status_code} {answer.text[:500]}")
        return False

    def _own(self) -> Address:
        return Address(f"Patient/{self.name}-{self.random.randrange(OWNED)}")

    def _contended(self) -> Address:
        return Address(f"Patient/contended-{self.random.randrange(CONTENDED)}")

    def _date(self) -> str:
        return f"{self.random.randrange(1900, 2026)}-{self.random.randrange(1, 13):02}-01"


def pair_of(name: str) -> tuple[Address, Address]:
    """Return what a writer writes in transactions alone."""
    return Address(f"Patient/{name}-left"), Address(f"Patient/{name}-right")


async def write_until_gone(
    url: str, ledger: Ledger, random: Random, names: Sequence[str]
) -> list[str]:
    """Let one writer per name write at a server until it is gone; return answers that were wrong."""
    limits = httpx2.Limits(max_connections=len(names))
    async with httpx2.AsyncClient(base_url=url, limits=limits, timeout=PATIENCE) as client:
        writers = [Writer(client, name, ledger, Random(random.random())) for name in names]
        async with asyncio.TaskGroup() as group:
            for writer in writers:
                group.create_task(writer.write())
    return [each for writer in writers for each in writer.refused]


def _patient(address: Address, birth_date: str) -> dict[str, Any]:
    kind, _, logical_id = address.partition("/")
    name = [{"family": f"Family-{birth_date[:4]}", "given": ["Ada"]}]
    return {"resourceType": kind, "id": logical_id, "name": name, "birthDate": birth_date}


def _version(etag: str) -> int:
    return int(etag.removeprefix('W/"').removesuffix('"'))
