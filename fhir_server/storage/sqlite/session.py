"""A connection for reading, and what reads on it: of one thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import local
from typing import TypeVar

from fhir_server.storage.sqlite.budget import Budget
from fhir_server.storage.sqlite.explaining import Explainer
from fhir_server.storage.sqlite.reading import Reader
from fhir_server.storage.sqlite.schema import connect
from fhir_server.storage.sqlite.searching import Searcher

T = TypeVar("T")


class Session:
    """A connection for reading, with its budget."""

    def __init__(self, path: Path, seconds: float) -> None:
        self.connection = connect(path, read_only=True)
        self.reader = Reader(self.connection)
        self.budget = Budget(self.connection, seconds=seconds)
        self.searcher = Searcher(self.connection)
        self.explainer = Explainer(self.connection, self.budget)


class Readers:
    """Threads for reading, each with a session of its own."""

    def __init__(self, path: Path, threads: ThreadPoolExecutor, seconds: float) -> None:
        self._path, self._threads, self._seconds = path, threads, seconds
        self._of_thread = local()

    async def __call__(self, work: Callable[[Session], T]) -> T:
        """Do a piece of work on one of them."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, work)

    def _run(self, work: Callable[[Session], T]) -> T:
        session: Session | None = getattr(self._of_thread, "session", None)
        if session is None:
            session = self._of_thread.session = Session(self._path, self._seconds)
        return work(session)
