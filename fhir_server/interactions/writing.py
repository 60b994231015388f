"""One write with its preconditions, for the interactions on a single resource.

A precondition is an argument of the write; a race that was lost is run again, a bounded number of times.
https://hl7.org/fhir/R4/http.html#concurrency
"""

from __future__ import annotations

from fhir_server.fhir.errors import PreconditionFailed, VersionConflict
from fhir_server.fhir.resource import Key
from fhir_server.interactions.addressing import absent, new_address
from fhir_server.interactions.call import Call
from fhir_server.interactions.identity import check_same_person
from fhir_server.interactions.outcomes import Saved
from fhir_server.interactions.provenance import write_all
from fhir_server.interactions.vread import HIGHEST_VERSION
from fhir_server.storage.contract import NEVER, Unchanged, WriteOp, WriteResult, Written

ATTEMPTS = 8
"""How often a write that lost a race is decided anew before the caller is told."""


async def write_one(call: Call, op: WriteOp) -> WriteResult:
    """Write one operation by itself."""
    await check_same_person(call, op)
    (result,) = await write_all(call, (op,), atomic=False)
    return result


async def expected_version(call: Call, key: Key, if_match: int | None) -> int | None:
    """Return the version that the write must find, None for any; raise PreconditionFailed or MethodNotAllowed.

    A caller from whom some are hidden may overwrite just the version that was seen.
    """
    check_if_match(if_match)
    if call.sight.sees_whole(key.type):
        return if_match
    seen = await call.store.read(call.sight, key)
    current = 0 if seen is None or seen.deleted else seen.version
    if if_match is not None and if_match != current:
        raise version_mismatch(key, if_match, current)
    if seen is None:
        check_may_choose(call, key)
        return NEVER
    return current


def check_may_choose(call: Call, key: Key) -> None:
    """Raise MethodNotAllowed unless the caller may create at an address of its choice.

    Who is bound to some resources of the type may not, nor who writes in a role of people: where a hidden one has the
    address, a refusal of that one alone would tell (docs/decisions/0060-who-may-be-known-by-number-and-by-address.md).
    """
    chooses = call.rights is None or call.rights.chooses_ids
    is_bound = call.sight.patient_of(key.type) or call.sight.criterion(key.type)
    if not chooses or is_bound is not None:
        raise new_address(key)


async def expected_of_none(call: Call, key: Key) -> int:
    """Return the version that a write must find where nothing is at its address, as far as the caller sees."""
    whole = call.sight.sees_whole(key.type)
    return 0 if whole or await call.store.read(call.sight, key) is not None else NEVER


async def check_not_hidden(call: Call, key: Key) -> None:
    """Raise NotFound where a write was refused for what this caller may not see."""
    if not call.sight.sees_whole(key.type) and await call.store.read(call.sight, key) is None:
        raise absent(key)


def check_if_match(if_match: int | None) -> None:
    """Raise PreconditionFailed for a number that no version has: a store takes 0 for `absent`."""
    if if_match is not None and not 0 < if_match < HIGHEST_VERSION:
        raise PreconditionFailed(
            f'If-Match asks for version {if_match}; the first version is W/"1"'
        )


def version_mismatch(key: Key, if_match: int, current: int | None) -> PreconditionFailed:
    """Return the answer for an If-Match that does not hold."""
    case = f"its current version is {current}" if current else "it has no current version"
    return PreconditionFailed(f"If-Match asks for version {if_match} of {key}, but {case}")


def saved(result: Written | Unchanged) -> Saved:
    """Return what a put made of the resource."""
    assert result.stored is not None, "a put leaves a version behind"
    created = isinstance(result, Written) and result.created
    return Saved(result.stored, created=created, changed=isinstance(result, Written))


def lost_every_race(what: object) -> VersionConflict:
    """Return the answer for a write that others overtook each time."""
    return VersionConflict(
        f"{what} was changed by others {ATTEMPTS} times while this request tried; please try again"
    )
