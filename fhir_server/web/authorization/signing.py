"""The pages of signing in and out."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from fastapi import Response

from fhir_server.auth.server.contract import PendingAuthorization
from fhir_server.auth.server.users import User
from fhir_server.web.authorization.forms import Form
from fhir_server.web.authorization.sessions import Session
from fhir_server.web.authorization.sign_in import TooOften
from fhir_server.web.authorization.visit import Visit, address_of
from fhir_server.web.authorization.wording import span_in_words

HOME = "/auth/launch"
"""Where people who came by themselves go on."""

PLACES = {"members": "/members", "access": "/auth/access"}
"""Where they go on instead, by what the address of the sign-in page says: no other address can be said."""

_SECOND = 1_000_000
_WRONG = "The user name or the password is not right."


async def show_sign_in(visit: Visit) -> Response:
    """Show the page to those who came by themselves."""
    to = visit.request.query_params.get("to", "")
    if visit.session is not None:
        return visit.moved(PLACES.get(to, HOME))
    return sign_in_page(visit, None, to=to)


def sign_in_page(  # noqa: PLR0913 - what the page says, each by keyword
    visit: Visit,
    pending: PendingAuthorization | None,
    *,
    status: int = 200,
    wrong: str | None = None,
    name: str = "",
    to: str = "",
) -> Response:
    """Return the page; `to` says where people go on who came by themselves."""
    to = place_of(to)
    errand = {"to": to} if pending is None else {"request": pending.handle}
    query = f"?{urlencode(errand)}" if any(errand.values()) else ""
    hint = "" if pending is None else pending.login_hint or ""
    return visit.page(
        "sign_in",
        status,
        pending=pending,
        wrong=wrong,
        name=name or hint,
        to=to,
        providers=[
            (provider.title, f"/auth/elsewhere/{quote(key)}{query}")
            for key, provider in visit.desk.providers.items()
        ],
    )


def place_of(to: str) -> str:
    """Return the name of a place where people may go on, nothing for another."""
    return to if to in PLACES else ""


def wants_sign_in(pending: PendingAuthorization, session: Session) -> bool:
    """Tell whether an app asks for a sign-in that is younger than this one."""
    if "login" in pending.prompt:
        return session.authenticated < pending.begun
    longest = pending.max_age
    return longest is not None and session.authenticated < pending.begun - longest * _SECOND


async def sign_in(visit: Visit) -> Response:
    """Sign somebody in by name and password."""
    form = await visit.form()
    pending = await visit.pending(form["request"])
    if form["request"] and pending is None:
        return visit.over()
    outcome = await visit.desk.sign_in.attempt(
        form["name"].strip(),
        form["password"],
        address=visit.address,
        now=visit.now,
    )
    match outcome:
        case User():
            return await signed_in(visit, outcome, pending, to=form["to"])
        case TooOften():
            wrong = f"Too many attempts failed. Try again in {span_in_words(outcome.seconds)}."
            response = _again(visit, pending, form, 429, wrong)
            response.headers["Retry-After"] = str(outcome.seconds)
            return response
        case None:
            await visit.record("sign-in", None, status=401)
            return _again(visit, pending, form, 401, _WRONG)


def _again(
    visit: Visit, pending: PendingAuthorization | None, form: Form, status: int, wrong: str
) -> Response:
    return sign_in_page(
        visit, pending, status=status, wrong=wrong, name=form["name"], to=form["to"]
    )


async def signed_in(
    visit: Visit, user: User, pending: PendingAuthorization | None, *, to: str = ""
) -> Response:
    """Begin a session, and go on to what it is for."""
    # The moment after the password was looked at, not before.
    now = visit.desk.clock()
    await visit.record("sign-in", user)
    name = await visit.desk.sessions.begin(user, now=now, instead_of=visit.name)
    place = PLACES.get(to, HOME) if pending is None else address_of(pending.handle)
    return visit.moved(place, name=name)


async def sign_out(visit: Visit) -> Response:
    """End the session."""
    await visit.form()
    await visit.desk.sessions.end(visit.name)
    if visit.session is not None:
        await visit.record("sign-out", visit.session.user)
    response = visit.moved("/auth/sign-in")
    visit.desk.cookie.clear(response)
    return response
