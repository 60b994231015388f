"""From an app's request to its answer: sign-in, choice of a patient, consent.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-authorization-code
"""

from __future__ import annotations

from fastapi import Response

from fhir_server.auth.server.contract import PendingAuthorization
from fhir_server.auth.server.errors import RedirectedError
from fhir_server.rest.request import Pairs, parse_pairs, query_text
from fhir_server.web.authorization.choosing import chosen_by, patients_page, picker_for
from fhir_server.web.authorization.consenting import consent_page
from fhir_server.web.authorization.forms import read_form
from fhir_server.web.authorization.signing import sign_in_page, wants_sign_in
from fhir_server.web.authorization.visit import Visit, address_of


async def authorize(visit: Visit) -> Response:
    """Take an app's request, by GET or by POST, and go on to what a person has to do."""
    try:
        pending = await visit.desk.authorizing.begin(await _parameters(visit), now=visit.now)
    except RedirectedError as error:
        return visit.moved(error.url)
    if "none" in pending.prompt:
        # It wants no page shown, and consent is asked for each time.
        reason = "login_required" if visit.session is None else "consent_required"
        return visit.moved(
            await visit.desk.authorizing.refuse(pending.handle, now=visit.now, error=reason)
        )
    return visit.moved(address_of(pending.handle))


async def proceed(visit: Visit) -> Response:
    """Show what comes next for the request in the query: sign-in, choice of a patient, consent."""
    pending = await visit.pending(visit.request.query_params.get("request", ""))
    if pending is None:
        return visit.over()
    session = visit.session
    if session is None or wants_sign_in(pending, session):
        return sign_in_page(visit, pending)
    if pending.launched_by not in {None, session.user.subject}:
        return _opened_by_another(visit, pending)
    patient = await chosen_by(visit, pending, session.user)
    if patient is None and pending.needs_patient:
        return await patients_page(visit, session.user, picker_for(pending))
    if patient is None and pending.launch is not None and pending.launch.patient is not None:
        return _patient_is_absent(visit, pending)
    return await consent_page(visit, pending, session.user, patient)


async def _parameters(visit: Visit) -> Pairs:
    if visit.request.method == "POST":
        return (await read_form(visit.request)).pairs
    return parse_pairs(query_text(visit.request.scope["query_string"]))


def _opened_by_another(visit: Visit, pending: PendingAuthorization) -> Response:
    return visit.message(
        "Someone else opened this app",
        "You are not signed in as the person who opened it. Sign out, and open the app again.",
        403,
        pending=pending,
    )


def _patient_is_absent(visit: Visit, pending: PendingAuthorization) -> Response:
    return visit.message(
        "The patient is not here",
        "The record with which this app was opened is not there, or not for you to see.",
        403,
        pending=pending,
    )
