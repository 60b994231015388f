"""A person's browser without a window: it keeps cookies, reads forms and sends them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

import httpx2 as httpx


@dataclass
class Form:
    """A form of a page: its fields as they stand, and its buttons."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _Reader(HTMLParser):
    """Collects the forms, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.words: list[str] = []
        self.choosing = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take down a form and what is in it."""
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(said["action"], said["method"]))
        elif tag == "input" and "name" in said:
            if said.get("type") != "checkbox" or "checked" in said:
                self.forms[-1].fields.append((said["name"], said.get("value", "")))
        elif tag == "select":
            self.forms[-1].fields.append((said["name"], ""))
            self.choosing = True
        elif tag == "option" and (self.choosing or "selected" in said):
            # As browsers do: the first one stands, unless another is selected.
            self.forms[-1].fields[-1] = (self.forms[-1].fields[-1][0], said["value"])
            self.choosing = False
        elif tag == "button":
            self.forms[-1].buttons.append((said.get("name", ""), said.get("value", "")))

    def handle_data(self, data: str) -> None:
        """Take down text."""
        self.words += data.split()


@dataclass
class Page:
    """An answer, read."""

    answer: httpx.Response
    url: str
    forms: list[Form]
    text: str

    @property
    def status(self) -> int:
        """The status of the answer."""
        return self.answer.status_code

    def form(self, action: str, *, with_field: str = "") -> Form:
        """Return the form that goes there."""
        return self._forms(action, with_field)[0]

    def offers(self, action: str, *, with_field: str = "") -> bool:
        """Tell whether there is such a form."""
        return bool(self._forms(action, with_field))

    def _forms(self, action: str, with_field: str) -> list[Form]:
        return [
            each
            for each in self.forms
            if each.action == action
            and (not with_field or with_field in dict(each.fields + each.buttons))
        ]


class Visitor:
    """Visits one origin; an address elsewhere is where a visit ends."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.client = httpx.Client(follow_redirects=False)

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies by name."""
        return dict(self.client.cookies)

    def take(self, cookies: Mapping[str, str]) -> None:
        """Take the cookies of another browser."""
        host = urlsplit(self.origin).hostname or ""
        for name, value in cookies.items():
            self.client.cookies.set(name, value, domain=host, path="/")

    def get(self, address: str) -> Page:
        """Open an address, which may be a path."""
        return self._followed(self.client.get(urljoin(self.origin, address)))

    def post(self, address: str, fields: list[tuple[str, str]], **headers: str) -> Page:
        """Send fields as a browser sends a form."""
        sent = {"content-type": "application/x-www-form-urlencoded", **headers}
        url = urljoin(self.origin, address)
        return self._followed(self.client.post(url, content=urlencode(fields), headers=sent))

    def send(self, form: Form, **changes: str | list[str] | None) -> Page:
        """Send a form with other values; one that is None is left out."""
        fields = [each for each in form.fields if each[0] not in changes]
        for name, value in changes.items():
            values = [value] if isinstance(value, str) else value or []
            fields += [(name, each) for each in values]
        return self.post(form.action, fields, **{"sec-fetch-site": "same-origin"})

    def sign_in(self, page: Page, name: str, password: str) -> Page:
        """Send the sign-in form of a page."""
        return self.send(page.form("/auth/sign-in"), name=name, password=password)

    def _followed(self, answer: httpx.Response) -> Page:
        for _ in range(8):
            target = answer.headers.get("location")
            if target is None or answer.status_code >= 400:
                return _read(answer, str(answer.url))
            url = urljoin(str(answer.url), target)
            if urlsplit(url)[:2] != urlsplit(self.origin)[:2]:
                return Page(answer, url, [], "")
            answer = self.client.get(url)
        raise AssertionError("it redirects again and again")


@contextmanager
def visiting(origin: str) -> Iterator[Visitor]:
    """Yield a browser that knows nothing yet."""
    visitor = Visitor(origin)
    with visitor.client:
        yield visitor


def _read(answer: httpx.Response, url: str) -> Page:
    reader = _Reader()
    if answer.headers.get("content-type", "").startswith("text/html"):
        reader.feed(answer.text)
    return Page(answer, url, reader.forms, " ".join(reader.words))
