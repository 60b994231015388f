"""`scripts/bench [NAME …]`: measure what README promises, each figure beside its limit in the same run."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import core, disclosed, enforcement, growth, http, revocation
from bench.figures import Figure, as_markdown, save
from bench.servers import ROOT

NAMES = (
    "load",
    "read",
    "audit",
    "search",
    "enforcement",
    "revocation",
    "create",
    "bundle",
    "count",
    "growth",
    "validation",
    "start",
)
OF_LARGE = {"read", "audit", "search", "enforcement", "count"}
"""What is measured on the large store."""


def main() -> None:
    """Measure what is asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)} [all]")
    parser.add_argument("--resources", type=int, default=300_000, help="size of the large store")
    parser.add_argument(
        "--sizes", type=_sizes, default=(10_000, 100_000),
        help="of the stores of growth; README has 10000,100000,1000000, 3.6 GB [10000,100000]",
    )  # fmt: skip
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


def _sizes(text: str) -> tuple[int, ...]:
    """Return sizes in their order; the queries find something from 10,000 resources on."""
    sizes = sorted({int(each) for each in text.split(",")})
    if len(sizes) < 2 or sizes[0] < 10_000:
        raise argparse.ArgumentTypeError("two numbers or more, from 10000 on: 10000,100000")
    return tuple(sizes)


def measure(names: set[str], given: argparse.Namespace, folder: Path) -> list[Figure]:
    """Return the figures, in the order in which they are measured."""
    large = folder / "large.db"
    figures: list[Figure] = []
    if "load" in names or (names & OF_LARGE and not large.exists()):
        figures += core.load(given.resources, large)
    steps: dict[str, Callable[[], Figure | list[Figure]]] = {
        "read": lambda: http.read_by_id(large, folder, given.seconds),
        "audit": lambda: http.audited_reads(large, folder, given.seconds),
        "search": lambda: http.search_page(large, folder, given.seconds),
        "enforcement": lambda: [
            *enforcement.of_the_store(large),
            *disclosed.over_http(large, folder, enforcement.people_in(large)),
        ],
        "revocation": lambda: revocation.over_workers(folder),
        "count": lambda: core.count_of_a_term(large),
        "growth": lambda: growth.growth(given.sizes),
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
