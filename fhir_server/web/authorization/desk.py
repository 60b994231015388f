"""What the pages work with: values that wiring made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fhir_server.auth.identity.provider import IdentityProvider
from fhir_server.auth.server.contract import Authorizing
from fhir_server.web.authorization.chosen import ChosenPatients
from fhir_server.web.authorization.cookies import Cookie
from fhir_server.web.authorization.patients import Patients
from fhir_server.web.authorization.sessions import Sessions
from fhir_server.web.authorization.sign_in import SignIn
from fhir_server.web.authorization.wording import Lifetimes


@dataclass(frozen=True, slots=True)
class Desk:
    """Where people decide what apps may do. `clock` gives microseconds since 1970.

    `sign_in` is None where nobody has a password here; `providers` sign people in elsewhere, by name.
    """

    authorizing: Authorizing
    sessions: Sessions
    cookie: Cookie
    chosen: ChosenPatients
    patients: Patients
    lifetimes: Lifetimes
    clock: Callable[[], int]
    sign_in: SignIn | None
    providers: Mapping[str, IdentityProvider]
