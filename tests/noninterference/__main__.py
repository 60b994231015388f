"""Runs as many scripts as asked for, on random stores: `scripts/noninterference --help`."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from tests.noninterference.comparing import (
    CALLERS,
    SCRIPTS_TOGETHER,
    Different,
    Tally,
    compare_world,
)


def main() -> int:
    """Return 1 where the hidden made a difference."""
    parser = argparse.ArgumentParser(prog="scripts/noninterference", description=__doc__)
    parser.add_argument("--scripts", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)  # noqa: T201 - a command
    began, tally, world = time.monotonic(), Tally(), asked.seed
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("scripts", total=asked.scripts)
        while tally.scripts < asked.scripts:
            left = asked.scripts - tally.scripts
            callers = min(CALLERS, -(-left // SCRIPTS_TOGETHER))
            try:
                asyncio.run(
                    compare_world(world, tally, lambda: progress.advance(bar), callers=callers)
                )
            except Different as difference:
                print(f"scripts/noninterference --scripts 1 --seed {world}{difference}")  # noqa: T201
                return 1
            world += 1
    seconds = time.monotonic() - began
    print(  # noqa: T201 - a command
        f"{tally.scripts} scripts, {tally.answers} answers, {tally.hidden} versions hidden, {tally.events} events:"
        f" no difference ({seconds:.0f} s); statuses {sorted(tally.statuses)}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
