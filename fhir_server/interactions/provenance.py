"""The Provenance of a write, in the same step: https://hl7.org/fhir/R4/provenance.html#header."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from fhir_server.fhir.errors import NotSupported
from fhir_server.fhir.resource import Key, Resource
from fhir_server.interactions.call import Call
from fhir_server.interactions.drafting import prepare
from fhir_server.storage.contract import Delete, Put, Store, WriteOp, WriteResult

PROVENANCE = "Provenance"


async def write_all(call: Call, ops: Sequence[WriteOp], *, atomic: bool) -> Sequence[WriteResult]:
    """Write the operations, and the Provenance that was sent along; raise InsufficientScope."""
    if call.provenance is None:
        return await call.write(ops, atomic=atomic)
    check_transactions(call.store)
    targets = list(_written(ops))
    if not targets:
        return await call.write(ops, atomic=atomic)
    results = await call.write((*ops, _about(call, call.provenance, targets)), atomic=True)
    return results[: len(ops)]


def check_transactions(store: Store) -> None:
    """Raise NotSupported where several resources are not there at once, for all who read."""
    if not store.has_transactions:
        raise NotSupported(
            "This node writes one resource at a time: its MongoDB is a standalone, which has no transactions. "
            "Send a batch, or each resource by itself, without X-Provenance"
        )


def _about(call: Call, provenance: Resource, targets: Sequence[Key]) -> Put:
    own = replace(call, needs="").to("c", PROVENANCE)
    key = Key(PROVENANCE, call.new_id())
    resource = provenance | {"target": [{"reference": str(each)} for each in targets]}
    return Put(prepare(own, resource, key), "POST", expected=0)


def _written(ops: Sequence[WriteOp]) -> Iterator[Key]:
    for each in ops:
        match each:
            case Put(draft):
                yield draft.key
            case Delete(key):
                yield key
            case _:
                pass
