"""Builds the hub's FHIR base, when it is first asked: a node that is no hub pays nothing for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from secrets import token_urlsafe
from typing import TypeVar

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from starlette.types import ASGIApp, Receive, Scope, Send

from fhir_server.auth.server.signing import SECRET, SigningKeys
from fhir_server.federation.destinations import Destinations, networks_of
from fhir_server.federation.enrolment import Enrolment, Writer
from fhir_server.federation.http import HttpTransport
from fhir_server.federation.hub import Hub
from fhir_server.federation.pools import Pools
from fhir_server.federation.registry import SIGHT, Registry
from fhir_server.federation.tokens import Tokens
from fhir_server.interactions.call import Call
from fhir_server.rest.app import FhirApplication
from fhir_server.rest.federated.routes import Federation
from fhir_server.rest.service import Service
from fhir_server.rest.telemetry import Telemetry
from fhir_server.rules import enforcement, federated_writes
from fhir_server.settings import FEDERATED, PREFIX

T = TypeVar("T")

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
    ) -> None:
        self._service, self._telemetry = service, telemetry
        self._networks, self._new_request_id = networks, new_request_id
        self._stack = AsyncExitStack()
        self._building = asyncio.Lock()
        self._built: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if self._built is None:
            async with self._building:
                if self._built is None:
                    self._built = await self._build()
        await self._built(scope, receive, send)

    async def aclose(self) -> None:
        """Close the connections to members."""
        await self._stack.aclose()

    async def _build(self) -> ASGIApp:
        transport = await self._stack.enter_async_context(transport_to(self._networks))
        service = self._service
        kept = service.store.key_values
        lifetime = service.cursors.lifetime
        registry = Registry(service.store)
        enrolment = Enrolment(registry, writing_for(service), service.new_id)
        await enrolment.migrate(now=service.clock())
        hub = Hub(registry, kept, transport, service.clock, token_urlsafe, lifetime)
        keys = SigningKeys(kept, AESGCM(await service.store.secret(SECRET)))
        tokens = Tokens(keys, transport, service.clock, token_urlsafe)
        federation = Federation(hub, tokens, enforcement(), federated_writes())
        return FhirApplication(
            service.serving(federation.routes(), _beside(service.base_url)),
            self._telemetry,
            prefix=FEDERATED,
            new_request_id=self._new_request_id,
            find=federation.find,
        )


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
