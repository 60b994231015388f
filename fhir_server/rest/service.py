"""What the handlers of the FHIR API work with: values that wiring made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

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
from fhir_server.search.indexing import Extractor
from fhir_server.storage.contract import Store


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one request may ask for; a body is counted in bytes."""

    body: int = 16 * 1024 * 1024
    entries: int = 1_000


@dataclass(frozen=True, slots=True)
class Service:
    """One FHIR base. `clock` gives microseconds since 1970; `started` is when it was set up.

    `statements` keeps the CapabilityStatement; `base_url` is None where the Host header of each request names it. `types` are those served.
    """

    store: Store
    definitions: Definitions
    validator: Validator
    extractor: Extractor
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
    limits: Limits = Limits()
    cross_origin: CrossOrigin = field(default_factory=CrossOrigin)
    statements: dict[str, bytes] = field(default_factory=dict)

    def call(self, request: Request) -> Call:
        """Return what the interaction for this request works with."""
        prefer = request.headers.get(b"prefer")
        lenient = prefer is not None and preferences(prefer.decode("latin-1")).lenient
        return Call(
            self.store,
            self.definitions,
            self.validator,
            self.extractor,
            self.sight,
            self.new_id,
            request.base_url,
            lenient,
        )


Handler: TypeAlias = Callable[[Service, Request], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one address, and the FHIR interactions that it serves.

    https://hl7.org/fhir/R4/valueset-type-restful-interaction.html and -system-restful-interaction.html.
    """

    method: str
    template: str
    handler: Handler
    interactions: tuple[str, ...]


Routes: TypeAlias = Mapping[str, Mapping[str, Route]]
"""Routes by template and method."""
