"""An event loop whose time is its own: nothing waits, and what would happen first happens first."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class _VirtualLoop(asyncio.SelectorEventLoop):
    """Goes on to the moment of the next timer where nothing else is to be done."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        loop: Any = self
        waiting = [each._when for each in loop._scheduled if not each._cancelled]
        if not loop._ready and waiting:
            self._now = max(self._now, min(waiting))
        super()._run_once()  # type: ignore[misc]


def in_virtual_time(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a coroutine to its end; its time begins at 0, and passes as it waits."""
    with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
        return runner.run(work)


def moment() -> int:
    """Return the time of the running loop in microseconds."""
    return round(asyncio.get_running_loop().time() * 1_000_000)
