"""A connection for reading, and what reads on it: of one thread."""

from __future__ import annotations

from pathlib import Path

from fhir_server.storage.sqlite.budget import Budget
from fhir_server.storage.sqlite.explaining import Explainer
from fhir_server.storage.sqlite.reading import Reader
from fhir_server.storage.sqlite.schema import connect
from fhir_server.storage.sqlite.searching import Searcher


class Session:
    """A connection for reading, with its budget."""

    def __init__(self, path: Path, seconds: float) -> None:
        self.connection = connect(path, read_only=True)
        self.reader = Reader(self.connection)
        self.budget = Budget(self.connection, seconds=seconds)
        self.searcher = Searcher(self.connection)
        self.explainer = Explainer(self.connection, self.budget)
