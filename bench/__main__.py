"""`scripts/bench [NAME …]`: measure what README promises, each figure beside its limit in the same run."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import core, http
from bench.figures import Figure, as_markdown, save
from bench.servers import ROOT

NAMES = ("load", "read", "search", "create", "bundle", "count", "growth", "validation", "start")


def main() -> None:
    """Measure what is asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)} [all]")
    parser.add_argument("--resources", type=int, default=300_000, help="size of the large store")
    parser.add_argument("--small", type=int, default=10_000, help="size of the small store")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each round over HTTP")
    parser.add_argument("--keep", type=Path, help="folder whose stores are used again")
    given = parser.parse_args()
    unknown = set(given.names) - set(NAMES)
    if unknown:
        parser.error(
            f"no such measurement: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}"
        )
    folder = given.keep or Path(tempfile.mkdtemp(prefix="fhir-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        figures = measure(set(given.names or NAMES), given, folder)
    finally:
        if given.keep is None:
            shutil.rmtree(folder)
    print(as_markdown(figures))
    save(figures, ROOT / "bench" / "results" / "latest.json")


def measure(names: set[str], given: argparse.Namespace, folder: Path) -> list[Figure]:
    """Return the figures, in the order in which they are measured."""
    large, small = folder / "large.db", folder / "small.db"
    figures: list[Figure] = []
    if "load" in names or not large.exists():
        figures += core.load(given.resources, large)
    if "growth" in names and not small.exists():
        core.load(given.small, small)
    steps: dict[str, Callable[[], Figure | list[Figure]]] = {
        "read": lambda: http.read_by_id(large, folder, given.seconds),
        "search": lambda: http.search_page(large, folder, given.seconds),
        "count": lambda: core.count_of_a_term(large),
        "growth": lambda: core.growth((given.small, small), (given.resources, large)),
        "validation": core.validation,
        "start": lambda: core.start(folder),
        "create": lambda: http.create(folder / "create.db", given.seconds),
        "bundle": lambda: http.transactions(folder / "bundle.db", given.seconds),
    }
    for name, step in steps.items():
        if name in names:
            print(f"measuring {name} …", flush=True)
            found = step()
            figures += found if isinstance(found, list) else [found]
    return figures


if __name__ == "__main__":
    main()
