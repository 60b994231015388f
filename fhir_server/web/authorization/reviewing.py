"""Why somebody is shown a resource, or is not, as a page for those who review access: `$explain-access` in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from fastapi import Response

from fhir_server.audit.event import Event, agent_of
from fhir_server.auth.server.users import User
from fhir_server.fhir.errors import BadRequest, FhirError, Forbidden, NotFound
from fhir_server.fhir.resource import Resource
from fhir_server.operations.claimants import PARAMETERS
from fhir_server.operations.explain_access import explain_access
from fhir_server.operations.operation import Invocation
from fhir_server.policy.access import Access
from fhir_server.policy.disclosure import OVERSIGHT, Disclosure, Tables
from fhir_server.policy.rights import rights_of
from fhir_server.policy.scopes import parse_scopes
from fhir_server.rest.disclosing import rule_of
from fhir_server.rest.request import Pairs
from fhir_server.web.authorization.forms import Form
from fhir_server.web.authorization.visit import Visit

FIELDS = ("resource", *PARAMETERS)


@dataclass(frozen=True, slots=True)
class Told:
    """A decision as the page shows it.

    `claims` are by name what it was decided by; `because` are Consents, or the register, with what each lays down.
    """

    permits: bool
    rule: str
    words: str
    claims: Mapping[str, str]
    because: tuple[tuple[str, tuple[str, ...]], ...]


async def show_review(visit: Visit) -> Response:
    """Show the form."""
    if visit.session is None:
        return visit.moved("/auth/sign-in?to=access")
    _reviewer(visit, visit.session.user)
    return _page(visit, Form(()))


async def review(visit: Visit) -> Response:
    """Show the decision that was asked for, below the form."""
    form = await visit.form()
    if visit.session is None:
        return visit.moved("/auth/sign-in?to=access")
    access = _reviewer(visit, visit.session.user)
    try:
        told = await _explained(visit, access, form)
    except (BadRequest, NotFound) as error:
        return _page(visit, form, wrong=error)
    return _page(visit, form, told=told)


def _page(
    visit: Visit, form: Form, *, told: Told | None = None, wrong: FhirError | None = None
) -> Response:
    disclosure, tables = _disclosure(visit)
    return visit.page(
        "review",
        200 if wrong is None else wrong.status,
        given={name: form[name] for name in FIELDS},
        roles=[(each.code, each.name) for each in tables.roles.by_code.values()],
        purposes=[(code, each.says) for each in disclosure.purposes.rules for code in each.codes],
        told=told,
        wrong=None if wrong is None else str(wrong),
        wrong_at=_field_of(str(wrong)),
    )


def _field_of(told: str) -> str:
    """Return the field that a refusal names (`user=`); the resource's where it names none."""
    return next((each for each in FIELDS if f"{each}=" in told), FIELDS[0])


def _reviewer(visit: Visit, user: User) -> Access:
    """Return the signed-in user as who reviews; raise Forbidden for all others."""
    purposes = _disclosure(visit)[0].purposes
    for code in user.purposes:
        rule = purposes.rule(code)
        if rule is not None and rule.use == OVERSIGHT:
            return Access(
                visit.desk.patients.issuer,
                user.subject,
                parse_scopes("user/*.rs"),
                organisation=user.organisation,
                role=user.role,
                purpose=code,
            )
    raise Forbidden("This page is for those who review access, such as a privacy officer.")


def _disclosure(visit: Visit) -> tuple[Disclosure, Tables]:
    disclosure = visit.desk.patients.service.disclosure
    assert disclosure is not None, "where people sign in, callers are judged"
    assert disclosure.tables is not None
    return disclosure, disclosure.tables


async def _explained(visit: Visit, access: Access, form: Form) -> Told:
    """Ask as the FHIR API would be asked, and record it alike."""
    patients = visit.desk.patients
    standing = _disclosure(visit)[0].standing(access, rights_of(access))
    call = replace(
        patients.service.call_at(patients.base_url),
        rights=standing.rights,
        audience=standing.audience,
        disclosure=patients.service.disclosure,
        now=visit.now,
    )
    pairs = tuple((name, form[name].strip()) for name in FIELDS if form[name].strip())
    found = await explain_access(call.to("r"), Invocation("", None, pairs, None, visit.now, access))
    if patients.service.trail is not None:
        rule = rule_of(patients.service, standing.audience)
        await patients.service.trail.record(_event(visit, access, pairs, rule))
    return _told(found.resource)


def _event(visit: Visit, access: Access, pairs: Pairs, rule: str) -> Event:
    asked = f"POST $explain-access?{urlencode(pairs)}"
    return Event(
        visit.now,
        "operation",
        asked=asked,
        agent=agent_of(access),
        address=visit.address,
        rule=rule,
    )


def _told(parameters: Resource) -> Told:
    values = {each["name"]: each for each in parameters["parameter"]}
    because = [each["part"] for each in parameters["parameter"] if each["name"] == "because"]
    return Told(
        values["decision"]["valueCode"] == "permit",
        values["rule"]["valueString"],
        values["words"]["valueString"],
        {each["name"]: each["valueString"] for each in values["caller"].get("part", ())},
        tuple(map(_origin, because)),
    )


def _origin(parts: list[Resource]) -> tuple[str, tuple[str, ...]]:
    consents = [each["valueReference"]["reference"] for each in parts if each["name"] == "consent"]
    words = tuple(each["valueString"] for each in parts if each["name"] == "words")
    return (consents or ["Register of opt-outs"])[0], words
