"""What the handlers of the FHIR API work with: values that wiring made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from fhir_server.audit.publishing import Publisher
from fhir_server.audit.trail import Trail
from fhir_server.auth.caller import Callers
from fhir_server.catalogue.register import Register
from fhir_server.conformance.definitions import Definitions
from fhir_server.conformance.validation import Validator
from fhir_server.interactions.call import AUDIT_EVENT, Call
from fhir_server.policy.disclosure import Disclosure, Standing
from fhir_server.policy.rights import Rights
from fhir_server.policy.visibility import Visibility
from fhir_server.rest.answer import Answer
from fhir_server.rest.conditional import preferences
from fhir_server.rest.cors import CrossOrigin
from fhir_server.rest.cursors import Cursors
from fhir_server.rest.projection import Projector
from fhir_server.rest.provenance import provenance_of
from fhir_server.rest.request import Request
from fhir_server.search.defaults import PAGE_SIZES, PageSizes
from fhir_server.storage.contract import Store

_READING = frozenset({"GET", "HEAD"})
"""Methods that no criterion of a write comes with: it alone needs the moment of the request."""

_FOR_CARE_ALONE = frozenset({AUDIT_EVENT})
_WHOLE = frozenset({"care", "own", "oversight"})
"""Uses that see what is about care alone."""

_MOST_CALLS = 1_000
_MOST_STATEMENTS = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one request may ask for; a body is counted in bytes."""

    body: int = 16 * 1024 * 1024
    entries: int = 1_000
    pages: PageSizes = PAGE_SIZES


@dataclass(slots=True)
class Kept:
    """What is the same for each request of a caller to one base URL: made once, and not many of them.

    The Host header is the client's, and could name any number of bases. The date of the register of opt-outs, where it
    was recent enough, is known as it was read at a moment.
    """

    calls: dict[tuple[str, bool, Rights | None], Call] = field(default_factory=dict)
    statements: dict[Hashable, tuple[Definitions, bytes]] = field(default_factory=dict)
    standings: dict[Rights, Standing] = field(default_factory=dict)
    register_as_of: int | None = None
    register_read: int = -(1 << 62)

    def forget_if_many(self) -> None:
        """Make room, so that clients cannot fill the memory."""
        if len(self.calls) >= _MOST_CALLS:
            self.calls.clear()
        if len(self.standings) >= _MOST_CALLS:
            self.standings.clear()
        if len(self.statements) >= _MOST_STATEMENTS:
            self.statements.clear()


@dataclass(frozen=True, slots=True)
class Service:
    """One FHIR base. `clock` gives microseconds since 1970; `started` is when it was set up.

    `definitions` are those of R4; the search parameters in force are the register's.

    `base_url` is None where the Host header of each request names it. `types` are those served.
    `disclosure` asks callers for their purpose, None where Consents and opt-outs are not applied.
    `callers` knows who asks by a token, None where nobody is asked; `sight` is what is seen without one.
    `trail` records what is asked and answered, None where nothing is recorded; `publisher` makes AuditEvents of it.
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
    disclosure: Disclosure | None = None
    trail: Trail | None = None
    publisher: Publisher | None = None
    limits: Limits = Limits()
    cross_origin: CrossOrigin = field(default_factory=CrossOrigin)
    kept: Kept = field(default_factory=Kept)

    @property
    def answers_pages(self) -> bool:
        """Whether pages of some other origin may read what is answered."""
        apps = self.callers is not None and self.callers.knows_apps
        return apps or bool(self.cross_origin.origins)

    def serving(self, routes: Routes, base_url: str | None) -> Service:
        """Return the same at another base, with other routes."""
        return replace(self, routes=routes, base_url=base_url, kept=Kept())

    def call(self, request: Request) -> Call:
        """Return what the interaction for this request works with."""
        prefer = request.headers.get(b"prefer")
        lenient = prefer is not None and preferences(prefer.decode("latin-1")).lenient
        rights = None if request.caller is None else request.caller.rights
        call = self.call_at(request.base_url, lenient=lenient, rights=rights)
        if request.audience is None and request.method in _READING:
            return call
        only_reads = self.disclosure is not None and self.disclosure.only_reads(request.audience)
        return call.changed(
            now=self.clock(),
            audience=request.audience,
            only_reads=only_reads,
            emergency=request.emergency,
            disclosure=self.disclosure,
            recording=request.recording,
            hidden=self._hidden(request),
            provenance=provenance_of(request, self.validator),
        )

    def _hidden(self, request: Request) -> frozenset[str]:
        """Return the types that are for no use beyond care and its oversight, where that is what is asked for."""
        if request.audience is None or self.disclosure is None:
            return frozenset()
        rule = self.disclosure.purposes.rule(request.audience.purpose)
        return frozenset() if rule is not None and rule.use in _WHOLE else _FOR_CARE_ALONE

    def call_at(
        self, base_url: str, *, lenient: bool = False, rights: Rights | None = None
    ) -> Call:
        """Return what an interaction works with for clients that see this base URL, and have these rights."""
        force = self.register.current
        known = self.kept.calls.get((base_url, lenient, rights))
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
            rights=rights,
            page_sizes=self.limits.pages,
        )
        self.kept.forget_if_many()
        self.kept.calls[base_url, lenient, rights] = call
        return call


Handler: TypeAlias = Callable[[Service, Request], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one address, and the FHIR interactions that it serves; `open` to callers without a token.

    Callers are `judged` by role and purpose first, but where no record is disclosed: there the handler looks at scopes.

    https://hl7.org/fhir/R4/valueset-type-restful-interaction.html and -system-restful-interaction.html.
    """

    method: str
    template: str
    handler: Handler
    interactions: tuple[str, ...]
    open: bool = False
    judged: bool = True


Routes: TypeAlias = Mapping[str, Mapping[str, Route]]
"""Routes by template and method."""
