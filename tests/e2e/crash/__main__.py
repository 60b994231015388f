"""Kill a server again and again while it writes, and look for what it lost."""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
from pathlib import Path
from random import Random

from tests.e2e.crash.rounds import Crashes


def main() -> int:
    """Run the rounds; return 1 where one showed a problem."""
    parser = argparse.ArgumentParser(prog="scripts/crash", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="kills [200]")
    parser.add_argument("--workers", type=int, default=1, help="processes that serve [1]")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32), help="[a random one]")
    given = parser.parse_args()
    sys.stdout.write(f"seed {given.seed}\n")
    failed = 0
    with tempfile.TemporaryDirectory(prefix="fhir-crash-") as folder:
        crashes = Crashes(Path(folder) / "node.db", given.workers, Random(given.seed))
        for shown in crashes.rounds(given.rounds):
            sys.stdout.write(f"round {shown.number}: {shown.acknowledged} writes acknowledged\n")
            for problem in shown.problems:
                failed = 1
                sys.stdout.write(f"  {problem}\n")
            sys.stdout.flush()
    return failed


if __name__ == "__main__":
    sys.exit(main())
