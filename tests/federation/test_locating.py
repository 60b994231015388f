"""Members are asked whom they know, again and again; what they told is gone by for a while, and never longer."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec.structs import replace

from fhir_server.auth.server.signing import SigningKeys
from fhir_server.federation.enrolment import known
from fhir_server.federation.health import Health, History
from fhir_server.federation.hub import Hub
from fhir_server.federation.locating import EACH, SHARE, Locator
from fhir_server.federation.members import Credentials
from fhir_server.federation.persons import GOOD_FOR
from fhir_server.federation.registry import Registry
from fhir_server.federation.tokens import Tokens
from fhir_server.federation.transport import Failed, Reply
from fhir_server.policy.person_marks import mark_of
from fhir_server.policy.scopes import PERSON_INDEX
from fhir_server.storage.contract import Store
from tests.federation.test_registry import NOW, OLD, enrolment, rewrite, statement
from tests.support.remembering import Memory

ADA, BOB = "9990000018", "9990000026"
JSON = {"content-type": "application/fhir+json"}
LOCATED = replace(OLD, locator=True)
KEY = b"k" * 32


def told(*numbers: str) -> bytes:
    marks = b"".join(sorted(mark_of(KEY, each) for each in numbers))
    parts = {"key": KEY, "marks": marks}
    given = [
        {"name": name, "valueBase64Binary": b64encode(each).decode()}
        for name, each in parts.items()
    ]
    return json.dumps({"resourceType": "Parameters", "parameter": given}).encode()


@dataclass
class Members:
    """Members that know Ada, or answer something else, at a time that is made up; asking them takes some."""

    content: bytes | None = field(default_factory=lambda: told(ADA))
    now: int = NOW
    takes: int = 0
    asked: list[str] = field(default_factory=list)
    forms: list[Mapping[str, str]] = field(default_factory=list)
    bearers: list[str | None] = field(default_factory=list)

    def clock(self) -> int:
        """Return the time."""
        return self.now

    async def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        """Tell whom they know."""
        self.asked.append(url)
        self.bearers.append(headers.get("authorization"))
        self.now += self.takes
        if self.content is None:
            raise Failed("error", "the connection failed")
        return Reply(200, JSON, self.content)

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes = b""
    ) -> Reply:
        """Give a token."""
        assert (method, url) == ("POST", "https://old.example/token"), headers
        self.forms.append(dict(parse_qsl(content.decode())))
        given = {"access_token": "t", "token_type": "Bearer", "expires_in": 300}
        return Reply(200, JSON, json.dumps(given).encode())


def hub_of(store: Store, members: Members, process: str = "one") -> tuple[Hub, Locator]:
    registry, clock = Registry(store), members.clock
    hub = Hub(registry, store.key_values, members, clock, str, 1, Health(process))
    tokens = Tokens(SigningKeys(Memory(), AESGCM(b"s" * 32)), members, clock, lambda: "id")
    hub.locator = Locator(registry, tokens, hub.way_to, clock, hub.health)
    return hub, hub.locator


async def holds(store: Store, locator: Locator, number: str = ADA) -> bool | None:
    """Tell whether the member is known to know somebody; None where that is not known."""
    index = locator.index_of(await known(Registry(store), "a", now=NOW))
    return None if index is None else index.holds(number)


async def taken_in(store: Store, **changes: Any) -> None:
    await enrolment(store).add(replace(LOCATED, **changes), statement("Patient"), now=NOW)


async def test_a_member_without_a_locator_is_not_asked_whom_it_knows(store: Store) -> None:
    await taken_in(store, locator=False)
    members = Members()
    _, locator = hub_of(store, members)
    await locator.step()
    assert members.asked == []
    assert await holds(store, locator) is None


async def test_a_member_that_is_not_to_be_asked_is_not_asked_that_either(store: Store) -> None:
    await taken_in(store)
    members = Members()
    _, locator = hub_of(store, members)
    await locator.step()
    await enrolment(store).set_status("a", "suspended", now=NOW)
    members.now += EACH
    await locator.step()
    assert len(members.asked) == 1
    assert await holds(store, locator) is None


async def test_whom_a_member_knows_is_known_as_of_the_moment_of_asking(store: Store) -> None:
    await taken_in(store)
    members = Members(takes=7)
    _, locator = hub_of(store, members)
    await locator.step()
    index = locator.index_of(await known(Registry(store), "a", now=NOW))
    assert index is not None
    assert (index.as_of, index.count) == (NOW, 1)
    assert [await holds(store, locator, each) for each in (ADA, BOB)] == [True, False]
    assert members.asked == ["https://old.example/fhir/$person-index"]


async def test_it_is_asked_again_after_a_while_and_later_where_that_takes_it_long(
    store: Store,
) -> None:
    await taken_in(store)
    members = Members()
    _, locator = hub_of(store, members)
    for passed, asked in ((0, 1), (EACH - 1, 1), (1, 2)):
        members.now += passed
        await locator.step()
        assert len(members.asked) == asked
    members.now, members.takes = members.now + EACH, EACH // 20
    await locator.step()
    members.now += (SHARE - 1) * members.takes - 1
    await locator.step()
    assert len(members.asked) == 3
    members.now += 1
    await locator.step()
    assert len(members.asked) == 4


@pytest.mark.parametrize("content", [None, b"{}", told(ADA)[:-50], b"[]"])
async def test_what_was_told_is_gone_by_until_it_is_old_whatever_comes_after(
    store: Store, content: bytes | None
) -> None:
    await taken_in(store)
    members = Members()
    hub, locator = hub_of(store, members)
    await locator.step()
    members.content = content
    members.now += GOOD_FOR - 1
    await locator.step()
    assert await holds(store, locator) is True
    assert (await history(hub, members)).persons is not None
    members.now += 1
    assert await holds(store, locator) is None


async def history(hub: Hub, members: Members) -> History:
    found = await hub.health.histories(hub.kept, (), now=members.now)
    return found["a"]


async def test_what_another_registration_told_is_not_gone_by(store: Store) -> None:
    await taken_in(store)
    members = Members()
    _, locator = hub_of(store, members)
    await locator.step()
    await taken_in(store)
    assert await holds(store, locator) is None
    await locator.step()
    assert await holds(store, locator) is True
    await rewrite(store, address="https://elsewhere.example/fhir")
    await locator.step()
    assert await holds(store, locator) is None
    assert len(members.asked) == 2


async def test_it_is_asked_with_a_token_for_that_alone_in_nobodys_name(store: Store) -> None:
    credentials = Credentials("hub", "https://old.example/token", ("system/*.rs",))
    await taken_in(store, credentials=credentials)
    members = Members()
    _, locator = hub_of(store, members)
    await locator.step()
    (form,) = members.forms
    assert form["scope"] == PERSON_INDEX
    assert members.bearers == ["Bearer t"]


async def test_no_process_keeps_what_it_was_told_where_others_could_find_it(store: Store) -> None:
    await taken_in(store)
    members = Members()
    hub, locator = hub_of(store, members)
    await locator.step()
    await hub.health.keep(hub.kept, (), now=NOW)
    kinds = ("member-health", "member-settings", "member-snapshot", "member-learned", "member")
    kept = [each for kind in kinds for each in await hub.kept.items(kind, now=NOW)]
    assert kept
    assert not any(mark_of(KEY, ADA) in value or KEY in value for _, value in kept)


async def test_how_many_a_member_knows_is_told_by_the_process_that_asked_last(store: Store) -> None:
    await taken_in(store)
    members = Members()
    first, locator = hub_of(store, members)
    await locator.step()
    await first.health.keep(first.kept, (), now=NOW)
    members.now, members.content = NOW + 5, told(ADA, BOB)
    second, other = hub_of(store, members, "two")
    await other.step()
    persons = (await history(second, members)).persons
    assert persons is not None
    assert (persons.moment, persons.count, persons.problem) == (NOW + 5, 2, "")

    members.now, members.content = members.now + EACH, None
    await other.step()
    persons = (await history(second, members)).persons
    assert persons is not None
    assert persons.problem == "the connection failed"
