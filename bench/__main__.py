"""`scripts/bench [NAME …]`: measure what README promises, each figure beside its limit in the same run."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from bench import (
    core,
    disclosed,
    enforcement,
    federation,
    growth,
    http,
    registering,
    revocation,
)
from bench.figures import Figure, as_markdown, save
from bench.place import Place
from fhir_server.demonstration.identifiers import NHS_NUMBERS

NAMES = (
    "load",
    "read",
    "audit",
    "search",
    "enforcement",
    "revocation",
    "registering",
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

NOT_MEASURED = "not measured"

STORES = ("large", "create", "bundle", "start", "revocation", "registering")


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
    parser.add_argument(
        "--connections",
        type=int,
        default=32,
        help="that read, search and create at once; fewer for a slow server",
    )
    parser.add_argument(
        "--register",
        type=int,
        default=NHS_NUMBERS,
        help="numbers on the register of opt-outs of enforcement",
    )
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
    sys.exit(any(each.measured.startswith(NOT_MEASURED) for each in figures))


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
    pressure = http.Pressure(given.connections, given.seconds)
    steps: dict[str, Callable[[], Figure | list[Figure]]] = {
        "load": lambda: core.load(given.resources, place),
        "read": lambda: http.read_by_id(large, folder, pressure),
        "audit": lambda: http.audited_reads(large, folder, pressure),
        "search": lambda: http.search_page(large, folder, pressure, given.resources),
        "enforcement": lambda: [
            *enforcement.of_the_store(large, folder, given.register),
            *disclosed.over_http(large, folder),
        ],
        "revocation": lambda: revocation.over_workers(place),
        "registering": lambda: registering.over_http(place, given.register),
        "count": lambda: core.count_of_a_term(large),
        "growth": lambda: growth.growth(given.sizes, place),
        "validation": core.validation,
        "start": lambda: core.start(place),
        "create": lambda: http.create(place, pressure),
        "bundle": lambda: http.transactions(place, given.seconds),
        "federation": lambda: federation.federation(folder, given.seconds),
    }
    if names & OF_LARGE and not place.holds("large"):
        names |= {"load"}
    return [
        figure
        for name, step in steps.items()
        if name in names
        for figure in _of(place, name, measured(name, step))
    ]


def measured(name: str, step: Callable[[], Figure | list[Figure]]) -> list[Figure]:
    """Return the figures of a step, or one that says why there are none: the others are still measured."""
    print(f"measuring {name} …", flush=True)
    try:
        found = step()
    except Exception as problem:  # noqa: BLE001 - whatever it was, it must not cost the other figures
        told = f"{NOT_MEASURED}: {type(problem).__name__}: {problem}"
        return [Figure(name, told, "", "", "", None)]
    return found if isinstance(found, list) else [found]


def _of(place: Place, name: str, figures: Sequence[Figure]) -> Sequence[Figure]:
    """Return figures without the promises of README, which are of SQLite, where they are of a MongoDB."""
    if place.mongo is None or name in WITHOUT_STORE:
        return figures
    return [replace(each, promised="none on MongoDB", kept=None) for each in figures]


if __name__ == "__main__":
    main()
