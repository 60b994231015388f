"""Members of a federation as load generators: each answers prepared bytes after a while, all in one process."""

from __future__ import annotations

import argparse
import asyncio
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import cast

import uvloop

from bench import servers
from fhir_server.demonstration.bulk import population
from fhir_server.fhir.bundle import Entry, Link, bundle_bytes
from fhir_server.fhir.json import dump
from fhir_server.fhir.resource import Resource

MATCHES = 20
_METADATA = "metadata"

STATEMENT: Resource = {
    "resourceType": "CapabilityStatement",
    "fhirVersion": "4.0.1",
    "rest": [
        {
            "mode": "server",
            "resource": [
                {
                    "type": "Observation",
                    "interaction": [{"code": "search-type"}],
                    "searchParam": [{"name": "code", "type": "token"}],
                }
            ],
        }
    ],
}
"""What each declares."""


@dataclass(frozen=True, slots=True)
class Answering:
    """A member: where it listens, and after how many seconds it answers a search."""

    port: int
    seconds: float

    @property
    def base(self) -> str:
        """Its FHIR base."""
        return f"http://127.0.0.1:{self.port}/fhir"


@contextmanager
def answering(members: Sequence[Answering], folder: Path) -> Iterator[None]:
    """Run members in one process until the block ends."""
    source = _observations(len(members) * MATCHES)
    for each in members:
        _prepare(each, [*itertools.islice(source, MATCHES)], folder)
    told = [f"{each.port}:{each.seconds}" for each in members]
    with servers.process(["-m", "bench.members", str(folder), *told], members[0].port, "/metadata"):
        yield


def _observations(number: int) -> Iterator[Resource]:
    found = (
        each
        for each in population(seed=1, resources=200_000, today=date(2026, 11, 1))
        if each["resourceType"] == "Observation" and "effectiveDateTime" in each
    )
    return itertools.islice(found, number)


def _prepare(member: Answering, resources: list[Resource], folder: Path) -> None:
    """Write what a member answers: its newest first, and more to come."""
    resources.sort(key=lambda each: str(each["effectiveDateTime"]), reverse=True)
    address = f"{member.base}/Observation"
    page = bundle_bytes(
        "searchset",
        id="page",
        last_updated="2026-11-01T00:00:00Z",
        links=[Link("self", address), Link("next", f"{address}?_cursor=2")],
        entries=[Entry(f"{address}/{each['id']}", dump(each), "match") for each in resources],
    )
    (folder / f"{member.port}.search").write_bytes(page)
    (folder / f"{member.port}.metadata").write_bytes(dump(STATEMENT))
    (folder / f"{member.port}.read").write_bytes(dump(resources[0]))


class _Member(asyncio.Protocol):
    """Answers each request of a connection: what is told of it at once, what is asked after a while."""

    def __init__(self, folder: Path, port: int, seconds: float) -> None:
        self._answers = {
            kind: _answer((folder / f"{port}.{kind}").read_bytes())
            for kind in ("search", "metadata", "read")
        }
        self._seconds = seconds
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._read += data
        if not self._read.endswith(b"\r\n\r\n"):
            return
        path = self._read.split(b" ", 2)[1].partition(b"?")[0].decode()
        self._read = b""
        last = path.rpartition("/")[2]
        kind = {"Observation": "search", _METADATA: _METADATA}.get(last, "read")
        seconds = 0.0 if kind == _METADATA else self._seconds
        asyncio.get_running_loop().call_later(seconds, self._say, self._answers[kind])

    def _say(self, answer: bytes) -> None:
        # Whoever asked may not have waited.
        if not self._transport.is_closing():
            self._transport.write(answer)


def _answer(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/fhir+json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def _serve(folder: Path, members: Sequence[Answering]) -> None:
    loop = asyncio.get_running_loop()
    for each in members:
        await loop.create_server(
            lambda each=each: _Member(folder, each.port, each.seconds),  # type: ignore[misc]
            "127.0.0.1",
            each.port,
        )
    await asyncio.Event().wait()


def main() -> None:
    """Serve members, each told as its port and its seconds, from the files of a folder."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("members", nargs="+")
    given = parser.parse_args()
    told = [each.split(":") for each in given.members]
    members = [Answering(int(port), float(seconds)) for port, seconds in told]
    uvloop.run(_serve(given.folder, members))


if __name__ == "__main__":
    main()
