"""The entries of a transaction as operations of one write, each with its preconditions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from fhir_server.fhir.errors import InvalidResource
from fhir_server.fhir.outcome import Issue
from fhir_server.fhir.resource import Key
from fhir_server.interactions.call import Call
from fhir_server.interactions.criteria import Criteria, version_of_nothing
from fhir_server.interactions.delete import deleting
from fhir_server.interactions.drafting import prepare
from fhir_server.interactions.entries import (
    Creation,
    Entry,
    Modification,
    Removal,
    Replacement,
    at_entry,
    invalid,
)
from fhir_server.interactions.identity import check_same_person
from fhir_server.interactions.linking import Links
from fhir_server.interactions.patch import Change, FhirPathPatch, JsonPatch, patching
from fhir_server.interactions.read import read
from fhir_server.interactions.references import relinked
from fhir_server.interactions.targets import Target, Targets, Writing, in_order_of_effect, permitted
from fhir_server.interactions.writing import expected_of_none, expected_version
from fhir_server.storage.contract import Delete, Expect, Expectation, Put, WriteOp

_PAUSE = 20
"""Entries that are prepared before others on the event loop get their turn."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation; `entry` is None for the precondition of a conditional reference."""

    op: WriteOp
    entry: Writing | None = None


async def steps_of(
    call: Call, entries: Sequence[Entry], targets: Targets, links: Links
) -> list[Step]:
    """Return the operations in the order of their effect; raise InvalidResource with all issues."""
    removals: list[Step] = []
    others: list[Step] = []
    issues: list[Issue] = []
    for number, entry in enumerate(in_order_of_effect(entries), 1):
        try:
            with at_entry(entry.index):
                own = permitted(call, entry)
                op = await _operation(own, entry, targets[entry.index], links)
                if op is not None:
                    await check_same_person(own, op)
        except InvalidResource as error:
            issues += error.issues
            continue
        if op is not None:
            (removals if isinstance(entry, Removal) else others).append(Step(op, entry))
        if number % _PAUSE == 0:
            await asyncio.sleep(0)
    if issues:
        raise invalid(issues)
    # Conditional references hold after the removals: none may point to what goes.
    return [*removals, *(Step(Expect(each)) for each in links.expectations), *others]


async def _operation(call: Call, entry: Writing, target: Target, links: Links) -> WriteOp | None:
    match entry:
        case Removal():
            return await _removal(call, entry, target)
        case Creation():
            return _creation(call, entry, target, links)
        case Replacement():
            return await _replacement(call, entry, target, links)
        case Modification():
            return await _modification(call, entry, target, links)
        case _:
            assert_never(entry)


async def _removal(call: Call, entry: Removal, target: Target) -> WriteOp | None:
    if isinstance(entry.where, Key):
        return await deleting(call, entry.where, entry.if_match)
    if target.key is None and entry.if_match is not None:
        raise version_of_nothing(entry.where, entry.if_match)
    expectation = _expectation(call, entry.where, target)
    if target.key is None:
        return Expect(expectation)
    return Delete(target.key, expected=entry.if_match, expectation=expectation)


def _creation(call: Call, entry: Creation, target: Target, links: Links) -> WriteOp:
    expectation = _expectation(call, entry.criteria, target) if entry.criteria else None
    if expectation is not None and target.match is not None:
        return Expect(expectation)
    draft = prepare(call, _relinked(entry.resource, entry, links), entry.key)
    return Put(draft, "POST", expected=0, expectation=expectation)


async def _replacement(call: Call, entry: Replacement, target: Target, links: Links) -> WriteOp:
    assert target.key is not None, "a PUT has an address, given or new"
    draft = prepare(call, _relinked(entry.resource, entry, links), target.key)
    if isinstance(entry.where, Key):
        return Put(draft, expected=await expected_version(call, target.key, entry.if_match))
    expectation = _expectation(call, entry.where, target)
    expected = entry.if_match if target.match else await expected_of_none(call, target.key)
    return Put(draft, expected=expected, expectation=expectation)


async def _modification(call: Call, entry: Modification, target: Target, links: Links) -> WriteOp:
    change = _relinked_change(entry, links)
    if isinstance(entry.where, Key):
        return patching(call, await read(call, entry.where), change, entry.if_match)
    assert target.match is not None, "criteria that match nothing are refused before"
    expectation = _expectation(call, entry.where, target)
    return patching(call, target.match, change, entry.if_match, expectation)


def _expectation(call: Call, criteria: Criteria, target: Target) -> Expectation:
    return criteria.expect(call, *((target.match.key,) if target.match else ()))


def _relinked(value: Any, entry: Writing, links: Links) -> Any:
    references = links.references.get(entry.index, {})
    return relinked(value, references, links.uris) if references or links.uris else value


def _relinked_change(entry: Modification, links: Links) -> Change:
    match entry.change:
        case JsonPatch(operations):
            return JsonPatch(_relinked(operations, entry, links))
        case FhirPathPatch(parameters):
            return FhirPathPatch(_relinked(parameters, entry, links))
        case _:
            assert_never(entry.change)
