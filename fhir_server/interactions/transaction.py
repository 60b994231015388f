"""The transaction interaction: all entries or none. https://hl7.org/fhir/R4/http.html#transaction.

Everything is looked up and checked first; then comes one write, whose preconditions say that what was found
still holds. Where another writer came between, all of it is decided anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fhir_server.fhir.errors import BadRequest, VersionConflict
from fhir_server.fhir.resource import Key, Resource
from fhir_server.interactions.call import Call
from fhir_server.interactions.criteria import Criteria, id_in_use, only_match
from fhir_server.interactions.entries import (
    MOST_ENTRIES,
    Creation,
    Entry,
    ReadEntry,
    Removal,
    Replacement,
    at_entry,
    read_entries,
)
from fhir_server.interactions.linking import resolve_links
from fhir_server.interactions.outcomes import Deleted, Saved
from fhir_server.interactions.provenance import check_transactions, write_all
from fhir_server.interactions.steps import Step, steps_of
from fhir_server.interactions.targets import Target, Targets, Writing, find_targets, permitted
from fhir_server.interactions.writing import check_not_hidden, saved, version_mismatch
from fhir_server.storage.contract import Put, Refused, Unchanged, WriteResult, Written

ATTEMPTS = 5
"""How often a transaction that lost a race is decided anew."""


@dataclass(frozen=True, slots=True)
class EntryResult:
    """What became of the entry at this place of the Bundle."""

    index: int
    outcome: Saved | Deleted | ReadEntry


async def transaction(
    call: Call, bundle: Resource, *, most: int = MOST_ENTRIES
) -> tuple[EntryResult, ...]:
    """Do what the entries ask for, all or nothing; raise a FhirError that names the entry at fault."""
    check_transactions(call.store)
    entries = read_entries(call, bundle, most)
    for _ in range(ATTEMPTS):
        targets = await find_targets(call, entries)
        links = await resolve_links(call, entries, targets)
        steps = await steps_of(call, entries, targets, links)
        answers = await write_all(call, [each.op for each in steps], atomic=True) if steps else ()
        if not any(isinstance(each, Refused) for each in answers):
            return _results(entries, targets, steps, answers)
        await _raise_unless_race(call, steps, targets, answers)
    raise VersionConflict(
        f"others changed what this transaction depends on {ATTEMPTS} times; "
        "nothing was written; please try again"
    )


def _results(
    entries: Sequence[Entry],
    targets: Targets,
    steps: Sequence[Step],
    answers: Sequence[WriteResult],
) -> tuple[EntryResult, ...]:
    answered = {
        step.entry.index: answer
        for step, answer in zip(steps, answers, strict=True)
        if step.entry is not None
    }
    return tuple(
        EntryResult(
            each.index,
            each
            if isinstance(each, ReadEntry)
            else _outcome(each, targets[each.index], answered.get(each.index)),
        )
        for each in entries
    )


def _outcome(entry: Writing, target: Target, answer: WriteResult | None) -> Saved | Deleted:
    if isinstance(entry, Removal):
        return Deleted(None if answer is None or isinstance(answer, Refused) else answer.stored)
    if isinstance(entry, Creation) and target.match is not None:
        return Saved(target.match, created=False, changed=False)
    assert isinstance(answer, Written | Unchanged), "each of the others is one put"
    return saved(answer)


async def _raise_unless_race(
    call: Call, steps: Sequence[Step], targets: Targets, answers: Sequence[WriteResult]
) -> None:
    """Raise what is wrong for good; return where a new attempt may fare better."""
    written = {each.op.draft.key for each in steps if isinstance(each.op, Put)}
    for step, answer in zip(steps, answers, strict=True):
        if step.entry is not None and isinstance(answer, Refused):
            with at_entry(step.entry.index):
                await _explain(
                    permitted(call, step.entry),
                    step.entry,
                    targets[step.entry.index],
                    answer,
                    written,
                )


async def _explain(
    call: Call, entry: Writing, target: Target, refused: Refused, written: set[Key]
) -> None:
    own = written.intersection(refused.matches or ())
    if target.match is not None:
        own.discard(target.match.key)
    if own:
        named = ", ".join(map(str, sorted(own)))
        raise BadRequest(f"its criteria match what other entries write ({named})")
    if refused.current is None or target.key is None:
        return
    if not isinstance(entry, Creation) and entry.if_match is not None:
        raise version_mismatch(target.key, entry.if_match, refused.current)
    if isinstance(entry, Replacement):
        await check_not_hidden(call, target.key)
    where = entry.where if isinstance(entry, Replacement) else None
    # A resource that someone has just made may match: then a new attempt updates it.
    if isinstance(where, Criteria) and not target.match and not await only_match(call, where):
        raise id_in_use(where, target.key)
