"""Two requests for one answer: the second where the first is late, the first that answers counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from fhir_server.federation.transport import Failed

_Answer = TypeVar("_Answer")


async def first_of(
    ask: Callable[[], Coroutine[Any, Any, _Answer]],
    patience: float,
    may_ask_again: Callable[[], bool],
) -> _Answer:
    """Return the first answer; ask a second time after so many seconds, if that is permitted then.

    Where both fail, raise Failed of the first. Whatever is still on its way at the end is cancelled.
    """
    asked = [asyncio.create_task(ask())]
    try:
        await asyncio.wait(asked, timeout=patience)
        if not asked[0].done() and may_ask_again():
            asked.append(asyncio.create_task(ask()))
            return await _first_answer(asked)
        return await asked[0]
    finally:
        await _cancelled(asked)


async def _first_answer(asked: Sequence[asyncio.Task[_Answer]]) -> _Answer:
    for each in asyncio.as_completed(asked):
        try:
            return await each
        except Failed:
            continue
    return asked[0].result()


async def _cancelled(tasks: Sequence[asyncio.Task[Any]]) -> None:
    left = [each for each in tasks if not each.done()]
    for each in left:
        each.cancel()
    if left:
        await asyncio.wait(left)
