"""Every command that answers a caller's request with rows of resources has their denials looked up, or is listed here."""

from __future__ import annotations

import asyncio
import re

from tests.noninterference.chosen import CALLERS as CHOSEN
from tests.noninterference.killing import killing
from tests.noninterference.tracing import Trace, traced

CALLERS = len(CHOSEN)

LISTED = {
    # What no caller is told.
    r"aggregate resource \$match \$limit \$group": "candidates of what may lead, counted to choose",
    r"aggregate resource \$match \$sort \$group": "the types that exist: each is then searched",
    r"find resource by : m": "the moment of the latest write",
    r"find resource by t i n x: _id t i v m e b": "the search parameters that clients wrote, read by the register for itself",
    # What is found by these is looked at again, under the sight, before it is told.
    r"find resource by _id: n": "under which number the versions of one resource are",
    r"find history by n m: _id n": "which versions were current at a moment",
    # The writer's own, once the sight has been asked.
    r"find resource by _id: all": "what is written over",
}
"""What answers without, each with its reason."""


def emitted(callers: int) -> Trace:
    """Return what the requests of some callers ask, and no others' do."""
    with killing("mongo", seed=1) as asked:
        recorded = [asked.caller(number) for number in range(callers)]
        with traced() as trace:
            for each in recorded:
                asyncio.run(asked.ask(each))
    return trace


def test_each_command_on_rows_of_resources_has_denials_looked_up() -> None:
    told = emitted(CALLERS).transactions.values()
    unguarded = {shape for each in told for shape in each.unguarded()}

    assert [
        each for each in sorted(unguarded) if not any(re.fullmatch(one, each) for one in LISTED)
    ] == []
    assert sum(bool(each.looked_up) for each in told) > 50
