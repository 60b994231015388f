"""Asks the application as one caller, in the test's process, and keeps all that it answers."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from prometheus_client import CollectorRegistry

from fhir_server.auth.caller import Caller
from fhir_server.policy.access import Access
from fhir_server.policy.rights import rights_of
from fhir_server.policy.visibility import Visibility
from fhir_server.rest.app import FhirApplication
from fhir_server.rest.cursors import Cursor, Cursors
from fhir_server.rest.service import Service
from fhir_server.rest.telemetry import Telemetry
from fhir_server.settings import Settings
from fhir_server.storage.contract import Store
from fhir_server.wiring import service_of

BASE = "http://here/fhir"
SETTINGS = Settings(
    base_url=BASE,
    programmes=Path(__file__).with_name("programmes.json"),
    auth="none",
    audit="off",
)
START = 1_800_000_000_000_000
"""Microseconds since 1970 when the first resource is written."""
LATER = START + 10**12
"""When the requests come."""
TICK = 1_000
MOST_PAGES = 8

Answer = tuple[str, int, Any, bytes]
"""What was asked, and status, headers and body of the answer."""


@dataclass(slots=True)
class Clock:
    """A clock that moves when it is told to, and a microsecond at each look."""

    now: int = START

    def __call__(self) -> int:
        """Return the time, in microseconds."""
        return self.now

    def tick(self) -> None:
        """Go on."""
        self.now += TICK


@dataclass(frozen=True)
class Anyone:
    """Takes every token for that of one caller."""

    caller: Caller
    knows_apps: bool = False

    async def authenticate(self, token: str, *, now: int) -> Caller:  # noqa: ARG002 - a Protocol
        """Return the caller."""
        return self.caller

    async def metadata(self, *, now: int) -> dict[str, Any]:  # noqa: ARG002 - a Protocol
        """Return nothing."""
        return {}


@dataclass(frozen=True, slots=True)
class Numbered(Cursors):
    """Gives numbers instead of sealed text, which is different each time; its length is part of them."""

    given: list[tuple[bytes, Cursor]] = field(default_factory=list)

    def seal(self, cursor: Cursor, scope: bytes, *, now: int) -> str:
        """Return the number of a cursor, and how long its text would be."""
        self.given.append((scope, cursor))
        return f"{len(self.given) - 1}-{len(Cursors.seal(self, cursor, scope, now=now))}"

    def open(self, text: str, scope: bytes, *, now: int) -> Cursor:  # noqa: ARG002 - as it is
        """Return the cursor of a number."""
        for_scope, cursor = self.given[int(text.partition("-")[0])]
        assert for_scope == scope
        return cursor


async def a_service(store: Store, access: Access, clock: Clock) -> Service:
    """Return the service of a store for one caller, who needs no token."""
    caller = Anyone(Caller(access, rights_of(access)))
    service = await service_of(SETTINGS, store, caller)
    ids = count()
    return replace(
        service,
        sight=Visibility.nothing("no token"),
        new_id=lambda: f"new-{next(ids)}",
        clock=clock,
        started=START,
        cursors=Numbered(AESGCM(b"k" * 16), 10**15),
    )


def _tell(event: str, fields: Mapping[str, Any]) -> None:
    assert event != "request_failed", fields


class Asking:
    """One caller's requests to one service."""

    def __init__(self, service: Service, clock: Clock) -> None:
        telemetry = Telemetry(service.routes, CollectorRegistry(), tell=_tell)
        self._clock = clock
        self._app = FhirApplication(
            service, telemetry, prefix="/fhir", new_request_id=lambda: "request"
        )

    async def ask(
        self, method: str, url: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Send one request; a body that is text is a form."""
        self._clock.tick()
        sent: list[MutableMapping[str, Any]] = []
        is_form = isinstance(body, str)
        content = b"" if body is None else body.encode() if is_form else msgspec.json.encode(body)

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        given = {"host": "here", "authorization": "Bearer x"}
        if content:
            kind = "application/x-www-form-urlencoded" if is_form else "application/fhir+json"
            given["content-type"] = kind
        given |= headers or {}
        path, _, query = url.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "scheme": "http",
            "path": "/fhir" + path,
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        }
        await self._app(scope, receive, send)
        start, answer = sent
        return f"{method} {url}", start["status"], start["headers"], bytes(answer["body"])


def next_page(answer: Answer) -> str | None:
    """Return the address of the page after this one, relative to the base."""
    _, status, _, body = answer
    if status != 200 or not body.startswith(b'{"resourceType":"Bundle"'):
        return None
    links = msgspec.json.decode(body).get("link", ())
    following = [each["url"] for each in links if each["relation"] == "next"]
    if not following:
        return None
    parts = urlsplit(following[0].removeprefix(BASE))
    return f"{parts.path}?{parts.query}"
