"""The data that is measured with: a generated population, written once and kept in `.cache/bench`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from bench.servers import ROOT
from fhir_server.demonstration.bulk import population
from fhir_server.demonstration.queries import Query, canonical
from fhir_server.fhir.json import dump

SEED = 1
TODAY = date(2026, 11, 1)
FOLDER = ROOT / ".cache" / "bench"


def ndjson(resources: int) -> Path:
    """Return a file with so many resources, generated if it is not there."""
    path = FOLDER / f"population-{resources}.ndjson"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".part")
        with beside.open("wb") as file:
            for each in population(seed=SEED, resources=resources, today=TODAY):
                file.write(dump(each) + b"\n")
        beside.replace(path)
    return path


def queries(resources: int) -> Sequence[Query]:
    """Return the thirty queries for a population."""
    return canonical(resources=resources, today=TODAY)


def remove(store: Path) -> None:
    """Delete a store's files."""
    for each in store.parent.glob(store.name + "*"):
        each.unlink()


def loaded(resources: int, path: Path) -> subprocess.CompletedProcess[str]:
    """Load the population into an empty store by the command; raise CalledProcessError if it fails."""
    remove(path)
    arguments = ["-m", "fhir_server", "load", str(ndjson(resources)), "--store", f"sqlite:{path}"]
    return subprocess.run(
        ["/usr/bin/env", "time", "-f", "peak %M", sys.executable, *arguments]
        if Path("/usr/bin/time").exists()
        else [sys.executable, *arguments],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
