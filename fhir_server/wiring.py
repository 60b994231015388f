"""Builds a node from its settings; holds the clock and the ids that all below are given."""

from __future__ import annotations

import asyncio
import os
from asyncio import get_running_loop
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from itertools import count
from os import urandom
from time import time_ns
from typing import TYPE_CHECKING, assert_never

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp, Receive, Scope, Send

import fhir_server
from fhir_server.audit.publishing import Publisher
from fhir_server.audit.resource import Origin
from fhir_server.audit.trail import Trail
from fhir_server.auth.caller import Callers
from fhir_server.auth.server.site import Site
from fhir_server.awaiting import awaited
from fhir_server.catalogue.backfill import Backfill
from fhir_server.catalogue.register import opened_register
from fhir_server.conformance.definitions import definitions_in
from fhir_server.conformance.validation import Validator
from fhir_server.events import event_log
from fhir_server.fhir.errors import FhirError
from fhir_server.policy.decision import Enforcement
from fhir_server.policy.visibility import Visibility
from fhir_server.rest.app import FhirApplication
from fhir_server.rest.cors import CrossOrigin
from fhir_server.rest.cursors import Cursors
from fhir_server.rest.projection import Projector
from fhir_server.rest.service import Limits, Service
from fhir_server.rest.table import ROUTES
from fhir_server.rest.telemetry import Telemetry
from fhir_server.rules import admission, disclosure, enforcement
from fhir_server.search.defaults import PageSizes
from fhir_server.search.indexing import Extractor
from fhir_server.settings import (
    FEDERATED,
    PREFIX,
    Settings,
    definitions_folder,
    parameters_folder,
    registrations_in,
)
from fhir_server.storage.contract import Store
from fhir_server.stores import store_of
from fhir_server.web.applications import SIGN_IN_PATHS, pages_application, sign_in_application
from fhir_server.web.failing import failing_quietly
from fhir_server.web.metrics import Metrics
from fhir_server.web.start import About
from fhir_server.web.waiting import waiting_fhir, waiting_pages
from fhir_server.working import working

if TYPE_CHECKING:
    # A node without tokens, or that is no hub, needs none of it, and would start later.
    from fhir_server.auth.trust import Trust
    from fhir_server.federating import FederatedBase

STEPS_AT_START = 4
"""Steps of the backfill before the first request: all that a new store has to do."""

STARTUP_FAILURE = 3
"""The exit status by which uvicorn knows a worker that would fail again."""

_HOUR = 3_600_000_000
_BELOW_ALL = f"{FEDERATED}/"
_BELOW = PREFIX + "/"


def clock() -> int:
    """Return the time in microseconds since 1970."""
    return time_ns() // 1000


def new_id() -> str:
    """Return a fresh logical id: a random UUID, for a third of what its class takes."""
    digits = urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def application(settings: Settings) -> Node:
    """Return the node as an ASGI application; its store opens with the lifespan."""
    return Node(settings)


def from_environment() -> Node:
    """Return the node that a worker process serves."""
    return application(Settings())


class Node:
    """The outermost application: FHIR below its prefix, the pages for people elsewhere."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.failed: Callable[[str], None] = lambda _: None
        """Is told why the node cannot serve."""
        self.end: Callable[[], None] = _end_worker
        self._tell = event_log(settings.log_level, clock)
        self._fhir: ASGIApp = waiting_fhir
        self._web: ASGIApp = waiting_pages
        self._sign_in: ASGIApp | None = None
        self._hub: FederatedBase | None = None
        self._open_hub: Callable[[], FederatedBase] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on by its path."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        path = scope["path"]
        if scope["type"] == "http" and (path.startswith(_BELOW) or path == PREFIX):
            await self._fhir(scope, receive, send)
        elif scope["type"] == "http" and (path.startswith(_BELOW_ALL) or path == FEDERATED):
            await (self._federation() or waiting_fhir)(scope, receive, send)
        elif self._sign_in is not None and path.startswith(SIGN_IN_PATHS):
            await self._sign_in(scope, receive, send)
        else:
            await self._web(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Keep the store open from start-up to shutdown."""
        await receive()
        seconds = self.settings.store_wait_seconds
        try:
            async with awaited(self._serving, seconds, self._tell, self._given_up):
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except (FhirError, OSError, ValueError) as error:
            self.failed(reason := self._told(error))
            await send({"type": "lifespan.startup.failed", "message": reason})
            return
        await send({"type": "lifespan.shutdown.complete"})

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[None]:
        """Serve the store during the block; raise Unreachable where it may come by itself."""
        async with (
            opened_store(self.settings, enforcement()) as store,
            trust_of(self.settings, store) as trust,
        ):
            try:
                backfill, publisher = await self._build(store, trust)
                async with working(backfill, publisher, self._tell, clock):
                    yield
                if self._hub is not None:
                    await self._hub.aclose()
            finally:
                self._fhir, self._web, self._open_hub = waiting_fhir, waiting_pages, None

    def _given_up(self, problem: Exception) -> None:
        """End the process, since its store cannot be waited for any longer."""
        self.failed(self._told(problem))
        # After the event that is on its way to the log.
        get_running_loop().call_soon(self.end)

    def _told(self, problem: Exception) -> str:
        return f"the store {self.settings.store_name} does not open: {problem}"

    async def _build(self, store: Store, trust: Trust | None) -> tuple[Backfill, Publisher | None]:
        registry = CollectorRegistry()
        callers = None if trust is None else trust.callers
        service = await service_of(self.settings, store, callers)
        backfill = Backfill(store, service.register, new_id())
        for _ in range(STEPS_AT_START):
            if not await backfill.step(clock()):
                break
        soon = asyncio.get_running_loop().call_soon
        telemetry = Telemetry(ROUTES, registry, tell=self._tell, soon=soon)
        request_ids = _request_ids()
        self._fhir = FhirApplication(service, telemetry, prefix=PREFIX, new_request_id=request_ids)
        self._open_hub = partial(self._opened_hub, service, telemetry, request_ids)
        about = About(
            version=service.version,
            types=service.types,
            base_url=service.base_url,
            prefix=PREFIX,
            call=service.call_at if callers is None else None,
            clock=clock,
            has_transactions=store.has_transactions,
            signs_in=trust is not None and trust.server is not None,
            federation=self._federation if callers is None else None,
            federated=FEDERATED,
        )
        told = Metrics(registry, self.settings.metrics_token, open=callers is None)
        self._web = failing_quietly(pages_application(about, store.now, told), telemetry)
        if trust is not None and (server := trust.server) is not None:
            sign_in = sign_in_application(server, service, trust.providers, self._federation)
            self._sign_in = failing_quietly(sign_in, telemetry)
        return backfill, service.publisher

    def _federation(self) -> FederatedBase | None:
        if self._hub is None and self._open_hub is not None:
            self._hub = self._open_hub()
        return self._hub

    def _opened_hub(
        self, service: Service, telemetry: Telemetry, request_ids: Callable[[], str]
    ) -> FederatedBase:
        # Here, since a node that is no hub needs none of it, and would start later.
        from fhir_server.federating import FederatedBase  # noqa: PLC0415
        from fhir_server.federation.duplicates import Duplicates  # noqa: PLC0415

        settings = self.settings
        return FederatedBase(
            service,
            telemetry,
            settings.member_networks,
            new_request_id=request_ids,
            duplicates=Duplicates(settings.member_duplicates, settings.member_identifiers),
        )


def opened_store(
    settings: Settings, rules: Enforcement | None = None
) -> AbstractAsyncContextManager[Store]:
    """Open the store that the settings name; raise Unavailable. Without `rules` no denials are kept."""
    return store_of(settings, rules, clock)


@asynccontextmanager
async def trust_of(settings: Settings, store: Store) -> AsyncIterator[Trust | None]:
    """Yield what knows callers by their tokens, None where nobody is asked for one."""
    if settings.auth == "none":
        yield None
        return
    # Here, since a node without tokens needs none of it, and would start later.
    from fhir_server.auth.trust import trusting  # noqa: PLC0415

    site = site_of(settings) if settings.has_authorization_server else None
    path = settings.identity_providers
    async with trusting(
        settings.issuers,
        settings.meant_for,
        site=site,
        store=store,
        registrations={} if path is None else registrations_in(path),
        admit=admission(settings),
    ) as trust:
        yield trust


def site_of(settings: Settings) -> Site:
    """Return where the built-in authorization server is."""
    return Site(settings.issuer, settings.fhir_base, settings.meant_for)


async def service_of(settings: Settings, store: Store, callers: Callers | None = None) -> Service:
    """Return what the FHIR API works with; with `callers` nothing is seen without a token."""
    known = definitions_in(definitions_folder())
    base_url = settings.fhir_base
    register = await opened_register(
        store, Extractor(known, zone=settings.time_zone, base_url=base_url), parameters_folder()
    )
    trail = _trail(settings, store)
    return Service(
        store=store,
        definitions=known,
        validator=Validator(known),
        register=register,
        projector=Projector(known),
        sight=_sight_without_token(settings),
        clock=clock,
        new_id=new_id,
        cursors=Cursors(AESGCM(await store.secret("cursor")), settings.cursor_hours * _HOUR),
        types=known.resource_types if settings.types == ("all",) else frozenset(settings.types),
        routes=ROUTES,
        version=fhir_server.__version__,
        started=clock(),
        base_url=settings.base_url,
        callers=callers,
        disclosure=None if callers is None else disclosure(settings),
        trail=trail,
        publisher=None
        if trail is None
        else Publisher(store, register, Origin(base_url, await store.secret("audit-event"))),
        limits=Limits(
            body=settings.max_body,
            entries=settings.max_entries,
            pages=PageSizes(settings.page_size, settings.max_page_size),
        ),
        cross_origin=CrossOrigin(frozenset(settings.cors_origins)),
    )


def _trail(settings: Settings, store: Store) -> Trail | None:
    """Return what records all that is asked, None where nothing does."""
    if settings.audited == "off":
        return None
    return Trail(store.audit_log, strict=settings.audited == "strict")


def _sight_without_token(settings: Settings) -> Visibility:
    match settings.auth:
        case "none":
            return Visibility.everything("auth=none")
        case "smart":
            return Visibility.nothing("no token")
        case _:
            assert_never(settings.auth)


def _request_ids() -> Callable[[], str]:
    """Return names for requests, unique among processes: a name per process and a number."""
    name, numbers = urandom(6).hex(), count(1)
    return lambda: f"{name}-{next(numbers)}"


def _end_worker() -> None:
    """End a worker process whose store did not come: it serves nothing that could be lost."""
    os._exit(STARTUP_FAILURE)
