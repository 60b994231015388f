"""Runs as many scripts as asked for, on random stores: `scripts/noninterference --help`."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from itertools import count

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from tests.noninterference.comparing import (
    CALLERS,
    SCRIPTS_TOGETHER,
    Different,
    Tally,
    compare_world,
)
from tests.noninterference.keeping import Keep
from tests.noninterference.keeping_on_mongo import KEEPING
from tests.support import mongo


def main() -> int:
    """Return 1 where the hidden made a difference."""
    parser = argparse.ArgumentParser(prog="scripts/noninterference", description=__doc__)
    parser.add_argument("--scripts", type=int, default=20_000)
    parser.add_argument("--store", choices=KEEPING, default="sqlite")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)  # noqa: T201 - a command
    began, tally = time.monotonic(), Tally()
    try:
        with KEEPING[asked.store]() as keep:
            if (told := _compared(keep, asked.seed, asked.scripts, tally)) is not None:
                print(f"scripts/noninterference --store {asked.store} {told}")  # noqa: T201 - a command
                return 1
    finally:
        mongo.end_shared()
    seconds = time.monotonic() - began
    print(  # noqa: T201 - a command
        f"{tally.scripts} scripts, {tally.answers} answers, {tally.hidden} versions hidden, {tally.events} events:"
        f" no difference ({seconds:.0f} s); statuses {sorted(tally.statuses)}"
    )
    return 0


def _compared(keep: Keep, seed: int, scripts: int, tally: Tally) -> str | None:
    """Run scripts; return how to run those again where the hidden made a difference, and which."""
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("scripts", total=scripts)
        for world in count(seed):
            callers = min(CALLERS, -(-(scripts - tally.scripts) // SCRIPTS_TOGETHER))
            work = compare_world(keep, world, tally, lambda: progress.advance(bar), callers=callers)
            try:
                asyncio.run(work)
            except Different as difference:
                return f"--scripts 1 --seed {world}{difference}"
            if tally.scripts >= scripts:
                break
    return None


if __name__ == "__main__":
    sys.exit(main())
