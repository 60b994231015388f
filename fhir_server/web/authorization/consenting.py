"""The decision: what an app will get, for how long, and what it will not."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from fastapi import Response
from msgspec import structs

from fhir_server.auth.server.contract import PendingAuthorization
from fhir_server.auth.server.users import User
from fhir_server.web.authorization.choices import Choice
from fhir_server.web.authorization.choosing import chosen_by
from fhir_server.web.authorization.forms import Form
from fhir_server.web.authorization.sessions import Session
from fhir_server.web.authorization.signing import wants_sign_in
from fhir_server.web.authorization.visit import Visit, address_of
from fhir_server.web.authorization.wording import (
    duration_in_words,
    purpose_in_words,
    scope_in_words,
)

_CONTEXT = frozenset({"launch", "launch/patient", "launch/encounter"})
"""Scopes that give no access by themselves: there is nothing in them to leave out."""

_NOTHING_TICKED = "Tick at least one, or choose Do not allow."


async def consent_page(
    visit: Visit,
    pending: PendingAuthorization,
    user: User,
    patient: Choice | None,
    *,
    wrong: str | None = None,
) -> Response:
    """Return the page."""
    offered = visit.desk.authorizing.offered(pending, user)
    asked = [each for each in offered if each not in _CONTEXT]
    purposes = await visit.desk.authorizing.purposes(pending, user, now=visit.now)
    if not asked or not purposes:
        return visit.message(
            "You cannot allow this",
            f"{pending.client_name} asks for nothing that you may give.",
            403,
            pending=pending,
        )
    return visit.page(
        "consent",
        200 if wrong is None else 422,
        pending=pending,
        wrong=wrong,
        patient=patient,
        encounters=await _encounters(visit, pending, user, patient),
        purposes=[(each, purpose_in_words(each)) for each in purposes],
        destination=_destination(pending.redirect_uri),
        duration=duration_in_words(offered, visit.desk.lifetimes),
        scopes=[(each, scope_in_words(each)) for each in asked],
        context=[each for each in offered if each in _CONTEXT],
    )


async def decide(visit: Visit) -> Response:
    """Take the decision, and send the browser back to the app with it."""
    form = await visit.form()
    pending = await visit.pending(form["request"])
    if pending is None:
        return visit.over()
    if form["decision"] != "allow":
        # Whoever it is may say no.
        return visit.moved(await visit.desk.authorizing.refuse(pending.handle, now=visit.now))
    if visit.session is None or wants_sign_in(pending, visit.session):
        return visit.moved(address_of(pending.handle))
    return await _allowed(visit, pending, visit.session, form)


async def _allowed(
    visit: Visit, pending: PendingAuthorization, session: Session, form: Form
) -> Response:
    # What was shown may be hidden by now: it is looked up again.
    patient = await chosen_by(visit, pending, session.user)
    if form["patient"] != ("" if patient is None else patient.id):
        # Another was chosen meanwhile, in another tab: a yes is for the one that was shown.
        return visit.moved(address_of(pending.handle))
    if all(each in _CONTEXT for each in form.all("scope")):
        return await consent_page(visit, pending, session.user, patient, wrong=_NOTHING_TICKED)
    encounter = await _encounter(visit, pending, session.user, patient, form["encounter"])
    purposes = await visit.desk.authorizing.purposes(pending, session.user, now=visit.now)
    purpose = form["purpose"] or next(iter(purposes), None)
    url = await visit.desk.authorizing.permit(
        pending.handle,
        session.user,
        form.all("scope"),
        now=visit.now,
        patient=None if patient is None else patient.id,
        encounter=encounter,
        purpose=purpose,
        authenticated=session.authenticated,
    )
    await _record(visit, pending, session.user, patient=patient, purpose=purpose, form=form)
    return visit.moved(url)


async def _record(  # noqa: PLR0913 - a decision has so many parts
    visit: Visit,
    pending: PendingAuthorization,
    user: User,
    *,
    patient: Choice | None,
    purpose: str | None,
    form: Form,
) -> None:
    """Record who let which app have what; of a patient's record, the patient is told too."""
    event = visit.event("permit", user)
    assert event.agent is not None
    agent = structs.replace(
        event.agent,
        client=pending.client_id,
        purpose=purpose,
        patient=None if patient is None else patient.id,
    )
    note = f"{pending.client_name} ({' '.join(form.all('scope'))})"
    patients = () if patient is None else (patient.id,)
    await visit.keep(structs.replace(event, agent=agent, patients=patients, note=note))


async def _encounters(
    visit: Visit, pending: PendingAuthorization, user: User, patient: Choice | None
) -> Sequence[Choice]:
    """Return what there is to choose, where the app asks in which visit or stay it is used."""
    if patient is None or not pending.needs_encounter:
        return ()
    return await visit.desk.patients.encounters(visit.asker(user), patient.id)


async def _encounter(
    visit: Visit, pending: PendingAuthorization, user: User, patient: Choice | None, chosen: str
) -> str | None:
    """Return the chosen encounter, None unless it is one of those that were shown."""
    shown = await _encounters(visit, pending, user, patient) if chosen else ()
    return next((each.id for each in shown if each.id == chosen), None)


def _destination(redirect_uri: str) -> str:
    parts = urlsplit(redirect_uri)
    return parts.netloc or f"an app on this device ({parts.scheme})"
