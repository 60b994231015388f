"""Who is asked about by `$explain-access`: an account of the node, or somebody with these claims."""

from __future__ import annotations

from dataclasses import dataclass

from fhir_server.auth.server.accounts import Accounts
from fhir_server.auth.server.users import User
from fhir_server.fhir.errors import BadRequest, NotFound, shown
from fhir_server.interactions.call import Call
from fhir_server.operations.operation import Invocation
from fhir_server.policy.access import Access
from fhir_server.policy.scopes import Scopes, parse_scopes

CLAIMS = ("role", "purpose", "organisation", "programme")
PARAMETERS = ("user", *CLAIMS, "patient", "scopes")

_OF_ACCOUNTS = ("role", "organisation")


@dataclass(frozen=True, slots=True)
class Claimant:
    """A caller, as its token would tell; `refused` says why it would be given none, nothing where it would."""

    access: Access
    refused: str = ""


async def claimant(call: Call, asked: Invocation) -> Claimant:
    """Return who is asked about; raise BadRequest, or NotFound for an account that is not there."""
    name = asked.value("user")
    if name is None:
        return _by_claims(asked)
    for each in _OF_ACCOUNTS:
        if asked.value(each) is not None:
            raise BadRequest(f"{each}= is not taken for an account (user), which has its own")
    user = await Accounts(call.store.key_values).find(name, now=asked.now)
    if user is None:
        raise NotFound(
            f"user={shown(name)!r} has no account here; of who signs in elsewhere give role=, purpose= and organisation="
        )
    return _by_account(asked, user)


def _by_claims(asked: Invocation) -> Claimant:
    given = {name: asked.value(name) for name in CLAIMS}
    if given["purpose"] is None:
        raise BadRequest("$explain-access needs purpose=, a code of v3-ActReason such as TREAT")
    patient = asked.value("patient")
    return Claimant(Access("", "", _scopes(asked, patient), patient=patient, **given))


def _by_account(asked: Invocation, user: User) -> Claimant:
    """Return what the authorization server would give an app that this person permits everything."""
    purposes, patient = user.purposes_of_use, _patient(asked, user)
    scopes = _scopes(asked, patient)
    if user.patients is not None:
        # As the pages offer them: what a user/ scope reaches is not bounded by whose record it is.
        scopes = scopes.without("user")
    access = Access(
        "",
        user.subject,
        scopes,
        patient=patient,
        organisation=user.organisation,
        role=user.role,
        purpose=asked.value("purpose") or next(iter(purposes), None),
        programme=asked.value("programme"),
    )
    refused = ""
    if access.purpose not in purposes:
        refused = f"The account is for {', '.join(purposes)}, not for {shown(access.purpose or '')}"
    elif patient is not None and not user.may_choose(patient):
        refused = "The account may not choose this patient"
    return Claimant(access, refused)


def _patient(asked: Invocation, user: User) -> str | None:
    """Return the patient in context: of a person bound to one record, that one."""
    patient = asked.value("patient")
    if patient is not None or user.patients is None:
        return patient
    if len(user.patients) != 1:
        raise BadRequest("patient= is needed: this account is bound to the records of several")
    return user.patients[0]


def _scopes(asked: Invocation, patient: str | None) -> Scopes:
    """Return the scopes that were asked about, all of them where none were."""
    text = asked.value("scopes")
    if text is None:
        return parse_scopes("patient/*.cruds" if patient else "user/*.cruds")
    scopes = parse_scopes(text)
    if not scopes.all:
        raise BadRequest(
            f"scopes={shown(text)!r} holds no scope on resources, such as user/Observation.rs"
        )
    return scopes
