"""What a node does beside its requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from fhir_server.audit.publishing import Publisher
from fhir_server.catalogue.backfill import Backfill
from fhir_server.fhir.errors import FhirError
from fhir_server.rest.telemetry import Tell

LOOKED_FOR = 0.5
"""Seconds between two looks for search parameters that others wrote."""


@asynccontextmanager
async def working(
    backfill: Backfill, publisher: Publisher | None, tell: Tell, clock: Callable[[], int]
) -> AsyncIterator[None]:
    """Index by new search parameters and make AuditEvents, beside the requests, until the block ends."""
    steps = {"backfill_failed": lambda: backfill.step(clock())}
    if publisher is not None:
        steps["publishing_failed"] = publisher.in_passing
    tasks = [asyncio.create_task(_work(step, failed, tell)) for failed, step in steps.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        with suppress(FhirError):
            await backfill.release()


async def _work(step: Callable[[], Awaitable[bool]], failed: str, tell: Tell) -> None:
    while True:
        try:
            busy = await step()
        except Exception as problem:  # noqa: BLE001 - whatever it was, the next attempt may fare better
            tell(failed, {"level": "error", "problem": type(problem).__name__})
            busy = False
        await asyncio.sleep(0 if busy else LOOKED_FOR)
