"""The page of the members in a browser: it fits, in the dark and on a phone, and looks again by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2 as httpx

from fhir_server.federation.members import Member
from fhir_server.offline.enrolling import add_member
from fhir_server.settings import Settings
from tests.support.browser import profile, running_browser, settle
from tests.support.server import running_server

NETWORKS = ("127.0.0.0/8",)


def test_the_page_fits_and_looks_again_by_itself(tmp_path: Path) -> None:
    settings = Settings(store=f"sqlite:{tmp_path / 'hub.db'}", member_networks=NETWORKS)
    with (
        running_server(tmp_path / "a.db") as server,
        running_server(tmp_path / "hub.db", member_networks=NETWORKS) as base,
    ):
        asyncio.run(add_member(settings, Member("trust-1", "Northern Care Trust " * 3, server)))
        look(base)


def look(base: str) -> None:
    """Look at the page of a hub on a phone in the dark, and suspend its member meanwhile."""
    with running_browser() as browser:
        narrow = {"width": 320, "height": 700}
        context = profile(browser, viewport=narrow, color_scheme="dark", reduced_motion="reduce")
        page = context.new_page()
        problems: list[str] = []
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.clock.install()
        page.goto(base.removesuffix("/fhir"))
        page.get_by_role("link", name="Members of this federation").click()
        page.wait_for_url("**/members")
        settle(page)

        assert page.get_by_role("heading", level=3).inner_text().startswith("Northern Care Trust")
        assert page.get_by_role("img").count() == 1
        assert page.evaluate("document.documentElement.scrollWidth") == 320

        named = {"resourceType": "Parameters", "parameter": [{"name": "id", "valueId": "trust-1"}]}
        suspended = httpx.post(
            base.replace("/fhir", "/federated/$member-suspend"),
            json=named,
            headers={"content-type": "application/fhir+json"},
        )
        assert suspended.status_code == 200
        page.clock.fast_forward(10_000)
        page.get_by_text("its Endpoint has the status suspended").wait_for()
        assert problems == []
