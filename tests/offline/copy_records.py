"""Copies all records from a file to MongoDB and back: see `scripts/copy-records`."""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import tempfile
from pathlib import Path

from fhir_server.cli.frame import main
from fhir_server.cli.showing import Stopwatch
from fhir_server.offline.backends import upkeep_of
from fhir_server.offline.copying import Progress, contents_of
from fhir_server.settings import Settings
from tests.offline.records import fill
from tests.support import mongo

NOW = 1_900_000_000_000_000


def run() -> None:
    parser = argparse.ArgumentParser(prog="scripts/copy-records")
    parser.add_argument("--every", type=int, default=1, help="copy every so many of the records")
    every = parser.parse_args().every
    with tempfile.TemporaryDirectory() as name, mongo.database(Path(name)) as there:
        folder = Path(name)
        first, back = f"sqlite:{folder / 'first.db'}", f"sqlite:{folder / 'back.db'}"
        number = asyncio.run(fill(Settings(store=first), folder, every=every))
        _say(f"{number} records loaded, with histories")
        for command in (
            ("copy", "--from", first, "--to", there),
            ("copy", "--from", there, "--to", back),
            *(("check", "--store", each) for each in (first, there, back)),
            *(("audit", "verify", "--store", each) for each in (first, there, back)),
        ):
            watch = Stopwatch()
            main(command)
            _say(f"{command[0]}: {watch.seconds:.1f} s")
        same = len({str(asyncio.run(_contents(each))) for each in (first, there, back)}) == 1
    mongo.drop_closed()
    mongo.end_shared()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    _say(f"peak memory {peak} MB")
    sys.exit("the contents differ" if not same else 0)


async def _contents(store: str) -> object:
    async with upkeep_of(Settings(store=store)).giving() as giving:
        return await contents_of(giving, Progress(), now=NOW)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    run()
