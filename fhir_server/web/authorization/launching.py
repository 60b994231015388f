"""EHR launch: a clinician opens an app for a patient, from here.

https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#launch-app-ehr-launch
"""

from __future__ import annotations

from fastapi import Response

from fhir_server.auth.server.contract import LaunchContext
from fhir_server.auth.server.users import User
from fhir_server.web.authorization.choices import Choice
from fhir_server.web.authorization.choosing import ABSENT, Picker, patients_page
from fhir_server.web.authorization.forms import Form
from fhir_server.web.authorization.visit import Visit

_PICKER = Picker("/auth/launch", "An app is opened for one patient.")


async def show_launch(visit: Visit) -> Response:
    """Show the search for a patient."""
    if visit.session is None:
        return visit.moved("/auth/sign-in")
    return await patients_page(visit, visit.session.user, _PICKER)


async def launch(visit: Visit) -> Response:
    """Search for a patient, then show the apps, then open one."""
    form = await visit.form()
    if visit.session is None:
        return visit.moved("/auth/sign-in")
    user = visit.session.user
    if not form["patient"]:
        return await patients_page(visit, user, _PICKER, sought=form["sought"].strip())
    patient = await visit.desk.patients.one(visit.asker(user), form["patient"])
    if patient is None:
        return await patients_page(visit, user, _PICKER, wrong=ABSENT)
    if form["app"]:
        return await _launched(visit, user, patient, form)
    return await _apps_page(visit, user, patient)


async def _apps_page(visit: Visit, user: User, patient: Choice) -> Response:
    apps = await visit.desk.authorizing.launchable(now=visit.now)
    return visit.page(
        "launch",
        leads_away=True,
        patient=patient,
        encounters=await visit.desk.patients.encounters(visit.asker(user), patient.id),
        apps=apps,
    )


async def _launched(visit: Visit, user: User, patient: Choice, form: Form) -> Response:
    shown = await visit.desk.patients.encounters(visit.asker(user), patient.id)
    encounter = next((each.id for each in shown if each.id == form["encounter"]), None)
    context = LaunchContext(patient.id, encounter, need_patient_banner=True)
    url = await visit.desk.authorizing.create_launch(form["app"], user, context, now=visit.now)
    return visit.moved(url)
