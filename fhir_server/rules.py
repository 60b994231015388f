"""The tables that people review, in profiles/policy, as what the server decides by."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from hashlib import blake2b

from fhir_server.conformance.definitions import definitions_in
from fhir_server.federation.writes import Writes, read_writes
from fhir_server.policy.access import Access
from fhir_server.policy.counts import read_counts
from fhir_server.policy.decision import Enforcement, Policy
from fhir_server.policy.disclosure import Disclosure, Standing, Tables
from fhir_server.policy.labels import read_labels
from fhir_server.policy.personal import NHS_NUMBER, personal_types
from fhir_server.policy.programmes import Programmes, read_programmes
from fhir_server.policy.purposes import read_purposes
from fhir_server.policy.rights import rights_of
from fhir_server.policy.roles import Known, read_roles
from fhir_server.settings import Settings, definitions_folder, policy_folder


def enforcement() -> Enforcement:
    """Return what a store keeps denials by."""
    known = definitions_in(definitions_folder())
    digest = blake2b(_table("purposes.json") + _table("labels.json"), digest_size=7).digest()
    return Enforcement(
        policy(), known.resource_types, _personal(), NHS_NUMBER, int.from_bytes(digest)
    )


@cache
def policy() -> Policy:
    """Return what decides; raise ValueError for a table that contradicts itself."""
    purposes = read_purposes(_table("purposes.json"))
    return Policy(purposes, labels=read_labels(_table("labels.json")))


def disclosure(settings: Settings) -> Disclosure:
    """Return what callers are judged by; raise ValueError or OSError for a table that cannot be used."""
    known = Known(
        policy().purposes,
        definitions_in(definitions_folder()).resource_types,
        _personal(),
        policy().labels.ids,
    )
    roles = read_roles(_table("roles.json"), known)
    if settings.default_role is not None and roles.find(settings.default_role) is None:
        raise ValueError(f"default_role={settings.default_role} is no role of roles.json")
    return Disclosure(
        policy().purposes,
        settings.default_purpose,
        settings.opt_out_days,
        Tables(roles, _programmes(settings), read_counts(_table("counts.json")), policy().labels),
        settings.default_role,
        settings.break_glass_minutes,
    )


def federated_writes() -> Writes:
    """Return what is written at members through a hub; raise ValueError for a table that cannot be used.

    Nothing that tells of patients is: what a member answers is handed on as it is.
    """
    impersonal = definitions_in(definitions_folder()).resource_types - _personal()
    return read_writes(_table("federated-writes.json"), impersonal)


def admission(settings: Settings) -> Callable[[Access], Standing]:
    """Return what tells by claims alone what a caller may do, and raises Forbidden for who may do nothing."""

    @cache
    def judging() -> Disclosure:
        return disclosure(settings)

    return lambda access: judging().standing(access, rights_of(access))


def _programmes(settings: Settings) -> Programmes:
    file = settings.programmes or policy_folder() / "programmes.json"
    try:
        return read_programmes(file.read_bytes(), policy().purposes)
    except ValueError as problem:
        raise ValueError(f"{file.name}: {problem}") from problem


def _personal() -> frozenset[str]:
    return personal_types(definitions_in(definitions_folder()).compartments["Patient"])


def _table(name: str) -> bytes:
    return (policy_folder() / name).read_bytes()
