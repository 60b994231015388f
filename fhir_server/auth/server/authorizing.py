"""Authorization requests from begin to end: what the pages work with, kept. See `contract.Authorizing`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import urlencode

import msgspec

from fhir_server.auth.server.clients import Client, Clients
from fhir_server.auth.server.contract import LaunchContext, PendingAuthorization
from fhir_server.auth.server.errors import RedirectedError, ShownError
from fhir_server.auth.server.grants import Grant, Grants
from fhir_server.auth.server.requests import Asked, answered, asked, named_client
from fhir_server.auth.server.scopes import context_of
from fhir_server.auth.server.site import Site
from fhir_server.auth.server.users import User
from fhir_server.fhir.resource import LOGICAL_ID
from fhir_server.storage.keyvalues import KeyValues

REQUESTS = "authorization"
LAUNCHES = "launch"

SECOND = 1_000_000
REQUEST_LASTS = 600 * SECOND
LAUNCH_LASTS = 300 * SECOND


class _Launch(msgspec.Struct, frozen=True):
    client_id: str
    subject: str
    context: LaunchContext


_encode = msgspec.json.Encoder().encode
_pending = msgspec.json.Decoder(PendingAuthorization).decode
_launch = msgspec.json.Decoder(_Launch).decode


@dataclass(frozen=True, slots=True)
class AuthorizationRequests:
    """The requests of a store; `new_secret` gives text that nobody can guess."""

    site: Site
    values: KeyValues
    clients: Clients
    grants: Grants
    new_secret: Callable[[], str]

    async def begin(
        self, parameters: Sequence[tuple[str, str]], *, now: int
    ) -> PendingAuthorization:
        """See Authorizing.begin."""
        client = await self.clients.get(named_client(parameters), now=now)
        wanted = asked(client, parameters, self.site)
        assert client is not None
        launch = None if wanted.launch is None else await self._launched(client, wanted, now=now)
        pending = PendingAuthorization(
            handle=self.new_secret(),
            client_id=client.id,
            client_name=client.name,
            redirect_uri=wanted.redirect_uri,
            scopes=wanted.scopes,
            challenge=wanted.challenge,
            begun=now,
            state=wanted.state,
            nonce=wanted.nonce,
            launch=None if launch is None else launch.context,
            launched_by=None if launch is None else launch.subject,
            prompt=wanted.prompt,
            max_age=wanted.max_age,
            login_hint=wanted.login_hint,
        )
        await self.values.put(
            REQUESTS,
            _hash(pending.handle),
            _encode(pending),
            now=now,
            expires=now + REQUEST_LASTS,
        )
        return pending

    async def pending(self, handle: str, *, now: int) -> PendingAuthorization | None:
        """See Authorizing.pending."""
        found = await self.values.get(REQUESTS, _hash(handle), now=now)
        return None if found is None else _pending(found)

    def offered(self, pending: PendingAuthorization, user: User) -> tuple[str, ...]:
        """See Authorizing.offered."""
        if user.patients is None:
            return pending.scopes
        # What a user/ scope reaches is not bounded by whose record it is.
        return tuple(each for each in pending.scopes if context_of(each) != "user")

    async def purposes(
        self, pending: PendingAuthorization, user: User, *, now: int
    ) -> tuple[str, ...]:
        """See Authorizing.purposes."""
        return _purposes(await self._client_of(pending, now=now), user)

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
        """See Authorizing.permit."""
        pending = await self.pending(handle, now=now)
        if pending is None:
            raise _over()
        client = await self._client_of(pending, now=now)
        chosen = self._chosen(pending, user, scopes)
        context = _context(pending, user, chosen, patient=patient, encounter=encounter)
        grant = Grant(
            id=self.new_secret(),
            client_id=client.id,
            user=user,
            scopes=chosen,
            begun=now,
            patient=context.patient,
            encounter=context.encounter,
            launch=pending.launch,
            purpose=_purpose(client, user, purpose),
            nonce=pending.nonce,
            authenticated=authenticated,
        )
        await self._end(handle, now=now)
        code = await self.grants.give_code(grant, pending.redirect_uri, pending.challenge, now=now)
        return answered(pending.redirect_uri, self.site, code=code, state=pending.state)

    async def refuse(self, handle: str, *, now: int, error: str = "access_denied") -> str:
        """See Authorizing.refuse."""
        pending = await self._end(handle, now=now)
        return answered(pending.redirect_uri, self.site, error=error, state=pending.state)

    async def create_launch(
        self, client_id: str, user: User, context: LaunchContext, *, now: int
    ) -> str:
        """See Authorizing.create_launch."""
        client = await self.clients.get(client_id, now=now)
        if client is None or client.launch_url is None:
            raise ShownError("This app cannot be opened from here: it has no launch URL.")
        if context.patient is not None:
            _check_patient(user, context.patient)
        handle = self.new_secret()
        kept = _encode(_Launch(client_id, user.subject, context))
        await self.values.put(LAUNCHES, _hash(handle), kept, now=now, expires=now + LAUNCH_LASTS)
        return f"{client.launch_url}?{urlencode({'iss': self.site.fhir_base, 'launch': handle})}"

    async def launchable(self, *, now: int) -> Sequence[tuple[str, str]]:
        """See Authorizing.launchable."""
        known = await self.clients.all(now=now)
        return [(each.id, each.name) for each in known if each.launch_url is not None]

    async def _launched(self, client: Client, wanted: Asked, *, now: int) -> _Launch:
        """Return what an EHR handed over, once; raise RedirectedError."""
        assert wanted.launch is not None
        found = await self.values.take(LAUNCHES, _hash(wanted.launch), now=now)
        launch = None if found is None else _launch(found)
        if launch is None or launch.client_id != client.id:
            told = "launch is not known, too old, or was used before: open the app again."
            url = answered(
                wanted.redirect_uri,
                self.site,
                error="invalid_request",
                error_description=told,
                state=wanted.state,
            )
            raise RedirectedError(told, url=url)
        return launch

    async def _client_of(self, pending: PendingAuthorization, *, now: int) -> Client:
        """Return the client as it is registered now, which may have changed; raise ShownError."""
        client = await self.clients.get(pending.client_id, now=now)
        if client is None or pending.redirect_uri not in client.redirect_uris:
            raise _over()
        return client

    def _chosen(
        self, pending: PendingAuthorization, user: User, scopes: Sequence[str]
    ) -> tuple[str, ...]:
        if pending.launched_by not in {None, user.subject}:
            raise ShownError("Somebody else opened this app: sign in as the one who did.")
        offered = self.offered(pending, user)
        if not scopes or not set(scopes) <= set(offered):
            raise ShownError("What is permitted must be part of what the app asks for.")
        return tuple(each for each in offered if each in set(scopes))

    async def _end(self, handle: str, *, now: int) -> PendingAuthorization:
        found = await self.values.take(REQUESTS, _hash(handle), now=now)
        if found is None:
            raise _over()
        return _pending(found)


def _context(
    pending: PendingAuthorization,
    user: User,
    scopes: Sequence[str],
    *,
    patient: str | None,
    encounter: str | None,
) -> LaunchContext:
    """Return patient and encounter of the grant: what the EHR handed over, else what the user chose."""
    handed = pending.launch or LaunchContext()
    patient = handed.patient or patient
    if not any(each.startswith(("patient/", "launch")) for each in scopes):
        return LaunchContext()
    if patient is not None:
        _check_patient(user, patient)
    elif any(each.startswith(("patient/", "launch/patient")) for each in scopes):
        raise ShownError("No patient was chosen, and the app asks for one.")
    encounter = handed.encounter or encounter
    if encounter is not None and not LOGICAL_ID.match(encounter):
        raise ShownError("The encounter is not named by its id.")
    wanted = handed.encounter is not None or "launch/encounter" in scopes
    return LaunchContext(patient=patient, encounter=encounter if wanted else None)


def _check_patient(user: User, patient: str) -> None:
    if not LOGICAL_ID.match(patient) or not user.may_choose(patient):
        raise ShownError("This patient is not yours to choose.")


def _purpose(client: Client, user: User, wanted: str | None) -> str:
    """Return the purpose of use, which is the user's, and the app's where that is registered for one."""
    known = _purposes(client, user)
    if not known:
        needed = "one" if client.purpose is None else client.purpose
        raise ShownError(f"Your account has no purpose of use for this app: it needs {needed}.")
    if wanted is not None and wanted not in known:
        raise ShownError(f"The purpose {wanted} is not one of yours with this app.")
    return wanted or known[0]


def _purposes(client: Client, user: User) -> tuple[str, ...]:
    return tuple(each for each in user.purposes_of_use if client.purpose in {None, each})


def _over() -> ShownError:
    return ShownError("This request is over or too old: go back to the app and begin again.")


def _hash(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
