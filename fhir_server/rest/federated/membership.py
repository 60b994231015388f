"""Operations on the members of a federation: who they are, how they fare, who is taken in or out.

https://hl7.org/fhir/R4/operations.html. They need the rights to the Endpoints that members are; what changes anything
takes a Parameters resource, which no page of another origin can send.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from fhir_server.federation.credentials import credentials_of, with_token_endpoint
from fhir_server.federation.enrolment import Enrolment, known
from fhir_server.federation.hub import Hub, declared
from fhir_server.federation.members import LONGEST_SECONDS, Credentials, Member
from fhir_server.federation.roster import Listed, roster, roster_parameters
from fhir_server.federation.transport import Failed
from fhir_server.fhir.errors import BadRequest
from fhir_server.fhir.json import dump
from fhir_server.interactions.call import Call
from fhir_server.rest.answer import Answer
from fhir_server.rest.federated.instances import no_member
from fhir_server.rest.parameters import parameters_of
from fhir_server.rest.request import Request
from fhir_server.rest.service import Route, Service

T = TypeVar("T")

_DEFINED = "https://example.org/fdp/OperationDefinition/"

DEFINITIONS: Mapping[str, str] = {
    name: _DEFINED + name
    for name in (
        "members",
        "member-add",
        "member-check",
        "member-suspend",
        "member-resume",
        "member-remove",
    )
}
"""The operations by name, and the URLs of their definitions."""

_ENDPOINT = "Endpoint"
_SWITCHES = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Membership:
    """Serves the operations on the members of a hub."""

    hub: Hub

    def routes(self) -> Sequence[Route]:
        """Return what is served."""
        return (
            Route("GET", "/$members", self.members, ()),
            Route("POST", "/$member-add", self.add, ()),
            Route("POST", "/$member-check", self.check, ()),
            Route("POST", "/$member-suspend", self.suspend, ()),
            Route("POST", "/$member-resume", self.resume, ()),
            Route("POST", "/$member-remove", self.remove, ()),
        )

    async def members(self, service: Service, request: Request) -> Answer:
        """Serve `GET $members`."""
        service.call(request).to("rs", _ENDPOINT)
        return await self._listed(service)

    async def add(self, service: Service, request: Request) -> Answer:
        """Serve `POST $member-add`: ask a server what it can do, and take it in."""
        service.call(request).to("cu", _ENDPOINT)
        given = await _given(service, request, _ADDING)
        member = _member(given)
        try:
            statement = await declared(member, self.hub.transport, service.clock)
            member = await with_token_endpoint(member, self.hub.transport, service.clock)
            await self._enrolment(service, request).add(
                member, statement, service=given.get("service"), now=service.clock()
            )
        except (Failed, ValueError) as problem:
            told = str(problem) or "it did not answer in time"
            raise BadRequest(f"{member.id} at {member.base} was not added: {told}") from problem
        return await self._listed(service, member.id)

    async def check(self, service: Service, request: Request) -> Answer:
        """Serve `POST $member-check`: ask a member anew what it can do."""
        service.call(request).to("u", _ENDPOINT)
        name = await _named(service, request)
        registered = await known(self.hub.registry, name, now=service.clock())
        try:
            await self.hub.check(registered)
        except (Failed, ValueError) as problem:
            told = str(problem) or "it did not answer in time"
            raise BadRequest(f"{name} gave no answer that can be used: {told}") from problem
        return await self._listed(service, name)

    async def suspend(self, service: Service, request: Request) -> Answer:
        """Serve `POST $member-suspend`."""
        return await self._set_status(service, request, "suspended")

    async def resume(self, service: Service, request: Request) -> Answer:
        """Serve `POST $member-resume`."""
        return await self._set_status(service, request, "active")

    async def remove(self, service: Service, request: Request) -> Answer:
        """Serve `POST $member-remove`."""
        service.call(request).to("d", _ENDPOINT)
        name = await _named(service, request)
        if not await self._enrolment(service, request).remove(name, now=service.clock()):
            raise no_member(name)
        return await self._listed(service)

    async def _set_status(self, service: Service, request: Request, status: str) -> Answer:
        service.call(request).to("ru", _ENDPOINT)
        name = await _named(service, request)
        await self._enrolment(service, request).set_status(name, status, now=service.clock())
        return await self._listed(service, name)

    async def _listed(self, service: Service, name: str | None = None) -> Answer:
        """Return how all members stand, or the one of this name."""
        found: Sequence[Listed] = await roster(self.hub, now=service.clock())
        shown = [each for each in found if name in {None, each.member.id}]
        return Answer(200, dump(roster_parameters(shown)))

    def _enrolment(self, service: Service, request: Request) -> Enrolment:
        async def write(work: Callable[[Call], Awaitable[T]]) -> T:
            return await work(service.call(request))

        return Enrolment(self.hub.registry, write, service.new_id)


_ADDING = frozenset(
    {
        *("id", "address", "name", "organisation", "service", "required", "seconds", "sorted"),
        *("client-id", "token-url", "scopes", "untold", "open", "locator"),
    }
)
"""As the flags of `fhir-server member add`. What is said of credentials is never answered back."""


async def _named(service: Service, request: Request) -> str:
    given = await _given(service, request, frozenset({"id"}))
    return _needed(given, "id")


async def _given(service: Service, request: Request, names: frozenset[str]) -> Mapping[str, str]:
    """Return the parameters by name; raise BadRequest for one that is unknown or comes twice, or for one in the URL."""
    if request.asked or not request.header(b"content-type"):
        # A page of any origin can have a browser send what has no content type of its own.
        raise BadRequest("The parameters are sent as a Parameters resource in the body.")
    pairs = await parameters_of(service, request)
    given = dict(pairs)
    unknown = sorted(given.keys() - names)
    if unknown:
        raise BadRequest(f"There is no parameter {unknown[0][:64]!r}: {', '.join(sorted(names))}.")
    if len(given) < len(pairs):
        raise BadRequest("Each parameter is given once.")
    return given


def _needed(given: Mapping[str, str], name: str) -> str:
    value = given.get(name)
    if not value:
        raise BadRequest(f"The parameter {name} is missing.")
    return value


def _member(given: Mapping[str, str]) -> Member:
    name = _needed(given, "id")
    is_open = _switch(given, "open", default=False)
    return Member(
        name,
        given.get("name") or name,
        _needed(given, "address").rstrip("/"),
        given.get("organisation"),
        required=_switch(given, "required", default=False),
        seconds=_seconds(given.get("seconds")),
        sorted=_switch(given, "sorted", default=True),
        credentials=_credentials(given, is_open=is_open),
        open=is_open,
        locator=_switch(given, "locator", default=False),
    )


def _credentials(given: Mapping[str, str], *, is_open: bool) -> Credentials | None:
    untold = _switch(given, "untold", default=False)
    try:
        return credentials_of(
            given.get("client-id"),
            given.get("token-url"),
            given.get("scopes"),
            untold=untold,
            is_open=is_open,
        )
    except ValueError as problem:
        raise BadRequest(f"The parameter {problem}.") from problem


def _switch(given: Mapping[str, str], name: str, *, default: bool) -> bool:
    value = given.get(name)
    if value is None:
        return default
    if value not in _SWITCHES:
        raise BadRequest(f"{name} is {value[:40]!r}; it is true or false.")
    return _SWITCHES[value]


def _seconds(text: str | None) -> float:
    try:
        seconds = 4.0 if text is None else float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= LONGEST_SECONDS:
        raise BadRequest(f"seconds is {text!r}; it is a number from 0 to {LONGEST_SECONDS:.0f}.")
    return seconds
