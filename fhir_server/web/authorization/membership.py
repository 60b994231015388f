"""The members of the federation, as a page for the people who look after them: those who may change an Endpoint."""

from __future__ import annotations

from dataclasses import replace

from fastapi import Response

from fhir_server.audit.event import Event, agent_of
from fhir_server.auth.server.users import User
from fhir_server.fhir.errors import Forbidden, Unreachable
from fhir_server.policy.access import Access
from fhir_server.policy.rights import rights_of
from fhir_server.policy.scopes import parse_scopes
from fhir_server.rest.disclosing import check_current, rule_of
from fhir_server.web.authorization.visit import Visit

_REFUSED = (
    "This page is for those who look after the members of this federation, such as systems support."
)


async def show_members(visit: Visit) -> Response:
    """Show how each member stands, as `$members` tells it."""
    if visit.session is None:
        return visit.moved("/auth/sign-in?to=members")
    event = await _admitted(visit, visit.session.user)
    federation = visit.desk.federation()
    if federation is None:
        raise Unreachable("This node does not reach its store yet; please try again.")
    # Here, since a node that is no hub needs none of it, and would start later.
    from fhir_server.web.members import fare, matrix, moment  # noqa: PLC0415

    members = await federation.roster()
    await visit.keep(event)
    return visit.page(
        "members",
        fare=fare(members, visit.now),
        moment=moment(visit.now),
        matrix=matrix(members),
    )


async def _admitted(visit: Visit, user: User) -> Event:
    """Return what is recorded of who may see the page; raise Forbidden for all others."""
    access = _access(visit, user)
    service = visit.desk.patients.service
    assert service.disclosure is not None, "where people sign in, callers are judged"
    try:
        standing = service.disclosure.standing(access, rights_of(access))
        await check_current(service, standing, now=visit.now)
        call = replace(service.call_at(visit.desk.patients.base_url), rights=standing.rights)
        call.to("ru", "Endpoint")
    except Forbidden as refusal:
        raise Forbidden(_REFUSED) from refusal
    return Event(
        visit.now,
        "operation",
        asked="GET members",
        agent=agent_of(access),
        address=visit.address,
        rule=rule_of(service, standing.audience),
    )


def _access(visit: Visit, user: User) -> Access:
    """Return the user as who asks for Endpoints; raise Forbidden for one who is bound to patients."""
    if user.patients is not None:
        raise Forbidden(_REFUSED)
    return Access(
        visit.desk.patients.issuer,
        user.subject,
        parse_scopes("user/Endpoint.rus"),
        organisation=user.organisation,
        role=user.role,
        purpose=user.purposes[0] if user.purposes else None,
    )
