"""The trail: where all that happens is recorded before it is answered.

A read is recorded by `Trail.record`, a write by the `Recording` of its request, within the transaction of the write.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fhir_server.audit.event import SUCCESS, Agent, Event, Touched, encoded
from fhir_server.policy.decision import Audience
from fhir_server.storage.auditing import AuditLog
from fhir_server.storage.contract import Refused, Store, Unchanged, WriteOp, WriteResult, Written

_ACTIONS = {"POST": "C", "PUT": "U", "PATCH": "U", "DELETE": "D"}


@dataclass(frozen=True, slots=True)
class Trail:
    """Records events; `strict`: none is answered before its event is durable."""

    log: AuditLog
    strict: bool = False

    async def record(self, event: Event, *, durable: bool = False) -> None:
        """Return once an event cannot be lost but by a crash (`durable`, or strict: not even so).

        Raise Unavailable where it cannot be kept: then nothing is to be answered.
        """
        await self.log.append(encoded(event), durable=durable or self.strict)


@dataclass(slots=True)
class Recording:
    """What one request is recorded as; `written` tells that a write took its event along.

    `agent`, `audience`, `emergency`, `rule` and `note` are set by whoever decides, before the write or the answer.
    """

    moment: int
    kind: str
    request_id: str = ""
    asked: str = ""
    agent: Agent | None = None
    address: str = ""
    rule: str = ""
    because: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()
    note: str = ""
    audience: Audience | None = None
    emergency: tuple[str, ...] = ()
    written: bool = False

    async def written_by(
        self, store: Store, ops: Sequence[WriteOp], *, atomic: bool
    ) -> Sequence[WriteResult]:
        """Write, and log the event in the same step; nothing is logged of what is refused."""
        results = await store.write(ops, atomic=atomic, told=self._entry)
        if not any(isinstance(each, Refused) for each in results):
            self.written = True
        return results

    def _entry(self, results: Sequence[WriteResult]) -> bytes:
        return encoded(self.event(SUCCESS, tuple(_made(results))))

    def event(self, status: int, touched: tuple[Touched, ...] = ()) -> Event:
        """Return the event of an answer."""
        return Event(
            self.moment,
            self.kind,
            status,
            self.request_id,
            self.asked,
            self.agent,
            self.address,
            self.rule,
            self.because,
            touched,
            self.patients,
            self.note,
            self.audience,
            self.emergency,
        )


def _made(results: Sequence[WriteResult]) -> Iterator[Touched]:
    """Yield the versions that a write made, and those that were as it wanted them already."""
    for each in results:
        if isinstance(each, Written | Unchanged) and each.stored is not None:
            stored = each.stored
            created = isinstance(each, Written) and each.created
            action = "C" if created else _ACTIONS[stored.method]
            if isinstance(each, Unchanged):
                action = "D" if stored.deleted else "U"
            yield Touched(action, stored.key.type, stored.key.id, stored.version)
