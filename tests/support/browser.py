"""Chromium, driven: what a person sees and types. CI owes it to the tests; elsewhere its absence skips them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.support.patience import PATIENCE

_MILLISECONDS = PATIENCE * 1000
expect.set_options(timeout=_MILLISECONDS)

_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Yield a browser without a window, and a profile of its own."""
    executable = os.environ.get("FHIR_TEST_CHROMIUM") or shutil.which("chromium")
    if executable is None:
        message = "no Chromium is here (run scripts/fetch_test_packages)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=list(_FLAGS), timeout=_MILLISECONDS
        )
        try:
            yield browser
        finally:
            browser.close()


def profile(browser: Browser, **options: Any) -> BrowserContext:
    """Return a profile that knows nothing yet, for someone with patience."""
    context = browser.new_context(**options)
    context.set_default_timeout(_MILLISECONDS)
    return context


def settle(page: Page) -> None:
    """Wait until a page is there, and has the focus where it says: browsers set it once they have shown the page."""
    page.wait_for_load_state()
    if page.locator("[autofocus]").count():
        page.locator("[autofocus]:focus").wait_for()
