"""The members of a federation, and what each says that it can do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from fhir_server.search.declaring import Abilities, abilities_in

MEMBER_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,31}\Z")
"""The rule for ids of members: they are part of addresses, and no name of a resource type."""

LONGEST_SECONDS = 60.0
"""Seconds that a member may be given at most."""


class Credentials(msgspec.Struct, frozen=True):
    """How the hub gets tokens of a member: as its client `client_id`, at `token_url`, for these scopes at most.

    `on_behalf`: the member is told who asks, and decides on that itself. Else it knows the hub alone.
    """

    client_id: str
    token_url: str
    scopes: tuple[str, ...]
    on_behalf: bool = True


class Member(msgspec.Struct, frozen=True):
    """A server that is asked. `base` is its FHIR base without a slash at the end, `ods` the organisation's ODS code.

    `credentials` are the hub's own there. Without them it is asked for callers with a token only where it is `open`: said
    to let everyone in.

    `required`: without it there is no answer at all. `at_once` bounds the requests that wait for it, `seconds` each of
    them. Not `sorted`: it does not keep the order that it is asked for, so all its matches are fetched, up to a bound.
    With a `locator` it is asked whom it knows, and then about nobody else (federation/sparing).

    `withheld` says why it is not asked for now, as its Endpoint stands; it is no setting.
    """

    id: str
    name: str
    base: str
    ods: str | None = None
    required: bool = False
    seconds: float = 4.0
    at_once: int = 16
    sorted: bool = True
    credentials: Credentials | None = None
    open: bool = False
    locator: bool = False
    withheld: str = ""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a member declares: the codes of the search parameters of each type that it can search.

    `interactions` are those of each type that it serves, `taken` is when it told, in microseconds, 0 long ago.
    `abilities` are known of members that tell them by an extension: R4 has no element for them.
    """

    types: Mapping[str, frozenset[str]]
    interactions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    fhir_version: str = ""
    software: str = ""
    taken: int = 0
    abilities: Abilities = field(default_factory=Abilities)

    @property
    def told(self) -> Sequence[str]:
        """What it tells of its searches besides types and parameters, in words; nothing where it does not tell."""
        known = self.abilities
        names = {
            each
            for told in (known.modifiers, known.of_one)
            for one in told.values()
            for each in one
        }
        found = [
            f"pages of {known.most} at most" if known.most is not None else "",
            f"modifiers {', '.join(sorted(names))}" if names else "",
            f"sorts by {', '.join(sorted(known.sortable))}" if known.sortable else "",
        ]
        return [each for each in found if each]

    def searches(self, resource_type: str) -> bool:
        """Tell whether a type can be searched there."""
        return resource_type in self.types

    def knows(self, resource_type: str, code: str) -> bool:
        """Tell whether a type can be searched there by this parameter."""
        return code in self.types.get(resource_type, ())


def capabilities_of(statement: Mapping[str, Any], *, taken: int = 0) -> Capabilities:
    """Return what a CapabilityStatement declares; raise ValueError for what is none of an R4 server.

    https://hl7.org/fhir/R4/capabilitystatement.html
    """
    version = statement.get("fhirVersion")
    if statement.get("resourceType") != "CapabilityStatement" or not isinstance(version, str):
        raise ValueError("it publishes no CapabilityStatement")
    if not version.startswith("4.0"):
        raise ValueError(f"it speaks FHIR {version[:10]}, not R4 (4.0.1)")
    types: dict[str, frozenset[str]] = {}
    interactions: dict[str, frozenset[str]] = {}
    abilities = Abilities()
    for served in _listed(statement, "rest"):
        if abilities == Abilities():
            abilities = abilities_in(served)
        shared = _names(served)
        for each in _listed(served, "resource"):
            name = each.get("type")
            if isinstance(name, str):
                codes = frozenset(str(code.get("code")) for code in _listed(each, "interaction"))
                interactions[name] = codes
                if "search-type" in codes:
                    types[name] = _names(each) | shared
    return Capabilities(types, interactions, version[:10], _software(statement), taken, abilities)


def _software(statement: Mapping[str, Any]) -> str:
    """Return the name and version of the software, as far as they are told."""
    told = statement.get("software")
    if not isinstance(told, dict):
        return ""
    parts = (told.get("name"), told.get("version"))
    return " ".join(each for each in parts if isinstance(each, str))[:80]


def _names(element: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(str(each.get("name")) for each in _listed(element, "searchParam"))


def _listed(element: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = element.get(name)
    if not isinstance(value, list):
        return []
    return [each for each in value if isinstance(each, dict)]
