"""The page of the members for who looks after them, in a browser: from the sign-in to the look, large and small."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from fhir_server.auth.server.users import User
from fhir_server.federation.members import Member
from fhir_server.offline.enrolling import add_member
from fhir_server.settings import Settings
from tests.e2e.smart.test_pages import CONTRAST, LOOKS
from tests.support.browser import profile, running_browser, settle
from tests.support.nodes import running_node
from tests.support.smart import PASSWORD, enrol

SUPPORT = User("sue", "Sue Port", role="R8015", organisation="RXX", purposes=("PATADMIN",))
NETWORKS = ("127.0.0.0/8",)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[str]:
    """Serve a hub with a member; return its origin."""
    store = tmp_path / "hub.db"
    enrol(store, SUPPORT)
    settings = Settings(store=f"sqlite:{store}", member_networks=NETWORKS)
    flags = ("--auth", "smart", "--member-networks", *NETWORKS)
    with running_node(tmp_path / "a.db") as member, running_node(store, *flags) as node:
        asyncio.run(add_member(settings, Member("trust-1", "Northern Care Trust " * 3, member.url)))
        yield node.origin


def test_who_looks_after_members_signs_in_and_sees_how_they_fare(hub: str) -> None:
    with running_browser() as browser:
        for look in ("dark", "narrow"):
            seen(browser, hub, LOOKS[look])


def seen(browser: Browser, hub: str, look: dict[str, Any]) -> None:
    """Sign in, and look at the page in one look."""
    context = profile(browser, **look)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))

    page.goto(f"{hub}/members")
    assert page.get_by_text("Northern Care Trust").count() == 0
    page.get_by_label("User name").fill("sue")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Members of this federation").wait_for()
    settle(page)

    assert page.get_by_role("heading", level=3).inner_text().startswith("Northern Care Trust")
    assert page.get_by_role("img").count() == 1
    assert page.get_by_text("Sue Port").is_visible()
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("link", name="Look again").click()
    page.get_by_role("heading", name="Members of this federation").wait_for()
    assert said == []
    context.close()
