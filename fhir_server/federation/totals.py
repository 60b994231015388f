"""How many matches there are in all: told where it is known, and nothing else is told. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fhir_server.federation.accounts import Account
from fhir_server.federation.asking import Asking
from fhir_server.federation.merging import Merge


def total_of(
    merge: Merge, askings: Mapping[str, Asking], totals: Mapping[str, int | None]
) -> int | None:
    """Return the total of a search: of one page what is on it, of more what all members told together."""
    accounts = [each.account for each in merge.streams]
    if merge.page > 1 or any(each.state != "ok" for each in accounts):
        return None
    if not merge.more:
        return len(merge.taken)
    if merge.same is not None or any(not askings[each.member].whole for each in accounts):
        return None
    return sum_of(accounts, totals)


def sum_of(accounts: Sequence[Account], totals: Mapping[str, int | None]) -> int | None:
    """Return what all members told together, None where one told nothing."""
    found = [totals.get(each.member) if each.state == "ok" else None for each in accounts]
    told = [each for each in found if each is not None]
    return sum(told) if len(told) == len(found) else None
