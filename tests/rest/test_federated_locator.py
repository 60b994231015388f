"""A locator between real members with tokens: who has somebody is asked about them, nobody else is told of them."""

from __future__ import annotations

import asyncio
import re
from base64 import b64decode
from collections.abc import Iterator
from time import monotonic, sleep
from typing import Any

import httpx2 as httpx
import pytest

from fhir_server.cli.frame import main
from fhir_server.demonstration.identifiers import nhs_number
from fhir_server.federation.health import Persons
from fhir_server.federation.sparing import ENOUGH
from fhir_server.offline.enrolling import check_members, members_of
from fhir_server.policy.personal import NHS_NUMBER
from fhir_server.policy.scopes import PERSON_INDEX
from tests.rest.trusting import (
    Federation,
    a_denial,
    a_patient,
    an_observation,
    federation,
    hub_client,
    put,
    shown,
    statuses,
)

HERE, THERE, HIDDEN, NOWHERE = (nhs_number(each) for each in (1, 2, 3, 4))
"""Somebody at a, at b, at b who denied everything, and nowhere."""

KNOWS = {"a": {HERE}, "b": {THERE, HIDDEN}}
COUNTS = {"a": 1, "b": 2, "c": 0}
PATIENCE = 60.0
UNHURRIED = {"x-request-deadline": "60"}
"""So that a busy machine is no member that does not answer."""

SCOPES = ("system/*.rs", PERSON_INDEX)


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """Return a hub, two members that tell it whom they know, and one that does not permit it; tests leave it as it is."""
    with federation(tmp_path_factory.mktemp("located"), "a", "b", "c") as found:
        for each, people in (("a", (1,)), ("b", (2, 3))):
            with found.members[each].client() as client:
                for number in people:
                    name = f"p{number}"
                    put(client, a_patient(name, number), an_observation(f"o{number}", name))
        with found.members["b"].client() as client:
            put(client, a_denial("p3"))
        found.register(scopes=SCOPES)
        found.members["c"].registered(hub_client(found.base))
        for each in found.members:
            found.enrol(each, locator=True, seconds=PATIENCE)
        wait_until_located(found)
        yield found


def search(joined: Federation, path: str) -> httpx.Response:
    with joined.client() as client:
        answer = client.get(path, headers=UNHURRIED)
        assert answer.status_code == 200, answer.text
        return answer


def of(number: str, kind: str = "Patient?identifier") -> str:
    return f"{kind}={NHS_NUMBER}|{number}"


def is_located(page: Any) -> bool:
    return str(page).count("personsAsOf") == len(KNOWS)


def checked(joined: Federation) -> dict[str, Persons]:
    found: dict[str, Persons] = {}

    def tell(member: Any, told: Any) -> None:
        if isinstance(told, Persons):
            found[member.id] = told

    asyncio.run(check_members(joined.settings, tell))
    return found


def told_of(joined: Federation, member: str, text: str) -> bool:
    """Tell whether a member's own record of what it was asked has a text."""
    with joined.members[member].client(role="R5105", purpose="HCOMPL") as client:
        page = client.get("AuditEvent?_count=1000&_sort=-date")
        assert page.status_code == 200, page.text
        assert len(page.json()["entry"]) < 1000, "all of them are on the page"
    asked = re.findall(r'"query":"([^"]+)"', page.text)
    assert asked, "what was asked is on record"
    return any(text in b64decode(each).decode() for each in asked)


def wait_until_located(joined: Federation) -> None:
    """Return once the hub knows whom the members know; somebody is asked for whom each may be told of."""
    until = monotonic() + PATIENCE
    while not is_located(search(joined, of("9990009990")).json()):
        assert monotonic() < until, "the members are not asked whom they know"
        sleep(0.2)


def test_a_member_that_does_not_permit_it_is_asked_about_everyone(joined: Federation) -> None:
    assert "invalid_scope" in checked(joined)["c"].problem
    assert statuses(search(joined, of(NOWHERE)).json())["c"] == "ok"
    assert told_of(joined, "c", NOWHERE)


def test_members_are_asked_about_those_alone_whom_they_know(joined: Federation) -> None:
    for path in ("Patient?identifier", "Observation?subject:Patient.identifier"):
        # What is answered of nobody is the same of everyone.
        turns = [(NOWHERE, "")] * (ENOUGH + 1)
        for number, expected in (*turns, (HERE, "1"), (THERE, "2"), (HIDDEN, "")):
            found = search(joined, of(number, path)).json()
            names = [f"{path.partition('?')[0]}/{path[0].lower()}{expected}"] if expected else []
            assert shown(found) == names
            assert statuses(found) == dict.fromkeys("abc", "ok")
            assert is_located(found)

    for member, numbers in KNOWS.items():
        assert all(told_of(joined, member, each) for each in numbers)
        others = {HERE, THERE, HIDDEN, NOWHERE} - numbers
        assert not any(told_of(joined, member, each) for each in others)
    metrics = joined.hub.metrics()
    unasked = dict(re.findall(r'fhir_member_unasked_total\{member="(.)"\} (\S+)', metrics))
    assert unasked.keys() == KNOWS.keys()
    assert all(float(each) >= 2 for each in unasked.values())


def test_who_is_hidden_is_as_who_is_not_there(joined: Federation) -> None:
    with joined.client() as client:
        pages = {
            number: [
                client.get(of(number), headers=UNHURRIED).text.replace(number, "#")
                for _ in range(ENOUGH + 3)
            ]
            for number in (HIDDEN, NOWHERE)
        }
    alike = {number: {_timeless(each) for each in found} for number, found in pages.items()}
    assert alike[HIDDEN] == alike[NOWHERE]
    assert len(alike[HIDDEN]) == 1


def _timeless(page: str) -> str:
    """Return a page without what differs from request to request anyway."""
    page = re.sub(r'"id":"[^"]+"', "", page)
    return re.sub(r'"(lastUpdated|valueInstant)":"[^"]+"', "", page)


def test_how_many_a_member_knows_is_told_to_who_looks_after_it(
    joined: Federation, capsys: pytest.CaptureFixture[str]
) -> None:
    assert {name: each.count for name, each in checked(joined).items()} == COUNTS
    members = asyncio.run(members_of(joined.settings))
    assert {each.id: persons and persons.count for each, persons in members} == COUNTS
    with joined.client("system/*.cruds", role="integration") as client:
        told = client.get("$members").text
    assert told.count('"personsAsOf"') == len(COUNTS)
    assert told.count('"personsProblem"') == 1

    store = ("--store", str(joined.settings.store))
    main(["member", "list", *store])
    assert capsys.readouterr().out.count("locator, knows ") == len(KNOWS)
    with pytest.raises(SystemExit):
        main(["member", "check", *store, "--member-networks", "127.0.0.0/8"])
    assert "b  knows 2 people as of 20" in capsys.readouterr().out
