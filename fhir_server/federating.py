"""Builds the hub's FHIR base, when it is first asked: a node that is no hub pays nothing for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from secrets import token_hex, token_urlsafe
from typing import TypeVar

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from starlette.types import ASGIApp, Receive, Scope, Send

from fhir_server.auth.server.signing import SECRET, SigningKeys
from fhir_server.federation.destinations import Destinations, networks_of
from fhir_server.federation.duplicates import Duplicates
from fhir_server.federation.enrolment import Enrolment, Writer
from fhir_server.federation.health import Health
from fhir_server.federation.http import HttpTransport
from fhir_server.federation.hub import Hub
from fhir_server.federation.locating import Locator
from fhir_server.federation.minding import STEP, Minder
from fhir_server.federation.pools import Pools
from fhir_server.federation.registry import SIGHT, Registry
from fhir_server.federation.roster import Listed, roster
from fhir_server.federation.sparing import Shapes
from fhir_server.federation.tokens import Tokens
from fhir_server.federation.transport import Transport
from fhir_server.fhir.errors import Unavailable
from fhir_server.interactions.call import Call
from fhir_server.rest.app import FhirApplication
from fhir_server.rest.federated.metrics import MemberMetrics
from fhir_server.rest.federated.reaching import Reach
from fhir_server.rest.federated.routes import Federation
from fhir_server.rest.service import Service
from fhir_server.rest.telemetry import Telemetry, Tell
from fhir_server.rest.tracing import new_trace
from fhir_server.rules import enforcement, federated_writes
from fhir_server.settings import FEDERATED, PREFIX
from fhir_server.storage.contract import Store
from fhir_server.web.waiting import refusing

T = TypeVar("T")

PEOPLE = "federation-people"
"""The secret of the store by which people are named in pages."""

_LOCAL = "http://localhost" + PREFIX
"""A base for what is written of the server's own accord where requests alone name it: nothing in it is absolute."""


@asynccontextmanager
async def transport_to(networks: Sequence[str]) -> AsyncIterator[HttpTransport]:
    """Yield the way to members, which may be at public addresses and in these networks."""
    async with Pools() as pools:
        yield HttpTransport(pools, Destinations(networks_of(networks)))


class FederatedBase:
    """The hub's base as an application, until `aclose`."""

    def __init__(
        self,
        service: Service,
        telemetry: Telemetry,
        networks: Sequence[str],
        *,
        new_request_id: Callable[[], str],
        duplicates: Duplicates,
    ) -> None:
        self._service, self._telemetry = service, telemetry
        self._duplicates = duplicates
        self._networks, self._new_request_id = networks, new_request_id
        self._stack = AsyncExitStack()
        self._metrics = MemberMetrics(telemetry.registry)
        self._building = asyncio.Lock()
        self._built: tuple[ASGIApp, Hub] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        try:
            application, _ = await self._ready()
        except Unavailable as error:
            application = refusing(error)
        await application(scope, receive, send)

    async def roster(self) -> Sequence[Listed]:
        """Return the members, and how they fare; raise FhirError."""
        _, hub = await self._ready()
        return await roster(hub, now=self._service.clock())

    async def aclose(self) -> None:
        """Close the connections to members."""
        await self._stack.aclose()

    async def _ready(self) -> tuple[ASGIApp, Hub]:
        """Return the base and its hub, built when first asked for; raise Unavailable, and build it at the next request."""
        if self._built is None:
            async with self._building:
                if self._built is None:
                    self._built = await self._build_whole()
        return self._built

    async def _build_whole(self) -> tuple[ASGIApp, Hub]:
        async with AsyncExitStack() as stack:
            try:
                built = await self._build(stack)
            except Exception as problem:
                # Whatever it was: who asks has no part in it, and the next attempt may fare better.
                kind = type(problem).__name__
                self._telemetry.tell("hub_not_opened", {"level": "error", "problem": kind})
                raise Unavailable(
                    "The members of this federation cannot be looked up now; please try again"
                ) from problem
            self._stack = stack.pop_all()
        return built

    async def _build(self, stack: AsyncExitStack) -> tuple[ASGIApp, Hub]:
        transport = await stack.enter_async_context(transport_to(self._networks))
        service = self._service
        kept = service.store.key_values
        lifetime = service.cursors.lifetime
        registry = Registry(service.store)
        enrolment = Enrolment(registry, writing_for(service), service.new_id)
        await enrolment.migrate(now=service.clock())
        metrics = self._metrics
        hub = Hub(
            registry,
            kept,
            transport,
            service.clock,
            token_urlsafe,
            lifetime,
            Health(service.new_id()),
            metrics,
        )
        tokens = await tokens_of(service.store, transport, service.clock)
        hub.locator = Locator(registry, tokens, hub.way_to, service.clock, hub.health)
        for step in (Minder(hub, metrics.breakers).step, hub.locator.step):
            await stack.enter_async_context(minding(step, self._telemetry.tell))
        shapes = Shapes(service.clock, metrics)
        reach = Reach(hub, tokens, enforcement(), shapes)
        people = await service.store.secret(PEOPLE)
        federation = Federation(reach, self._duplicates, federated_writes(), people)
        routes = federation.routes()
        self._telemetry.count(routes)
        application = FhirApplication(
            service.serving(routes, _beside(service.base_url)),
            self._telemetry,
            prefix=FEDERATED,
            new_request_id=self._new_request_id,
            template_at=federation.template_at,
            new_trace=partial(new_trace, token_hex),
        )
        return application, hub


async def tokens_of(store: Store, transport: Transport, clock: Callable[[], int]) -> Tokens:
    """Return what gets the hub's tokens at members, by the key that is sealed in its store."""
    keys = SigningKeys(store.key_values, AESGCM(await store.secret(SECRET)))
    return Tokens(keys, transport, clock, token_urlsafe)


@asynccontextmanager
async def minding(step: Callable[[], Awaitable[None]], tell: Tell) -> AsyncIterator[None]:
    """Take a step of minding the members again and again, beside the requests, until the block ends."""

    async def mind() -> None:
        while True:
            try:
                await step()
            except Exception as problem:  # noqa: BLE001 - whatever it was, the next attempt may fare better
                tell("minding_failed", {"level": "error", "problem": type(problem).__name__})
            await asyncio.sleep(STEP)

    task = asyncio.create_task(mind())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def writing_for(service: Service) -> Writer:
    """Return what writes resources of the register for the server itself."""

    async def write(work: Callable[[Call], Awaitable[T]]) -> T:
        def call() -> Call:
            return replace(service.call_at(service.base_url or _LOCAL), sight=SIGHT)

        return await service.register.settled(lambda _: work(call()))

    return write


def _beside(base_url: str | None) -> str | None:
    """Return the hub's base beside the node's own, where that is set."""
    return None if base_url is None else base_url.rpartition("/")[0] + FEDERATED
