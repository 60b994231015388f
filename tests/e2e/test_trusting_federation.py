"""A hub and two members that all ask for tokens, in processes of their own, set up by the commands of the guide."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import time_ns
from typing import Any

import httpx2 as httpx

from fhir_server.demonstration.identifiers import nhs_number
from fhir_server.offline.authorizing import authorization
from fhir_server.offline.opting_out import load_opt_outs
from fhir_server.settings import Settings
from tests.rest.access import PROGRAMMES
from tests.rest.trusting import a_patient, an_observation, put, shown, statuses
from tests.support.commands import typed
from tests.support.nodes import Node, running_node
from tests.support.patience import DEADLINE

CLINICIAN = {"role": "R8000", "organisation": "X99", "scope": "user/*.rs", "purpose": "TREAT"}
PLANNER = CLINICIAN | {"role": "R8012", "purpose": "HOPERAT", "programme": "records"}


@dataclass
class Federation:
    """A hub, and two members: the first lets it ask for care and planning, the second for planning alone."""

    hub: Node
    members: tuple[Node, Node]

    def asked(self, path: str, subject: str, claims: Mapping[str, str]) -> httpx.Response:
        """Return the hub's answer to who has a token with these claims."""
        headers = bearing(self.hub, sub=subject, **claims) | DEADLINE
        return httpx.get(f"{self.hub.origin}/federated/{path}", headers=headers)


def done(*arguments: str) -> str:
    """Run a command that has to succeed, and return what it wrote."""
    found = typed(*arguments)
    assert found.returncode == 0, found.stderr
    return found.stdout


def bearing(node: Node, **claims: str) -> dict[str, str]:
    """Return the header with a token of a node, as `fhir-server token` makes it."""

    async def token() -> str:
        settings = Settings(store=node.store, port=node.port)
        async with authorization(settings) as server:
            now = time_ns() // 1000
            return await server.issuing.development(claims, seconds=600, now=now)

    return {"authorization": f"Bearer {asyncio.run(token())}"}


def fill(node: Node, *people: int) -> None:
    """Write people, each with an observation, with a token of the node itself."""
    own = {"sub": "own", "role": "integration", "scope": "system/*.cruds", "purpose": "TREAT"}
    headers = bearing(node, **own)
    with httpx.Client(base_url=node.url + "/", headers=headers) as client:
        for each in people:
            born = f"198{each}-01-01"
            put(
                client,
                a_patient(f"p{each}", each, birthDate=born),
                an_observation(f"o{each}", f"p{each}", effectiveDateTime=born),
            )


@contextmanager
def federation(folder: Path) -> Iterator[Federation]:
    """Start and set up all three; nobody lets anyone in without a token."""
    programmes = folder / "programmes.json"
    programmes.write_text(json.dumps(PROGRAMMES))
    flags = ("--auth", "smart", "--programmes", str(programmes))
    networks = ("--member-networks", "127.0.0.0/8")
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(running_node(folder / f"trust-{each}.db", *flags))
            for each in (1, 2)
        )
        hub = stack.enter_context(running_node(folder / "hub.db", *flags, *networks))
        asks = ("--id", "hub", "--jwks", f"{hub.origin}/federated/jwks", "--scopes", "system/*.rs")
        for number, member, purposes in ((1, first, "TREAT,HOPERAT"), (2, second, "HOPERAT")):
            own = ("--store", member.store)
            done("client", "add", *asks, "--on-behalf", purposes, *own)
            where = (
                "--base",
                member.url,
                "--ods",
                f"RX{number}",
                "--client-id",
                "hub",
                "--seconds",
                "60",
            )
            there = ("--store", hub.store, *networks)
            done("member", "add", f"trust-{number}", *where, *there)
        yield Federation(hub, (first, second))


def opted_out(node: Node, *people: int) -> None:
    settings = Settings(store=node.store)
    asyncio.run(load_opt_outs(settings, list(map(nhs_number, people)), as_of=time_ns() // 1000))


def totals(found: Mapping[str, Any]) -> tuple[int | None, list[str]]:
    return found.get("total"), sorted(shown(found))


def test_a_clinician_and_a_planner_ask_a_hub_that_members_trust_each_for_its_own(
    tmp_path: Path,
) -> None:
    with federation(tmp_path) as joined:
        fill(joined.members[0], 1, 2, 3)
        fill(joined.members[1], 3, 4)
        for each in (*joined.members, joined.hub):
            opted_out(each, *((2,) if each is joined.hub else ()))

        assert httpx.get(f"{joined.hub.origin}/federated/Patient").status_code == 401
        for_care = joined.asked("Patient", "ada", CLINICIAN).json()
        planned = joined.asked("Patient", "grace", PLANNER).json()
        observed = joined.asked("Observation?_sort=date&_count=2", "grace", PLANNER).json()
        strict = joined.asked("Patient?_count=1&_sort=_id", "ada", CLINICIAN)

        assert statuses(for_care) == {"trust-1": "ok", "trust-2": "unauthorised"}
        assert totals(for_care) == (None, ["Patient/p1", "Patient/p2", "Patient/p3"])
        assert "invalid_grant" in str(for_care)
        assert statuses(planned) == {"trust-1": "ok", "trust-2": "ok"}
        assert totals(planned) == (4, ["Patient/p1", "Patient/p3", "Patient/p3", "Patient/p4"])
        assert shown(observed) == ["Observation/o1", "Observation/o3"]
        assert strict.status_code == 200

        guardian = {"sub": "g", "role": "R5105", "purpose": "HCOMPL", "scope": "user/*.rs"}
        member = joined.members[0]
        events = f"{member.url}/AuditEvent?patient=Patient/p1"
        audit = httpx.get(events, headers=bearing(member, **guardian)).text
        assert f"{joined.hub.origin}#ada" in audit
        assert f"{joined.hub.origin}#grace" in audit
        assert all(each.failures() == [] for each in (*joined.members, joined.hub))
