"""How MongoDB finds the thirty canonical queries: for a real server, as the tests' server plans otherwise."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from urllib.parse import parse_qsl

from bench.population import SEED, TODAY
from bench.servers import ROOT
from fhir_server.bulk.preparing import Preparation, preparation
from fhir_server.demonstration.bulk import population
from fhir_server.demonstration.queries import Query, canonical
from fhir_server.fhir.errors import FhirError
from fhir_server.fhir.resource import Key
from fhir_server.interactions.drafting import prepare
from fhir_server.policy.visibility import Visibility
from fhir_server.search.parsing import parse_query
from fhir_server.storage.contract import Put, Store
from fhir_server.storage.mongo.opening import open_store
from fhir_server.wiring import clock

SEES = Visibility.everything("bench")
RESOURCES = 10_000
TOGETHER = 500
MANY = 20
"""Keys that may be examined for each resource that is shown, before a query is marked."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the plans; return 1 where a query reads much more than it shows, or is refused."""
    parser = argparse.ArgumentParser(
        prog="scripts/mongo-plans",
        description=__doc__,
        epilog="An empty database is filled with synthetic data, which stays; drop it in mongosh. Each query is told with"
        " what it shows and how many keys were read for that, each statement with its plan from the outside in: wanted"
        " is IXSCAN by the index of what leads. A query that reads much more than it shows, or is refused, is marked"
        " with ! and makes the exit status 1. Try more --resources: at 1,000 a few are always marked.",
    )
    parser.add_argument("url", help="mongodb://HOST/DATABASE, of a database for this alone")
    parser.add_argument(
        "--resources",
        type=int,
        default=RESOURCES,
        help=f"how many an empty database is filled with [{RESOURCES}]",
    )
    asked = parser.parse_args(arguments)
    try:
        return asyncio.run(explain_all(asked.url, asked.resources))
    except FhirError as problem:
        parser.exit(1, f"mongo-plans: {problem}\n")


async def explain_all(url: str, resources: int) -> int:
    """Fill an empty database, explain each query; return how it went as an exit status."""
    made_with = preparation(ROOT / "profiles" / "r4", "http://localhost/fhir")
    async with open_store(url, clock=clock) as store:
        if not await store.now():
            await fill(store, made_with, resources)
        worst = [
            await explained(store, made_with, each)
            for each in canonical(resources=resources, today=TODAY)
        ]
    return int(any(worst))


async def fill(store: Store, made_with: Preparation, resources: int) -> None:
    """Write the population."""
    drafts = [
        Put(prepare(made_with, each, Key(each["resourceType"], each["id"])))
        for each in population(seed=SEED, resources=resources, today=TODAY)
    ]
    for start in range(0, len(drafts), TOGETHER):
        await store.write(drafts[start : start + TOGETHER], atomic=False)


async def explained(store: Store, made_with: Preparation, query: Query) -> bool:
    """Print how a query is found; tell whether it reads too much."""
    pairs = parse_qsl(query.parameters)
    parsed = parse_query(query.resource_type, pairs, made_with.definitions, now=clock())
    found = await store.explain(SEES, parsed.plan, None, parsed.count)
    is_too_much = bool(found.refusal) or found.rows_read > MANY * max(found.matches, 1)
    mark = "!" if is_too_much else " "
    sys.stdout.write(
        f"{mark} {query.name}: {found.matches} shown, {found.rows_read} keys, "
        f"{found.milliseconds:.1f} ms\n"
    )
    for each in found.statements:
        sys.stdout.write(f"    {' < '.join(each.way) or 'no plan told'}\n")
    if found.refusal:
        sys.stdout.write(f"    {found.refusal}\n")
    return is_too_much


if __name__ == "__main__":
    sys.exit(main())
