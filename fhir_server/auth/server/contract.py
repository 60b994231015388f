"""What the pages of sign-in, patient choice, consent and launch work with.

An authorization request (https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html) begins with what the
browser brings, is kept by the server under a handle that nobody can guess while pages are shown, and ends once, by
`permit` or `refuse`, with the URL that the browser is sent to. `AuthorizationServer` is the one implementation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from fhir_server.auth.server.users import User


class LaunchContext(msgspec.Struct, frozen=True):
    """What an EHR hands to an app: ids of the patient and the encounter, and how to look.

    https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
    """

    patient: str | None = None
    encounter: str | None = None
    need_patient_banner: bool | None = None
    smart_style_url: str | None = None
    intent: str | None = None


class PendingAuthorization(msgspec.Struct, frozen=True):
    """A valid request that waits for a person.

    `scopes` are those asked for that the client is registered for: no more than these can be permitted.
    `launch` is what the EHR handed over, None in a standalone launch; `launched_by` is then the subject who did.
    `prompt` holds the words of OpenID Connect (`login`, `consent`); `begun` is in microseconds.
    """

    handle: str
    client_id: str
    client_name: str
    redirect_uri: str
    scopes: tuple[str, ...]
    challenge: str
    begun: int
    state: str | None = None
    nonce: str | None = None
    launch: LaunchContext | None = None
    launched_by: str | None = None
    prompt: tuple[str, ...] = ()
    max_age: int | None = None
    login_hint: str | None = None

    @property
    def needs_patient(self) -> bool:
        """Whether a patient is to be chosen: the app asks for one and none was handed over."""
        handed_over = self.launch is not None and self.launch.patient is not None
        return not handed_over and _asks_for_patient(self.scopes)

    @property
    def needs_encounter(self) -> bool:
        """Whether an encounter may be chosen: the app asks for one and none was handed over."""
        handed_over = self.launch is not None and self.launch.encounter is not None
        return not handed_over and "launch/encounter" in self.scopes


class Authorizing(Protocol):
    """Authorization requests, from begin to end; `now` is in microseconds."""

    async def begin(
        self, parameters: Sequence[tuple[str, str]], *, now: int
    ) -> PendingAuthorization:
        """Return a valid request; raise ShownError before the client and its redirect URI are sure, else RedirectedError.

        `parameters` are all pairs of the query, or of the form. The request waits for ten minutes.
        """
        ...

    async def pending(self, handle: str, *, now: int) -> PendingAuthorization | None:
        """Return a request that still waits; None once it is answered, too old, or for any other handle."""
        ...

    def offered(self, pending: PendingAuthorization, user: User) -> tuple[str, ...]:
        """Return the scopes of a request that this user can give: all that may be ticked."""
        ...

    async def purposes(
        self, pending: PendingAuthorization, user: User, *, now: int
    ) -> tuple[str, ...]:
        """Return the purposes of use that this user can permit this app, the usual one first; none: it cannot have any."""
        ...

    async def permit(  # noqa: PLR0913 - a decision has so many parts
        self,
        handle: str,
        user: User,
        scopes: Sequence[str],
        *,
        now: int,
        patient: str | None = None,
        encounter: str | None = None,
        purpose: str | None = None,
        authenticated: int | None = None,
    ) -> str:
        """End a request with a yes to these scopes; return where the browser goes, with a code.

        `patient` and `encounter` are ids that the user chose, ignored where an EHR handed them over. `purpose` is one of
        the user's, the first if None. `authenticated` is the moment of the sign-in (us). Raise ShownError where the
        request does not wait any more, or the choice is not the user's to make.
        """
        ...

    async def refuse(self, handle: str, *, now: int, error: str = "access_denied") -> str:
        """End a request with a no; return where the browser goes. Raise ShownError where it does not wait any more.

        `error` may also be one of OpenID Connect: `login_required`, `consent_required`, `interaction_required`.
        """
        ...

    async def create_launch(
        self, client_id: str, user: User, context: LaunchContext, *, now: int
    ) -> str:
        """Return the URL that opens an app from the EHR, with `iss` and `launch`; it is good once, for five minutes.

        Only this client can use it, and only this user permit what follows. Raise ShownError for a client that is
        unknown or has no launch URL, and for a patient that is not the user's to choose.
        """
        ...

    async def launchable(self, *, now: int) -> Sequence[tuple[str, str]]:
        """Return id and name of the clients that have a launch URL."""
        ...


def _asks_for_patient(scopes: Sequence[str]) -> bool:
    return any(each == "launch/patient" or each.startswith("patient/") for each in scopes)
