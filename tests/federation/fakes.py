"""Members that are made up: the oracle answers for them, and they can be told to fail in every way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

from fhir_server.federation.lines import Line
from fhir_server.federation.members import Capabilities, Member
from fhir_server.federation.search import Party
from fhir_server.federation.transport import Reply
from fhir_server.fhir.json import dump
from fhir_server.fhir.resource import Resource
from fhir_server.search.declaring import Abilities
from fhir_server.search.indexing import Extractor
from fhir_server.search.matching import Candidate, ordered
from fhir_server.search.parsing import parse_query
from tests.search.support import DEFINITIONS, EXTRACTOR

HEADERS = {"content-type": "application/fhir+json"}
CODES = frozenset({"date", "code", "value-quantity", "subject", "status", "identifier", "_id"})

Fault = Callable[[int], Reply | None]
"""Given the number of a request, from 0: what is answered instead."""


def no_fault(_number: int) -> None:
    """Answer as it should be."""


@dataclass(slots=True)
class FakeMember:
    """A server of one type; `declared` is what its CapabilityStatement has."""

    name: str
    resources: Sequence[Resource]
    fault: Fault = no_fault
    declared: frozenset[str] = CODES
    largest_page: int = 1000
    ignores_sort: bool = False
    left_out: str = ""
    type: str = "Observation"
    abilities: Abilities = Abilities()  # noqa: RUF009 - a frozen value
    asked: list[str] = field(default_factory=list)
    extractor: Extractor = field(init=False)
    candidates: list[Candidate] = field(init=False)

    def __post_init__(self) -> None:
        self.extractor = EXTRACTOR
        self.candidates = [
            Candidate(self.extractor.extract(each), 0, number)
            for number, each in enumerate(self.resources)
        ]

    @property
    def base(self) -> str:
        """Its FHIR base."""
        return f"https://{self.name}.example/fhir"

    async def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        """Answer a search."""
        assert headers["accept"] == "application/fhir+json"
        self.asked.append(url)
        reply = self.fault(len(self.asked) - 1)
        return Reply(200, HEADERS, self.page(url)) if reply is None else reply

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes = b""
    ) -> Reply:
        """Answer a search, and nothing else."""
        assert (method, content) == ("GET", b"")
        return await self.get(url, headers)

    def page(self, url: str) -> bytes:
        """Return the searchset at a URL of its own."""
        pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
        start = int(dict(pairs).get("_offset", "0"))
        asked = [pair for pair in pairs if pair[0] != "_offset"]
        self._check_able(asked)
        query = parse_query(self.type, asked, DEFINITIONS, now=0, base_url=self.base)
        plan = replace(query.plan, sort=()) if self.ignores_sort else query.plan
        found = ordered(self.candidates, plan)
        size = min(query.count, self.largest_page)
        told = urlencode([pair for pair in pairs if pair[0] != self.left_out])
        links = [{"relation": "self", "url": f"{self.base}/{self.type}?{told}"}]
        if start + size < len(found):
            following = urlencode([*asked, ("_offset", str(start + size))])
            links.append({"relation": "next", "url": f"{self.base}/{self.type}?{following}"})
        shown = [] if query.only_count else found[start : start + size]
        entries = [self._entry(self.resources[each.rid]) for each in shown]
        return dump(
            {"resourceType": "Bundle", "type": "searchset", "total": len(found), "link": links}
            | ({"entry": entries} if entries else {})
        )

    def party(self, *, clock: Callable[[], int] = lambda: 0, **about: object) -> Party:
        """Return it as a member that takes part."""
        member = msgspec.convert(
            {"id": self.name, "name": self.name, "base": self.base, **about}, Member
        )
        line = Line(member, self, clock)
        known = Capabilities({self.type: self.declared}, abilities=self.abilities)
        return Party(line, known, self.extractor)

    def _check_able(self, asked: Sequence[tuple[str, str]]) -> None:
        """Hold the hub to what this one told of its searches."""
        known = DEFINITIONS.search_parameters(self.type)
        for name, value in asked:
            code, _, modifier = name.partition(":")
            if code == "_count":
                assert int(value) == self.abilities.page(int(value))
            elif code == "_sort":
                kinds = {known[each.removeprefix("-")].type for each in value.split(",")}
                assert all(map(self.abilities.sorts, kinds)), value
            elif modifier and code in known and "." not in name:
                assert self.abilities.takes(self.type, code, known[code].type, modifier), name

    def _entry(self, resource: Resource) -> Resource:
        address = f"{self.base}/{self.type}/{resource['id']}"
        return {"fullUrl": address, "resource": resource, "search": {"mode": "match"}}
