"""Load files into a running server over HTTP: batches of updates, each resource answered for by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import httpx2
import msgspec

from fhir_server.bulk.loading import Batch, Tally
from fhir_server.bulk.preparing import Rejected, rejected
from fhir_server.fhir.errors import BadRequest, FhirError, Unavailable
from fhir_server.fhir.json import dump, parse_resource
from fhir_server.fhir.resource import Resource

SENT_TOGETHER = 100
"""Resources that travel in one batch."""

JSON = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}


class _Response(msgspec.Struct):
    status: str
    outcome: msgspec.Raw = msgspec.Raw(b"")


class _Entry(msgspec.Struct):
    response: _Response


class _Bundle(msgspec.Struct):
    entry: list[_Entry] = []


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends batches to a FHIR base and counts what became of them."""

    client: httpx2.AsyncClient
    url: str
    tally: Tally

    async def send(self, batch: Batch) -> list[Rejected]:
        """Send a batch; return what is rejected; raise Unavailable where the server does not answer."""
        problems: list[Rejected] = []
        entries: list[tuple[int, bytes]] = []
        for item in batch.items:
            try:
                resource = parse_resource(item.content)
                if resource["resourceType"] == "Bundle" and resource.get("type") == "transaction":
                    problems += await self._transaction(item.line, resource)
                else:
                    entries.append((item.line, dump(_as_update(resource))))
            except FhirError as error:
                problems.append(rejected(item.line, error))
        for group in _groups(entries):
            problems += await self._batch(group)
        self.tally.read += batch.size
        self.tally.rejected += len(problems)
        return problems

    async def _batch(self, group: Sequence[tuple[int, bytes]]) -> Iterator[Rejected]:
        body = b'{"resourceType":"Bundle","type":"batch","entry":[%s]}'
        answer = await self._post(body % b",".join(entry for _, entry in group))
        if not answer.is_success:
            raise Unavailable(f"{self.url} answers {answer.status_code} to a batch")
        return self._counted(group, msgspec.json.decode(answer.content, type=_Bundle).entry)

    def _counted(
        self, group: Sequence[tuple[int, bytes]], entries: Sequence[_Entry]
    ) -> Iterator[Rejected]:
        for (line, _), entry in zip(group, entries, strict=True):
            status = entry.response.status[:3]
            if status.startswith("2"):
                self.tally.written += 1
            else:
                yield Rejected(line, bytes(entry.response.outcome))

    async def _transaction(self, line: int, bundle: Resource) -> list[Rejected]:
        answer = await self._post(dump(bundle))
        if answer.is_success:
            self.tally.written += len(bundle.get("entry", ()))
            return []
        return [Rejected(line, answer.content)]

    async def _post(self, body: bytes) -> httpx2.Response:
        try:
            return await self.client.post(self.url, content=body, headers=JSON)
        except httpx2.HTTPError as error:
            raise Unavailable(f"{self.url} does not answer ({type(error).__name__})") from error


def _as_update(resource: Resource) -> Resource:
    """Return the entry that puts a resource under its own id, or one that the same content gets each time."""
    own = resource.get("id", blake2b(dump(resource), digest_size=16).hexdigest())
    if not isinstance(own, str):
        raise BadRequest(f"the id {own!r} is no text", expression="id")
    address = f"{resource['resourceType']}/{own}"
    return {"resource": resource | {"id": own}, "request": {"method": "PUT", "url": address}}


def _groups(entries: Sequence[tuple[int, bytes]]) -> Iterator[Sequence[tuple[int, bytes]]]:
    for start in range(0, len(entries), SENT_TOGETHER):
        yield entries[start : start + SENT_TOGETHER]
