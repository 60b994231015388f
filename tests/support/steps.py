"""The steps of what operators do to a store, from tests that are not async."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

T = TypeVar("T")


async def every(steps: AsyncIterator[T]) -> list[T]:
    """Return all steps, once they are done."""
    return [each async for each in steps]


def all_steps(steps: AsyncIterator[T]) -> list[T]:
    """Do all steps and return them."""
    return asyncio.run(every(steps))
