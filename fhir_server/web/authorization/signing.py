"""The pages of signing in and out."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from fastapi import Response

from fhir_server.auth.server.contract import PendingAuthorization
from fhir_server.auth.server.users import User
from fhir_server.web.authorization.sessions import Session
from fhir_server.web.authorization.sign_in import TooOften
from fhir_server.web.authorization.visit import Visit, address_of
from fhir_server.web.authorization.wording import span_in_words

HOME = "/auth/launch"
"""Where people who came by themselves go on."""

_SECOND = 1_000_000
_WRONG = "The user name or the password is not right."


async def show_sign_in(visit: Visit) -> Response:
    """Show the page to those who came by themselves."""
    return sign_in_page(visit, None) if visit.session is None else visit.moved(HOME)


def sign_in_page(
    visit: Visit,
    pending: PendingAuthorization | None,
    *,
    status: int = 200,
    wrong: str | None = None,
    name: str = "",
) -> Response:
    """Return the page."""
    handle = "" if pending is None else f"?{urlencode({'request': pending.handle})}"
    hint = "" if pending is None else pending.login_hint or ""
    return visit.page(
        "sign_in",
        status,
        pending=pending,
        wrong=wrong,
        name=name or hint,
        providers=[
            (provider.title, f"/auth/elsewhere/{quote(key)}{handle}")
            for key, provider in visit.desk.providers.items()
        ],
    )


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
            return await signed_in(visit, outcome, pending)
        case TooOften():
            wrong = f"Too many attempts failed. Try again in {span_in_words(outcome.seconds)}."
            response = sign_in_page(visit, pending, status=429, wrong=wrong, name=form["name"])
            response.headers["Retry-After"] = str(outcome.seconds)
            return response
        case None:
            await visit.record("sign-in", None, status=401)
            return sign_in_page(visit, pending, status=401, wrong=_WRONG, name=form["name"])


async def signed_in(visit: Visit, user: User, pending: PendingAuthorization | None) -> Response:
    """Begin a session, and go on to what it is for."""
    # The moment after the password was looked at, not before.
    now = visit.desk.clock()
    await visit.record("sign-in", user)
    name = await visit.desk.sessions.begin(user, now=now, instead_of=visit.name)
    return visit.moved(HOME if pending is None else address_of(pending.handle), name=name)


async def sign_out(visit: Visit) -> Response:
    """End the session."""
    await visit.form()
    await visit.desk.sessions.end(visit.name)
    if visit.session is not None:
        await visit.record("sign-out", visit.session.user)
    response = visit.moved("/auth/sign-in")
    visit.desk.cookie.clear(response)
    return response
