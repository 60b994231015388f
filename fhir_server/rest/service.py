"""What the handlers of the FHIR API work with: values that wiring made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from fhir_server.auth.caller import Callers
from fhir_server.catalogue.register import Register
from fhir_server.conformance.definitions import Definitions
from fhir_server.conformance.validation import Validator
from fhir_server.interactions.call import Call
from fhir_server.policy.visibility import Visibility
from fhir_server.rest.answer import Answer
from fhir_server.rest.conditional import preferences
from fhir_server.rest.cors import CrossOrigin
from fhir_server.rest.cursors import Cursors
from fhir_server.rest.projection import Projector
from fhir_server.rest.request import Request
from fhir_server.storage.contract import Store

_MOST_KEPT = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one request may ask for; a body is counted in bytes."""

    body: int = 16 * 1024 * 1024
    entries: int = 1_000


@dataclass(frozen=True, slots=True)
class Kept:
    """What is the same for each request to one base URL: made once, and few of them.

    The Host header is the client's, and could name any number of bases.
    """

    calls: dict[tuple[str, bool], Call] = field(default_factory=dict)
    statements: dict[Hashable, tuple[Definitions, bytes]] = field(default_factory=dict)

    def forget_if_many(self) -> None:
        """Make room, so that clients cannot fill the memory."""
        for each in (self.calls, self.statements):
            if len(each) >= _MOST_KEPT:
                each.clear()


@dataclass(frozen=True, slots=True)
class Service:
    """One FHIR base. `clock` gives microseconds since 1970; `started` is when it was set up.

    `definitions` are those of R4; the search parameters in force are the register's.

    `base_url` is None where the Host header of each request names it. `types` are those served.
    `callers` knows who asks by a token, None where nobody is asked; `sight` is what is seen without one.
    """

    store: Store
    definitions: Definitions
    validator: Validator
    register: Register
    projector: Projector
    sight: Visibility
    clock: Callable[[], int]
    new_id: Callable[[], str]
    cursors: Cursors
    types: frozenset[str]
    routes: Routes
    version: str
    started: int
    base_url: str | None = None
    callers: Callers | None = None
    limits: Limits = Limits()
    cross_origin: CrossOrigin = field(default_factory=CrossOrigin)
    kept: Kept = field(default_factory=Kept)

    def call(self, request: Request) -> Call:
        """Return what the interaction for this request works with."""
        prefer = request.headers.get(b"prefer")
        lenient = prefer is not None and preferences(prefer.decode("latin-1")).lenient
        call = self.call_at(request.base_url, lenient=lenient)
        caller = request.caller
        return call if caller is None else replace(call, rights=caller.rights)

    def call_at(self, base_url: str, *, lenient: bool = False) -> Call:
        """Return what an interaction works with for clients that see this base URL."""
        force = self.register.current
        known = self.kept.calls.get((base_url, lenient))
        if known is not None and known.definitions is force.definitions:
            return known
        call = Call(
            self.store,
            force.definitions,
            self.validator,
            force.extractor,
            self.sight,
            self.new_id,
            base_url,
            lenient,
        )
        self.kept.forget_if_many()
        self.kept.calls[base_url, lenient] = call
        return call


Handler: TypeAlias = Callable[[Service, Request], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one address, and the FHIR interactions that it serves; `open` to callers without a token.

    https://hl7.org/fhir/R4/valueset-type-restful-interaction.html and -system-restful-interaction.html.
    """

    method: str
    template: str
    handler: Handler
    interactions: tuple[str, ...]
    open: bool = False


Routes: TypeAlias = Mapping[str, Mapping[str, Route]]
"""Routes by template and method."""
