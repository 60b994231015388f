"""Load files into a store: processes prepare, one writes; memory stays flat, order is kept.

Loading is idempotent: a resource is put under its own id, and equal content makes no new version.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from fhir_server.bulk.preparing import (
    Parameters,
    Prepared,
    Rejected,
    Result,
    Transaction,
    rejected,
    start_worker,
    work,
)
from fhir_server.bulk.putting import put_all
from fhir_server.bulk.resumption import State
from fhir_server.bulk.sources import Item, read_items
from fhir_server.catalogue.register import Register
from fhir_server.fhir.errors import FhirError
from fhir_server.fhir.resource import Resource
from fhir_server.storage.contract import Store, Unchanged

BATCH = 1_000
"""Items that travel to a process together."""

WRITTEN_TOGETHER = 6_000
"""Items that are written and committed together: the more, the fewer pages are written again."""

AHEAD = 3
"""Batches for each process that wait or are worked on: what bounds the memory."""


@dataclass(slots=True)
class Tally:
    """What has become of the resources so far; `read` counts the bytes of the files."""

    written: int = 0
    unchanged: int = 0
    rejected: int = 0
    invalid: int = 0
    read: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Items of one file that are prepared and written together; `size` in bytes of the file."""

    source: Path
    items: tuple[Item, ...]
    size: int


PreparedBatch = tuple[Batch, list[Result]]
"""A batch with what the processes made of it."""


def batches(sources: Sequence[Path], state: State) -> Iterator[Batch]:
    """Yield the items of the files that are not loaded yet."""
    for source in sources:
        items = read_items(source, after_line=state.line(source))
        before = 0
        while batch := tuple(islice(items, BATCH)):
            yield Batch(source, batch, batch[-1].read - before)
            before = batch[-1].read


def worker_count(asked: int | None) -> int:
    """Return how many processes prepare: those asked for, else one less than there are cores."""
    return asked or max(1, (os.cpu_count() or 2) - 1)


@contextmanager
def workers(
    processes: int, folder: Path, base_url: str, zone: str, *, keep_invalid: bool
) -> Iterator[ProcessPoolExecutor]:
    """Start processes that prepare; `folder` has the definitions, `zone` is that of dates without one."""
    pool = ProcessPoolExecutor(
        processes,
        mp_context=get_context("spawn"),
        initializer=start_worker,
        initargs=(folder, base_url, zone, keep_invalid),
    )
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


async def prepared(
    pool: ProcessPoolExecutor,
    processes: int,
    found: Iterator[Batch],
    parameters: Callable[[], Parameters],
) -> AsyncIterator[PreparedBatch]:
    """Yield each batch with what the processes made of it, in order, a few of them ahead."""
    loop = asyncio.get_running_loop()
    ahead: deque[tuple[Batch, asyncio.Future[list[Result]]]] = deque()
    for batch in found:
        items = [(each.line, each.content) for each in batch.items]
        is_xml = ".xml" in batch.source.suffixes
        task = partial(work, items, xml=is_xml, parameters=parameters())
        ahead.append((batch, loop.run_in_executor(pool, task)))
        if len(ahead) > AHEAD * processes:
            first, results = ahead.popleft()
            yield first, await results
    while ahead:
        first, results = ahead.popleft()
        yield first, await results


@dataclass(frozen=True, slots=True)
class Loader:
    """Writes what was prepared, and tells of each batch when it is durable.

    `transact` does a transaction Bundle as a whole and returns how many resources it wrote; `done` is told what was
    rejected of a batch. `register` has the search parameters in force.
    """

    store: Store
    register: Register
    transact: Callable[[Resource], Awaitable[int]]
    done: Callable[[Batch, Sequence[Rejected]], None]
    tally: Tally

    async def run(self, stream: AsyncIterator[PreparedBatch]) -> None:
        """Write all that the stream yields; while one group is written, the next is gathered."""
        group: list[PreparedBatch] = []
        writing = asyncio.create_task(self._write(()))
        async for each in stream:
            group.append(each)
            if sum(len(batch.items) for batch, _ in group) >= WRITTEN_TOGETHER:
                await writing
                writing = asyncio.create_task(self._write(group))
                group = []
        await writing
        await self._write(group)

    async def _write(self, group: Sequence[PreparedBatch]) -> None:
        found = [each for _, results in group for each in results]
        drafts = [each.draft for each in found if isinstance(each, Prepared)]
        answers = await put_all(self.store, self.register, drafts) if drafts else ()
        unchanged = sum(isinstance(each, Unchanged) for each in answers)
        self.tally.unchanged += unchanged
        self.tally.written += len(answers) - unchanged
        for batch, results in group:
            problems = await self._problems(results)
            self.tally.rejected += sum(not each.kept for each in problems)
            self.tally.invalid += sum(each.kept for each in problems)
            self.tally.read += batch.size
            self.done(batch, problems)

    async def _problems(self, results: Sequence[Result]) -> list[Rejected]:
        """Return what is wrong with a batch, once its transactions are done."""
        problems = [each for each in results if isinstance(each, Rejected)]
        for each in results:
            if isinstance(each, Transaction):
                try:
                    self.tally.written += await self.transact(each.bundle)
                except FhirError as error:
                    problems.append(rejected(each.line, error))
        return problems
