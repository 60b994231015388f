"""What the pages work with: values that wiring made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from fhir_server.audit.trail import Trail
from fhir_server.auth.identity.provider import IdentityProvider
from fhir_server.auth.server.contract import Authorizing
from fhir_server.auth.server.grants import OFFLINE_LASTS
from fhir_server.auth.server.issuing import ACCESS_SECONDS
from fhir_server.auth.server.server import AuthorizationServer, new_secret
from fhir_server.rest.service import Service
from fhir_server.web.authorization.chosen import ChosenPatients
from fhir_server.web.authorization.cookies import Cookie
from fhir_server.web.authorization.patients import Patients
from fhir_server.web.authorization.sessions import Sessions
from fhir_server.web.authorization.sign_in import SignIn
from fhir_server.web.authorization.wording import Lifetimes
from fhir_server.web.start import Federation

_SECOND = 1_000_000
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Desk:
    """Where people decide what apps may do. `clock` gives microseconds since 1970.

    `providers` sign people in elsewhere, by the names that they have in our addresses; `trail` records who signs in
    and out, None where nothing is recorded. `federation` gives the members, None while they cannot be looked up.
    """

    authorizing: Authorizing
    sessions: Sessions
    cookie: Cookie
    chosen: ChosenPatients
    patients: Patients
    lifetimes: Lifetimes
    clock: Callable[[], int]
    sign_in: SignIn
    providers: Mapping[str, IdentityProvider]
    trail: Trail | None
    federation: Callable[[], Federation | None]


async def desk_of(
    server: AuthorizationServer,
    service: Service,
    providers: Mapping[str, IdentityProvider],
    federation: Callable[[], Federation | None],
) -> Desk:
    """Return the desk of a node."""
    site, store = server.site, service.store
    parts = urlsplit(site.issuer)
    return Desk(
        authorizing=server.requests,
        sessions=Sessions(store.key_values, await store.secret("forms"), new_secret),
        cookie=Cookie(parts.scheme == "https", parts.port or _PORTS[parts.scheme]),
        chosen=ChosenPatients(store.key_values),
        patients=Patients(service, site.issuer, site.fhir_base),
        lifetimes=Lifetimes(ACCESS_SECONDS, OFFLINE_LASTS // _SECOND),
        clock=service.clock,
        sign_in=SignIn(server.accounts, store.key_values),
        providers=providers,
        trail=service.trail,
        federation=federation,
    )
