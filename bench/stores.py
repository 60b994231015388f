"""Loaded stores, kept in `.cache/bench` for as long as what they are made from stays as it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.place import SQLITE, Place, disk
from bench.population import FOLDER, GENERATOR, key, ndjson, remove
from bench.servers import ROOT, environment_of

INDEXED_BY = (
    *GENERATOR,
    "profiles/r4/search",
    "fhir_server/conformance",
    "fhir_server/fhir",
    "fhir_server/search",
    "fhir_server/storage/sqlite",
)
"""What a loaded store is made from: the population, what it is indexed by, and the tables."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A store with so many resources; `megabytes` is the peak memory of its load's largest process."""

    address: str
    resources: int
    seconds: float
    megabytes: float

    @property
    def disk(self) -> float:
        """What the store takes, in gigabytes."""
        return disk(self.address)


def store(resources: int) -> Loaded:
    """Return a store with so many resources, loaded if there is none; a load that was cut off goes on."""
    path = FOLDER / f"store-{resources}-{key(INDEXED_BY)}.db"
    note = path.with_suffix(".json")
    if not note.exists():
        _remove_stale(resources, path)
        seconds, megabytes = _load(ndjson(resources), f"{SQLITE}{path}")
        note.write_text(json.dumps({"seconds": seconds, "megabytes": megabytes}))
    return Loaded(f"{SQLITE}{path}", resources, **json.loads(note.read_text()))


def database(place: Place, resources: int) -> Loaded:
    """Return a database with so many resources, loaded anew."""
    name = f"growth_{resources}"
    place.remove(name)
    return Loaded(place.address(name), resources, *_load(ndjson(resources), place.address(name)))


def _remove_stale(resources: int, path: Path) -> None:
    """Delete stores of that size that are made from something else: each takes gigabytes."""
    for each in FOLDER.glob(f"store-{resources}-*.db"):
        if each != path:
            remove(each)
            each.with_suffix(".json").unlink(missing_ok=True)


def _load(source: Path, store: str) -> tuple[float, float]:
    """Load by the command, which shows its progress; return its seconds and its peak memory in MB."""
    print(f"loading {source.name} …", flush=True)
    arguments = ["-m", "fhir_server", "load", str(source)]
    start = time.perf_counter()
    child = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environment_of(store))
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, child.args)
    return time.perf_counter() - start, usage.ru_maxrss / 1024
