"""What people need of the pages: the keyboard alone, small and large, light and dark.

https://www.w3.org/TR/WCAG22/: 1.4.3 contrast, 1.4.10 reflow, 1.4.4 text of twice the size, 2.1.1 keyboard, 2.4.7 focus,
3.3.1 errors, 4.1.2 names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.smart.conftest import Place
from tests.support.browser import profile, settle
from tests.support.smart import APP, PASSWORD, App

SCOPE = "launch/patient launch/encounter openid fhirUser patient/*.rs user/Practitioner.r"

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1000, "height": 800}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1000, "height": 800}, "color_scheme": "dark"},
    "narrow": {"viewport": {"width": 320, "height": 640}},
    "twice the size": {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2},
}

CONTRAST = """() => {
  const channel = (value) => { value /= 255; return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4; };
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const found = parts(getComputedStyle(element).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const weak = [];
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const typed = element.matches("input:not([type=hidden], [type=checkbox])");
    if (!text && !typed) continue;
    const pair = [light(parts(getComputedStyle(element).color)), light(behind(element))].sort((a, b) => b - a);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (ratio < 4.5) weak.push(`${element.tagName} ${element.textContent.trim()}: ${ratio.toFixed(2)}`);
  }
  return weak;
}"""

_UNNAMED = """() => [...document.querySelectorAll("input:not([type=hidden]), select, button")]
  .filter((each) => !(each.labels?.length || each.textContent.trim())).map((each) => each.outerHTML)"""

_FOCUSED = """() => { const style = getComputedStyle(document.activeElement);
  return [document.activeElement.tagName, parseFloat(style.outlineWidth), style.outlineStyle]; }"""


def steps(page: Page, address: str) -> Iterator[str]:
    """Go through every page by the keyboard alone; yield the heading of each."""
    page.goto(address)
    settle(page)
    yield heading(page)
    type_and_send(page, "ada", "wrong")
    yield heading(page)
    # The name stands, and the focus is on the password.
    type_and_send(page, PASSWORD)
    yield heading(page)
    type_and_send(page, "nobody of this name")
    yield heading(page)
    page.keyboard.press("Control+a")
    type_and_send(page, "smith 1980-02-01")
    yield heading(page)
    # The focus is on the first who was found.
    press(page, "Enter")
    yield heading(page)


def heading(page: Page) -> str:
    return page.get_by_role("heading", level=1).inner_text()


def type_and_send(page: Page, *texts: str) -> None:
    page.keyboard.type(texts[0])
    for each in texts[1:]:
        page.keyboard.press("Tab")
        page.keyboard.type(each)
    press(page, "Enter")


def press(page: Page, key: str) -> None:
    with page.expect_navigation():
        page.keyboard.press(key)
    settle(page)


@pytest.fixture
def address(place: Place) -> str:
    """Return where an app sends people."""
    return App(place.node, APP).request(SCOPE, redirect_uri=f"{place.apps}/app.html")


@pytest.fixture
def looked(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Return how to open a page in some look."""
    contexts = []

    def look(**options: Any) -> Page:
        contexts.append(profile(browser, **options))
        return contexts[-1].new_page()

    yield look
    for each in contexts:
        each.close()


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_can_be_read_and_named_in_every_look(
    look: str, looked: Callable[..., Page], address: str
) -> None:
    page = looked(**LOOKS[look])

    seen = []
    for each in steps(page, address):
        seen.append(each)
        assert page.evaluate(CONTRAST) == []
        assert page.evaluate(_UNNAMED) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        tag, width, style = page.evaluate(_FOCUSED)
        assert tag == "BODY" or (width >= 3 and style == "solid"), (each, tag, width, style)
    assert seen == ["Sign in", "Sign in", *["Choose a patient"] * 3, "Allow Growth Chart access?"]


@pytest.mark.parametrize("look", LOOKS)
def test_the_page_that_explains_an_access_can_be_read_in_every_look(
    look: str, looked: Callable[..., Page], place: Place
) -> None:
    page = looked(**LOOKS[look])
    page.goto(f"{place.node}/auth/access")
    page.get_by_label("User name").fill("olga")
    page.get_by_label("Password").fill(PASSWORD)
    press(page, "Enter")
    assert heading(page) == "Explain an access"

    for user, told in (("eve", "Explain an access"), ("ada", "Not shown")):
        page.get_by_label("Resource").fill("Patient/denied")
        page.get_by_label("Account").fill(user)
        press(page, "Enter")

        assert heading(page) == told
        assert page.evaluate(CONTRAST) == []
        assert page.evaluate(_UNNAMED) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate(_FOCUSED)[0] == ("INPUT" if user == "eve" else "H1")


def test_the_whole_journey_goes_by_the_keyboard_without_scripts(
    browser: Browser, address: str, place: Place
) -> None:
    context = profile(browser, java_script_enabled=False)
    page = context.new_page()

    *_, last = steps(page, address)
    for _ in range(30):
        page.keyboard.press("Tab")
        if (
            page.locator("button:focus").count()
            and page.locator("button:focus").inner_text() == "Allow"
        ):
            break
    press(page, "Enter")

    assert last == "Allow Growth Chart access?"
    assert page.url.startswith(f"{place.apps}/app.html?")
    assert "code=" in page.url
    context.close()


def test_an_error_is_tied_to_its_field(page: Page, address: str) -> None:
    page.goto(address)
    settle(page)
    type_and_send(page, "ada", "wrong")

    password = page.get_by_label("Password")
    expect(password).to_be_focused()
    expect(password).to_have_accessible_description("The user name or the password is not right.")
    assert password.get_attribute("aria-invalid") == "true"
    assert page.title().startswith("Error: ")


def test_nothing_but_the_style_is_loaded_and_nothing_is_refused(page: Page, address: str) -> None:
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))

    page.goto(address)

    assert {each.rpartition("/")[2].partition("?")[0] for each in asked} <= {
        "authorize",
        "request",
        "style.css",
        "favicon.ico",
    }
    assert not [each for each in said if "Content Security Policy" in each]


def test_no_page_can_be_framed(page: Page, address: str, place: Place) -> None:
    page.goto(f"{place.apps}/app.html?state=none")

    with page.expect_event("requestfailed") as refused:
        page.evaluate(
            "url => { const frame = document.createElement('iframe');"
            " frame.src = url; document.body.append(frame); }",
            address,
        )

    assert "/auth/request" in refused.value.url
    assert refused.value.failure == "net::ERR_BLOCKED_BY_RESPONSE"
