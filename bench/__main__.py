"""`scripts/bench [NAME …]`: measure what README promises, each figure beside its limit in the same run."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from bench import core, disclosed, enforcement, federation, growth, http, revocation
from bench.figures import Figure, as_markdown, save
from bench.place import Place

NAMES = (
    "load",
    "read",
    "audit",
    "search",
    "enforcement",
    "revocation",
    "create",
    "bundle",
    "federation",
    "count",
    "growth",
    "validation",
    "start",
)
OF_LARGE = {"read", "audit", "search", "enforcement", "count"}
"""What is measured on the large store."""

WITHOUT_STORE = {"validation", "federation"}
"""What is measured without the store: a hub keeps nothing of what it passes on."""

STORES = ("large", "create", "bundle", "start")


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
    parser.add_argument(
        "--store", type=_address, help="mongodb://HOST/NAME: measure there, in databases NAME_large and so on, which "
        "are dropped [files of this machine]",
    )  # fmt: skip
    given = parser.parse_args()
    unknown = set(given.names) - set(NAMES)
    if unknown:
        parser.error(
            f"no such measurement: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}"
        )
    folder = given.keep or Path(tempfile.mkdtemp(prefix="fhir-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    place = Place(folder, given.store)
    try:
        figures = measure(set(given.names or NAMES), given, place)
    finally:
        if given.keep is None:
            clean(place, given.sizes)
    print(as_markdown(figures))
    save(figures, (growth.RESULTS if given.store is None else growth.OF_MONGODB) / "latest.json")


def clean(place: Place, sizes: Sequence[int]) -> None:
    """Remove what was measured with; the files of growth stay."""
    if place.mongo is not None:
        for name in (*STORES, *(f"growth_{each}" for each in sizes)):
            place.remove(name)
    shutil.rmtree(place.folder)


def _address(text: str) -> str:
    if not text.startswith(("mongodb://", "mongodb+srv://")):
        raise argparse.ArgumentTypeError("mongodb://HOST/NAME")
    return text


def _sizes(text: str) -> tuple[int, ...]:
    """Return sizes in their order; each of the queries finds something from 10,000 resources on."""
    sizes = sorted({int(each) for each in text.split(",")})
    if len(sizes) < 2 or sizes[0] < 1_000:
        raise argparse.ArgumentTypeError("two numbers or more, from 1000 on: 10000,100000")
    return tuple(sizes)


def measure(names: set[str], given: argparse.Namespace, place: Place) -> list[Figure]:
    """Return the figures, in the order in which they are measured."""
    large, folder = place.address("large"), place.folder
    figures: list[Figure] = []
    if "load" in names or (names & OF_LARGE and not place.holds("large")):
        figures += _of(place, "load", core.load(given.resources, place))
    steps: dict[str, Callable[[], Figure | list[Figure]]] = {
        "read": lambda: http.read_by_id(large, folder, given.seconds),
        "audit": lambda: http.audited_reads(large, folder, given.seconds),
        "search": lambda: http.search_page(large, folder, given.seconds, given.resources),
        "enforcement": lambda: [
            *enforcement.of_the_store(large, folder),
            *disclosed.over_http(large, folder),
        ],
        "revocation": lambda: revocation.over_workers(place),
        "count": lambda: core.count_of_a_term(large),
        "growth": lambda: growth.growth(given.sizes, place),
        "validation": core.validation,
        "start": lambda: core.start(place),
        "create": lambda: http.create(place, given.seconds),
        "bundle": lambda: http.transactions(place, given.seconds),
        "federation": lambda: federation.federation(folder, given.seconds),
    }
    for name, step in steps.items():
        if name in names:
            print(f"measuring {name} …", flush=True)
            found = step()
            figures += _of(place, name, found if isinstance(found, list) else [found])
    return figures


def _of(place: Place, name: str, figures: Sequence[Figure]) -> Sequence[Figure]:
    """Return figures without the promises of README, which are of SQLite, where they are of a MongoDB."""
    if place.mongo is None or name in WITHOUT_STORE:
        return figures
    return [replace(each, promised="none on MongoDB", kept=None) for each in figures]


if __name__ == "__main__":
    main()
