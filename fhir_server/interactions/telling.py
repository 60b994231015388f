"""What a write tells of is there, for its writer: else whether it is seen afterwards would tell what is hidden.

What tells of something that is denied is denied with it (`fhir_server.search.telling`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fhir_server.fhir.errors import InvalidResource
from fhir_server.fhir.outcome import Issue
from fhir_server.fhir.resource import Key
from fhir_server.policy.visibility import Visibility
from fhir_server.storage.contract import Delete, Put, Store, WriteOp


def told_by(ops: Sequence[WriteOp]) -> Mapping[str, str]:
    """Return what these operations tell of and do not write themselves, each with the type that tells of it."""
    told = {
        each: op.draft.key.type
        for op in ops
        if isinstance(op, Put)
        for each in op.draft.record.about
    }
    if told:
        for op in ops:
            match op:
                case Put(draft):
                    told.pop(str(draft.key), None)
                case Delete(key):
                    told.pop(str(key), None)
                case _:
                    pass
    return told


async def check_seen(store: Store, sight: Visibility, told: Mapping[str, str]) -> None:
    """Raise InvalidResource for what is absent, or hidden: the answer is the same."""
    keys = [Key(*each.split("/", 1)) for each in sorted(told)]
    seen = {str(each.key) for each in await store.read_many(sight, keys)}
    issues = [_issue(kind, each) for each, kind in sorted(told.items()) if each not in seen]
    if issues:
        raise InvalidResource(issues)


def _issue(kind: str, missing: str) -> Issue:
    told = f"this {kind} is about {missing}, and you see nothing there: write that first, or in the same transaction"
    return Issue("error", "not-found", told, kind)
