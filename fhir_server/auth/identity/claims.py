"""What an identity provider says of somebody, as a User of this server. Pure.

A text stands for a value, `{path}` in it for a claim: `{name}`, `Practitioner/{uid}`, `{role.org_code}`.
Of a list a number names an entry: `{orgs.0.code}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from fhir_server.auth.server.users import User
from fhir_server.fhir.resource import LOGICAL_ID

LONGEST = 200
"""Letters of a value: what is longer is no name, code or id."""

_CLAIM = re.compile(r"\{([^{}]+)\}")
_FHIR_USER = re.compile(r"(Patient|Practitioner|PractitionerRole|RelatedPerson|Person)/(.+)")


class NotForUs(Exception):
    """The provider knows somebody who has no place here; the message is for that person."""


class SelectedRole(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which of several roles was chosen at sign-in: of the claim `list` the entry whose `key` is the claim `selected`.

    Where there is no such claim it is the only entry, and of several none. `{role.…}` names what is in it.
    """

    list: str
    key: str
    selected: str


class Holder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What holders of a role are here.

    `purposes` are codes of v3-ActReason, the usual one first; `patients` the ids that they may choose among (texts
    with claims), None: any that they may see.
    """

    role: str
    purposes: tuple[str, ...]
    patients: tuple[str, ...] | None = None


class Meaning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What claims mean here. `roles` are holders by what `role` comes to, or by its last part after a colon."""

    roles: Mapping[str, Holder]
    role: str
    name: str = "{name}"
    fhir_user: str | None = None
    organisation: str | None = None
    selected_role: SelectedRole | None = None


def user_of(claims: Mapping[str, Any], meaning: Meaning, *, provider: str) -> User:
    """Return who that is; raise NotForUs. `provider` keeps the subjects of several apart."""
    said = dict(claims)
    if meaning.selected_role is not None:
        said["role"] = _selected(claims, meaning.selected_role)
    holder = _holder(meaning, _value(meaning.role, said))
    return User(
        subject=f"{provider}:{claims['sub']}",
        name=_value(meaning.name, said) or str(claims["sub"]),
        fhir_user=_fhir_user(_optional(meaning.fhir_user, said)),
        role=holder.role,
        organisation=_optional(meaning.organisation, said),
        purposes=holder.purposes,
        patients=None if holder.patients is None else _ids(holder.patients, said),
    )


def _selected(claims: Mapping[str, Any], rule: SelectedRole) -> Any:
    roles = claims.get(rule.list)
    if not isinstance(roles, list):
        return None
    wanted = claims.get(rule.selected)
    if wanted is not None:
        roles = [each for each in roles if isinstance(each, dict) and each.get(rule.key) == wanted]
    return roles[0] if len(roles) == 1 else None


def _holder(meaning: Meaning, role: str | None) -> Holder:
    if role is None:
        raise NotForUs("Your identity provider did not say in which role you sign in.")
    holder = meaning.roles.get(role) or meaning.roles.get(role.rpartition(":")[2])
    if holder is None:
        raise NotForUs("The role in which you signed in has no access here.")
    return holder


def _ids(texts: Sequence[str], claims: Mapping[str, Any]) -> tuple[str, ...]:
    values = (_value(each, claims) for each in texts)
    return tuple(each for each in values if each is not None and LOGICAL_ID.match(each))


def _fhir_user(value: str | None) -> str | None:
    match = None if value is None else _FHIR_USER.fullmatch(value)
    return value if match is not None and LOGICAL_ID.match(match[2]) else None


def _optional(text: str | None, claims: Mapping[str, Any]) -> str | None:
    return None if text is None else _value(text, claims)


def _value(text: str, claims: Mapping[str, Any]) -> str | None:
    """Return a text with its claims; None where one is missing, or is no text of that length."""
    found = {path: _claim(path, claims) for path in _CLAIM.findall(text)}
    if None in found.values():
        return None
    value = _CLAIM.sub(lambda match: found[match[1]] or "", text)
    return value if 0 < len(value) <= LONGEST and value.isprintable() else None


def _claim(path: str, claims: Mapping[str, Any]) -> str | None:
    value: Any = claims
    for part in path.split("."):
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None
