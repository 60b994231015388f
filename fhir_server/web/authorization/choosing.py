"""The choice of a patient: by a search, or among the few that somebody is bound to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import Response

from fhir_server.auth.server.contract import PendingAuthorization
from fhir_server.auth.server.users import User
from fhir_server.web.authorization.choices import Choice, criteria
from fhir_server.web.authorization.visit import Visit, address_of

ABSENT = "This patient is not there, or not for you to see."

_NOTHING_TO_FIND = "Write a name, an NHS number or a date of birth."
_NONE = "No patient that you may see matches. Look at the spelling, or write less."


@dataclass(frozen=True, slots=True)
class Picker:
    """What patients are chosen for: where the forms go, what people are told, and the app's request, if it is one."""

    action: str
    purpose: str
    pending: PendingAuthorization | None = None


async def chosen_by(visit: Visit, pending: PendingAuthorization, user: User) -> Choice | None:
    """Return the patient of a request: handed over, chosen, or the only one; None where there is none yet."""
    patients = visit.desk.patients
    if pending.launch is not None and pending.launch.patient is not None:
        return await patients.one(visit.asker(user), pending.launch.patient)
    if not pending.needs_patient:
        return None
    chosen = await visit.desk.chosen.of(pending.handle, user, now=visit.now)
    if chosen is not None:
        return await patients.one(visit.asker(user), chosen)
    own = await patients.own(visit.asker(user))
    return own[0] if len(own) == 1 else None


async def choose_patient(visit: Visit) -> Response:
    """Search for patients, or take the choice of one."""
    form = await visit.form()
    pending = await visit.pending(form["request"])
    if pending is None:
        return visit.over()
    if visit.session is None:
        return visit.moved(address_of(pending.handle))
    user = visit.session.user
    if not form["patient"]:
        return await patients_page(visit, user, picker_for(pending), sought=form["sought"].strip())
    choice = await visit.desk.patients.one(visit.asker(user), form["patient"])
    if choice is None:
        return await patients_page(visit, user, picker_for(pending), wrong=ABSENT)
    await visit.desk.chosen.choose(pending.handle, user, choice.id, now=visit.now)
    return visit.moved(address_of(pending.handle))


def picker_for(pending: PendingAuthorization) -> Picker:
    """Return how a patient is chosen for an app's request."""
    purpose = f"{pending.client_name} will work with the records of one patient."
    return Picker("/auth/patient", purpose, pending)


async def patients_page(
    visit: Visit, user: User, picker: Picker, *, sought: str | None = None, wrong: str | None = None
) -> Response:
    """Return the page, with what a search found; `sought` None: there was none yet."""
    if user.patients is not None:
        return await _own_patients_page(visit, user, picker)
    if sought is None:
        return _page(visit, picker, sought="", wrong=wrong)
    if not criteria(sought):
        return _page(visit, picker, sought=sought, wrong=_NOTHING_TO_FIND)
    found, more = await visit.desk.patients.find(visit.asker(user), sought)
    if not found:
        return _page(visit, picker, sought=sought, wrong=_NONE)
    told = f"{len(found)} {'patient' if len(found) == 1 else 'patients'} found"
    if more:
        told = f"The first {len(found)} patients: write more to find fewer"
    return _page(visit, picker, sought=sought, found=(found, told))


async def _own_patients_page(visit: Visit, user: User, picker: Picker) -> Response:
    own = await visit.desk.patients.own(visit.asker(user))
    if own:
        return _page(visit, picker, found=(own, "Whose records?"))
    said = "No record that you may see is linked to your sign-in here."
    return visit.message("No record to share", said, 403, pending=picker.pending)


def _page(
    visit: Visit,
    picker: Picker,
    *,
    sought: str | None = None,
    wrong: str | None = None,
    found: tuple[Sequence[Choice], str] = ((), ""),
) -> Response:
    """Return the page with patients and what to say of them; `sought` None: there is nothing to search for."""
    patients, told = found
    return visit.page(
        "patient",
        pending=picker.pending,
        action=picker.action,
        purpose=picker.purpose,
        sought=sought,
        wrong=wrong,
        patients=patients,
        told=told,
    )
