"""How many matches there are in all: told where it is known; else how many there are at least. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fhir_server.federation.accounts import Account
from fhir_server.federation.merging import Merge


@dataclass(frozen=True, slots=True)
class Total:
    """The number of all matches where it is `exact`; else there are `least` at least."""

    least: int
    exact: bool

    @property
    def known(self) -> int | None:
        """The number of all matches, None where it is not known."""
        return self.least if self.exact else None


def total_of(merge: Merge, *, rest: bool) -> Total:
    """Return the total of a search: at its end what was shown, before that what all members told together.

    What members told counts what is the same as well; of the `rest` of a search nothing is told of the whole.
    """
    accounts = [each.account for each in merge.streams]
    shown = sum(each.emitted for each in accounts)
    if merge.same is not None or not merge.more:
        well = all(each.state == "ok" for each in accounts)
        return Total(shown, exact=well and not (merge.more or rest))
    found = counted(accounts)
    return Total(found.least, exact=found.exact and not rest)


def counted(accounts: Sequence[Account]) -> Total:
    """Return what all members told together; of one that told nothing counts what was shown of it."""
    told = [each.total for each in accounts if each.state == "ok"]
    exact = len(told) == len(accounts) and None not in told
    return Total(sum(map(_least, accounts)), exact)


def _least(account: Account) -> int:
    """Return how many matches a member has at least; what one said that was given up counts no more."""
    return account.emitted if account.frozen else max(account.emitted, account.total or 0)
