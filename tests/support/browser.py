"""Chromium, driven: what a person sees and types. CI owes it to the tests; elsewhere its absence skips them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

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
        browser = playwright.chromium.launch(executable_path=executable, args=list(_FLAGS))
        try:
            yield browser
        finally:
            browser.close()
