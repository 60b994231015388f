"""The data that is measured with: a generated population, written once and kept in `.cache/bench`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import date
from hashlib import blake2b
from pathlib import Path

from bench.servers import ROOT, environment_of
from fhir_server.cli.showing import bar
from fhir_server.demonstration.bulk import population
from fhir_server.demonstration.queries import Query, canonical
from fhir_server.fhir.json import dump

SEED = 1
TODAY = date(2026, 11, 1)
FOLDER = ROOT / ".cache" / "bench"


GENERATOR = ("fhir_server/demonstration", "bench/population.py")
"""What the population is made by."""


def key(sources: Iterable[str]) -> str:
    """Return a key that changes with any byte of these files and folders."""
    digest = blake2b(digest_size=6)
    for source in sources:
        path = ROOT / source
        for each in sorted(path.rglob("*")) if path.is_dir() else (path,):
            if each.suffix in {".py", ".json"}:
                digest.update(each.relative_to(ROOT).as_posix().encode() + each.read_bytes())
    return digest.hexdigest()


def ndjson(resources: int) -> Path:
    """Return a file with so many resources, generated if it is not there."""
    path = FOLDER / f"population-{resources}-{key(GENERATOR)}.ndjson"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        for stale in FOLDER.glob(f"population-{resources}-*"):
            stale.unlink()
        beside = path.with_suffix(".part")
        _generate(resources, beside)
        beside.replace(path)
    return path


def _generate(resources: int, path: Path) -> None:
    done = 0
    with path.open("wb") as file, bar("generating", resources, lambda: (done, f"{done:,}")):
        for each in population(seed=SEED, resources=resources, today=TODAY):
            file.write(dump(each) + b"\n")
            done += 1


def queries(resources: int) -> Sequence[Query]:
    """Return the thirty queries for a population."""
    return canonical(resources=resources, today=TODAY)


def remove(store: Path) -> None:
    """Delete a store's files."""
    for each in store.parent.glob(store.name + "*"):
        each.unlink()


def loaded(resources: int, store: str) -> subprocess.CompletedProcess[str]:
    """Load the population into the empty store at an address by the command; raise CalledProcessError if it fails."""
    arguments = ["-m", "fhir_server", "load", str(ndjson(resources))]
    return subprocess.run(
        ["/usr/bin/env", "time", "-f", "peak %M", sys.executable, *arguments]
        if Path("/usr/bin/time").exists()
        else [sys.executable, *arguments],
        cwd=ROOT,
        env=environment_of(store),
        check=True,
        capture_output=True,
        text=True,
    )
