"""The page of the members: what it says of each, and that nothing a member says is taken for HTML."""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html import unescape
from pathlib import Path

import httpx2 as httpx
import pytest

from fhir_server.federation.health import History, Look, Persons
from fhir_server.federation.members import Capabilities, Member
from fhir_server.federation.roster import Listed
from fhir_server.offline.enrolling import add_member
from fhir_server.search.declaring import Abilities
from fhir_server.settings import Settings
from fhir_server.web.members import POLICY, members_page
from fhir_server.web.sparkline import median, sparkline
from tests.rest.access import guarded
from tests.support.patience import DEADLINE, MEMBER_SECONDS
from tests.support.server import running_server

NOW = 1_750_000_000_000_000
MINUTE = 60_000_000
NETWORKS = ("127.0.0.0/8",)
EVIL = '<script>alert("x")</script>'


def listed(
    name: str = "a", *looks: Look, withheld: str = "", open_in: int = 0, **types: str
) -> Listed:
    """Return a member that declares parameters, commas between them, by type."""
    declared = {kind: frozenset(codes.split(",")) for kind, codes in types.items()}
    return Listed(
        Member(name, name.upper(), f"https://{name}.example/fhir", withheld=withheld),
        Capabilities(declared, {}, "4.0.1", "other 1", NOW),
        History(looks, open_in),
    )


def page(*members: Listed) -> str:
    return members_page(members, NOW, "1.0")


def test_what_members_say_is_text() -> None:
    look = Look(NOW, "search", "error", 1, EVIL)
    member = Member("a", EVIL, f"https://{EVIL}", EVIL, withheld=EVIL)
    found = page(
        Listed(member, Capabilities({EVIL: frozenset()}, {}, EVIL, EVIL, NOW), History([look]))
    )
    assert "alert(" not in found.replace("&lt;script&gt;alert(", "")
    assert found.count("<script>") == 1


def test_the_one_script_is_that_of_the_policy() -> None:
    (script,) = re.findall(r"<script>(.*?)</script>", page(), re.DOTALL)
    digest = b64encode(sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in POLICY


def test_without_members_it_says_how_to_take_one_in() -> None:
    assert "fhir-server member add" in page()


@pytest.mark.parametrize(
    ("member", "told"),
    [
        (listed(), "not asked yet"),
        (listed("a", Look(NOW, "search", "ok", 5)), "answers"),
        (listed("a", Look(NOW, "search", "partial", 5)), "answers"),
        (listed("a", Look(NOW, "check", "timeout", 5)), "fails"),
        (listed("a", Look(NOW, "search", "ok", 5), open_in=1), "left alone"),
        (listed("a", Look(NOW, "search", "ok", 5), withheld="it is suspended"), "it is suspended"),
    ],
)
def test_how_a_member_stands_is_said_in_words(member: Listed, told: str) -> None:
    assert told in page(member)


@pytest.mark.parametrize(
    ("abilities", "told"),
    [
        (Abilities(), "no modifiers, sorting or size of pages told"),
        (
            Abilities(50, {"string": frozenset({"exact", EVIL})}, {}, frozenset({"date"})),
            "pages of 50 at most; modifiers &lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;, exact; sorts by date",
        ),
    ],
)
def test_what_a_member_tells_of_its_searches_is_shown(abilities: Abilities, told: str) -> None:
    member = listed()
    known = replace(member.capabilities, abilities=abilities)
    assert told in page(replace(member, capabilities=known))


def test_what_failed_last_is_told_though_a_breaker_opened_since() -> None:
    looks = (
        Look(NOW - 3 * MINUTE, "search", "timeout", 4000, "too slow"),
        Look(NOW - MINUTE, "search", "circuit-open", 0),
    )
    found = page(listed("a", *looks))
    assert "timeout (too slow)" in found
    assert "3 min ago" in found


def test_types_that_members_differ_in_stand_first() -> None:
    found = page(
        listed("a", Patient="name,birthdate", Slot="start"),
        listed("b", Patient="name", Slot="start"),
        listed("c", Slot="start"),
    )
    shown, _, hidden = found.partition("<details>")
    assert '<td>2</td><td class="fewer" title="without birthdate">1 of 2</td>' in shown
    assert '<td class="lacks">none</td>' in shown
    assert ">Slot<" in hidden
    assert "1 types that all search alike" in hidden


def test_members_that_are_alike_are_said_to_be() -> None:
    assert "declare the same" in page(listed("a", Slot="start"), listed("b", Slot="start"))


def test_the_picture_says_in_words_what_it_shows() -> None:
    looks = [Look(NOW, "search", "ok", each) for each in (10, 20, 40)]
    found = sparkline([*looks, Look(NOW, "search", "error", 0)])
    assert "20 milliseconds in the middle, 40 at most; 1 failed." in found
    assert found.count("V37") == 1
    assert median([]) is None
    assert "not asked yet" in sparkline([])
    assert "polyline" not in sparkline(looks[:1])


def test_the_start_page_of_a_node_without_members_does_not_speak_of_any(tmp_path: Path) -> None:
    with running_server(tmp_path / "a.db") as base:
        origin = base.removesuffix("/fhir")
        assert "/members" not in httpx.get(origin).text
        found = httpx.get(f"{origin}/members")
    assert found.status_code == 200
    assert "There are no members yet" in found.text
    assert found.headers["content-security-policy"] == POLICY


def test_the_start_page_of_a_hub_offers_what_its_members_have(tmp_path: Path) -> None:
    settings = Settings(store=f"sqlite:{tmp_path / 'hub.db'}", member_networks=NETWORKS)
    with (
        running_server(tmp_path / "a.db") as member,
        running_server(tmp_path / "hub.db", member_networks=NETWORKS) as base,
    ):
        asyncio.run(add_member(settings, Member("a", "A", member, seconds=MEMBER_SECONDS)))
        origin = base.removesuffix("/fhir")
        start = httpx.get(origin).text
        links = [unescape(each) for each in re.findall(r'<li><a href="([^"]+)">', start)]
        offered = [each for each in links if each.startswith(f"{origin}/federated/")]
        assert len(offered) == 3
        for each in offered:
            answer = httpx.get(each, headers=DEADLINE)
            assert answer.status_code == 200
            assert "1 of 1 members answered" in answer.text
    assert "/members" in links
    assert f"<code>{origin}/federated</code>" in start
    assert f"{base}/Observation?" not in start


def test_members_are_not_told_to_who_has_no_token(tmp_path: Path) -> None:
    with guarded(tmp_path / "a.db") as node:
        found = httpx.get(node.base.replace("/fhir", "/members"))
    assert found.status_code == 404
    assert "$members, to who has a token" in found.text


@pytest.mark.parametrize(
    ("persons", "told"),
    [
        (Persons(NOW - MINUTE, 17), "17 people, "),
        (Persons(NOW - MINUTE, problem=EVIL), "not known (&lt;script&gt;"),
    ],
)
def test_how_many_people_a_member_knows_is_said_as_of_when(persons: Persons, told: str) -> None:
    member = Member("a", "A", "https://a.example/fhir", locator=True)
    found = page(Listed(member, Capabilities({}), History(persons=persons)))
    assert told in found
    assert "1 min ago" in found


def test_of_a_member_without_a_locator_nothing_is_said_of_people() -> None:
    member = Member("a", "A", "https://a.example/fhir")
    history = History(persons=Persons(NOW, 17))
    assert "17 people" not in page(Listed(member, Capabilities({}), history))
