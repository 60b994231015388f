"""One request of a browser: who is signed in, and pages that know it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from fastapi import Request, Response

from fhir_server.audit.event import Agent, Event
from fhir_server.auth.server.contract import PendingAuthorization
from fhir_server.auth.server.users import User
from fhir_server.fhir.errors import Forbidden
from fhir_server.web.authorization.desk import Desk
from fhir_server.web.authorization.forms import Form, comes_from_elsewhere, read_form
from fhir_server.web.authorization.patients import Asker
from fhir_server.web.authorization.rendering import page, redirect
from fhir_server.web.authorization.sessions import Session


@dataclass(frozen=True, slots=True)
class Visit:
    """What a handler works with. `name` names the session; `known` tells whether the browser brought it.

    `session` is None where nobody is signed in; `now` is in microseconds.
    """

    desk: Desk
    request: Request
    name: str
    known: bool
    session: Session | None
    now: int

    @property
    def address(self) -> str:
        """Where it comes from, as far as this machine sees."""
        client = self.request.client
        return "" if client is None else client.host

    def asker(self, user: User) -> Asker:
        """Return the signed-in user as one who looks patients up."""
        return Asker(user, self.address, self.now)

    async def record(self, kind: str, user: User | None, *, status: int = 200) -> None:
        """Record that somebody signs in or out; `user` None: nobody knows who that is."""
        await self.keep(self.event(kind, user, status=status))

    def event(self, kind: str, user: User | None, *, status: int = 200) -> Event:
        """Return what is recorded of this visit."""
        issuer = self.desk.patients.issuer
        agent = None
        if user is not None:
            agent = Agent(issuer, user.subject, organisation=user.organisation, role=user.role)
        asked = f"{self.request.method} {self.request.url.path.removeprefix('/')}"
        return Event(self.now, kind, status, asked=asked, agent=agent, address=self.address)

    async def keep(self, event: Event) -> None:
        """Record an event, where anything is."""
        if self.desk.trail is not None:
            await self.desk.trail.record(event)

    async def form(self) -> Form:
        """Return the form that was sent; raise Forbidden for one that is not from a page of this session."""
        form = await read_form(self.request)
        sealed = self.known and self.desk.sessions.accepts(form["csrf_token"], self.name)
        if not sealed or comes_from_elsewhere(self.request):
            raise Forbidden(
                "This form is too old, or your browser keeps no cookies for this site. "
                "Go back, load the page again, and send it once more."
            )
        return form

    async def pending(self, handle: str) -> PendingAuthorization | None:
        """Return the request of an app that waits under this handle; None once it does not."""
        return await self.desk.authorizing.pending(handle, now=self.now) if handle else None

    def page(
        self,
        template: str,
        status: int = 200,
        *,
        pending: PendingAuthorization | None = None,
        leads_away: bool = False,
        **context: Any,
    ) -> Response:
        """Return a page; of a request, its forms carry the handle, and may end at the app.

        `leads_away`: they may end elsewhere, without a request, too.
        """
        schemes = {"https", "http"} if leads_away or pending is not None else set()
        if pending is not None:
            schemes.add(urlsplit(pending.redirect_uri).scheme)
        response = page(
            template,
            status,
            leads_to=schemes,
            user=None if self.session is None else self.session.user,
            csrf_token=self.desk.sessions.csrf_token(self.name),
            handle="" if pending is None else pending.handle,
            app=None if pending is None else pending.client_name,
            **context,
        )
        if not self.known:
            self.desk.cookie.set(response, self.name)
        return response

    def message(
        self,
        heading: str,
        said: str,
        status: int = 200,
        *,
        pending: PendingAuthorization | None = None,
    ) -> Response:
        """Return a page that tells something; of a request, it leads back to the app."""
        return self.page("message", status, pending=pending, heading=heading, said=said)

    def over(self) -> Response:
        """Return the page for a request that does not wait any more."""
        return self.message(
            "This request is over",
            "It was answered, or it waited too long. Go back to the app, and start again.",
            400,
        )

    def moved(self, url: str, *, name: str | None = None) -> Response:
        """Send the browser on; with a `name`, that is its session from now on."""
        response = redirect(url)
        if name is not None:
            self.desk.cookie.set(response, name)
        return response


def address_of(handle: str) -> str:
    """Return where the next page for a request is."""
    return f"/auth/request?{urlencode({'request': handle})}"


async def visit_of(desk: Desk, request: Request) -> Visit:
    """Return the visit that a request is."""
    now = desk.clock()
    brought = desk.cookie.read(request)
    if brought is None:
        return Visit(desk, request, desk.sessions.new_name(), known=False, session=None, now=now)
    session = await desk.sessions.find(brought, now=now)
    return Visit(desk, request, brought, known=True, session=session, now=now)
