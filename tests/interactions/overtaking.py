"""A real store whose every write someone else comes before: races that are lost on purpose."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from fhir_server.interactions.call import Call
from fhir_server.storage.contract import Store, ToldOf, WriteOp, WriteResult

Step = Callable[[], Awaitable[object]]


@dataclass
class _Overtaken:
    store: Store
    before: Step
    after: Step
    times: int

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    async def write(
        self, ops: Sequence[WriteOp], *, atomic: bool, told: ToldOf | None = None
    ) -> Sequence[WriteResult]:
        """Write, but let the others write before, and tidy up after."""
        if self.times == 0:
            return await self.store.write(ops, atomic=atomic, told=told)
        self.times -= 1
        await self.before()
        results = await self.store.write(ops, atomic=atomic, told=told)
        await self.after()
        return results


async def nothing() -> None:
    """Tidy up nothing."""


def overtaken(call: Call, before: Step, after: Step = nothing, *, times: int = 100) -> Call:
    """Return a call whose writes others come before, as often as this."""
    return replace(call, store=cast("Store", _Overtaken(call.store, before, after, times)))
