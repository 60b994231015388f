"""The page of the members where people sign in: for those who look after them, and for nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from fhir_server.audit.event import decoded
from fhir_server.auth.server.users import User
from fhir_server.federation.members import Member
from fhir_server.offline.enrolling import add_members
from fhir_server.settings import Settings
from fhir_server.storage.sqlite.store import open_store
from fhir_server.wiring import clock
from tests.support.server import running_server
from tests.support.smart import CLINICIAN, OFFICER, PASSWORD, PATIENT, enrol
from tests.support.visitor import Page, Visitor, visiting
from tests.web.authorization.support import signed_in

NETWORKS = ("127.0.0.0/8",)
SUPPORT = User("sue", "Sue Port", role="R8015", organisation="RXX", purposes=("PATADMIN",))
WITHOUT_ROLE = User("rob", "Rob Less", organisation="RXX", purposes=("TREAT",))
RESEARCHER = User("ivy", "Ivy Post", role="R8012", organisation="RXX", purposes=("HRESCH",))
# A role that says much does not help who is bound to patients.
BOUND = User("ben", "Ben Bound", role="service", purposes=("TREAT",), patients=("mary",))
PEOPLE = (SUPPORT, WITHOUT_ROLE, RESEARCHER, BOUND, CLINICIAN, OFFICER, PATIENT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the stores are."""
    return tmp_path_factory.mktemp("hub")


@pytest.fixture(scope="module")
def hub(folder: Path) -> Iterator[str]:
    """Serve a hub with a member; return its origin."""
    settings = Settings(store=f"sqlite:{folder / 'hub.db'}", member_networks=NETWORKS)
    enrol(folder / "hub.db", *PEOPLE)
    with (
        running_server(folder / "a.db") as server,
        running_server(
            folder / "hub.db", auth="smart", audit="strict", member_networks=NETWORKS
        ) as base,
    ):
        asyncio.run(add_members(settings, [Member("trust-1", "<b>Northern Trust</b>", server)]))
        yield base.removesuffix("/fhir")


@pytest.fixture
def visitor(hub: str) -> Iterator[Visitor]:
    """Return a browser that knows nothing yet."""
    with visiting(hub) as opened:
        yield opened


def tells_nothing(page: Page) -> bool:
    return "Northern" not in page.answer.text and "trust-1" not in page.answer.text


def test_nobody_is_told_before_the_sign_in(visitor: Visitor) -> None:
    page = visitor.get("/members")

    assert page.url.endswith("/auth/sign-in?to=members")
    assert tells_nothing(page)


@pytest.mark.parametrize("who", PEOPLE[1:], ids=lambda user: user.subject)
def test_who_does_not_look_after_members_is_told_so_and_nothing_else(
    visitor: Visitor, who: User
) -> None:
    signed_in(visitor, who.subject)

    page = visitor.get("/members")

    assert page.status == 403
    assert "for those who look after the members" in page.text
    assert tells_nothing(page)


def test_a_wrong_password_leads_there_all_the_same_once_it_is_right(visitor: Visitor) -> None:
    wrong = visitor.sign_in(visitor.get("/members"), "sue", "wrong")

    page = visitor.sign_in(wrong, "sue", PASSWORD)

    assert wrong.status == 401
    assert tells_nothing(wrong)
    assert page.url.endswith("/members")
    assert "Northern Trust" in page.text


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example/", "/metrics", "Members"])
def test_a_sign_in_leads_to_no_other_address(visitor: Visitor, to: str) -> None:
    form = visitor.get("/auth/sign-in?to=members").form("/auth/sign-in")
    assert ("to", "members") in form.fields

    page = visitor.send(form, name="sue", password=PASSWORD, to=to)

    assert page.url == f"{visitor.origin}/auth/launch"


def test_it_is_a_page_as_the_others_are_without_scripts(visitor: Visitor) -> None:
    signed_in(visitor, "sue")
    others = visitor.get("/auth/launch").answer.headers

    page = visitor.get("/members")

    assert page.status == 200
    for name in ("content-security-policy", "cache-control", "x-frame-options", "referrer-policy"):
        assert page.answer.headers[name] == others[name]
    assert "<script" not in page.answer.text
    assert 'style="' not in page.answer.text
    assert "<b>Northern" not in page.answer.text
    assert visitor.client.get(f"{visitor.origin}/auth/members.css").status_code == 200


async def test_who_looked_is_recorded_and_who_was_refused_has_seen_nothing(
    visitor: Visitor, folder: Path
) -> None:
    for each in ("ada", "sue"):
        signed_in(visitor, each)
        visitor.get("/members")

    async with open_store(folder / "hub.db", clock=clock) as store:
        events = [decoded(each) for each in await store.audit_log.entries(0, 1000)]
    looks = [each for each in events if each.asked == "GET members"]
    assert {(each.agent and each.agent.subject, each.rule) for each in looks} == {
        ("sue", "default:administration-of-care")
    }


def test_who_has_signed_out_is_told_nothing_any_more(visitor: Visitor) -> None:
    page = visitor.sign_in(visitor.get("/members"), "sue", PASSWORD)

    visitor.send(page.form("/auth/sign-out"))

    assert tells_nothing(visitor.get("/members"))
