"""What became of each member in a page: every one is accounted for, so that nothing is lost in silence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

import msgspec

from fhir_server.fhir.instants import instant
from fhir_server.fhir.outcome import Issue, operation_outcome
from fhir_server.fhir.resource import Resource

State: TypeAlias = Literal[
    "ok",
    "partial",
    "timeout",
    "error",
    "circuit-open",
    "unauthorised",
    "unsupported",
    "order-violation",
    "suspended",
]
"""How a member fared; `partial`: it says itself that its answer is not whole; `suspended`: it is not to be asked."""

EXTENSION = "https://example.org/fdp/StructureDefinition/federation-member"

AT_LEAST = "https://example.org/fdp/StructureDefinition/federation-total-at-least"
"""An extension on the issue that tells how many matches there are at least, where there is no total."""

_CODES: dict[State, str] = {
    "partial": "incomplete",
    "timeout": "timeout",
    "error": "transient",
    "circuit-open": "transient",
    "unauthorised": "security",
    "unsupported": "not-supported",
    "order-violation": "processing",
    "suspended": "suppressed",
}
"""The issue code of each state: https://hl7.org/fhir/R4/valueset-issue-type.html."""

_SAID: dict[State, str] = {
    "partial": "answered in part",
    "timeout": "did not answer in time",
    "error": "failed",
    "circuit-open": "has failed again and again, and is left alone for a while",
    "unauthorised": "does not let this server in",
    "unsupported": "cannot be asked this",
    "order-violation": "did not keep the order",
    "suspended": "is not asked for now",
}


class Account(msgspec.Struct):
    """One member in one cursor. `milliseconds` is what this page waited for it; `fetched` and `emitted` count matches.

    `persons_as_of` (us): of people whom it came to know later it was not asked. `frozen_at` is the page, from 1, at which
    it was given up: nothing of it comes later in this cursor. `total` is how many matches it has, None where that is not
    known.
    """

    member: str
    state: State = "ok"
    ods: str | None = None
    milliseconds: int = 0
    fetched: int = 0
    emitted: int = 0
    frozen_at: int | None = None
    problem: str = ""
    total: int | None = None
    persons_as_of: int | None = None

    @property
    def frozen(self) -> bool:
        """Tell whether the member was given up."""
        return self.frozen_at is not None


def outcome_of(
    accounts: Iterable[Account],
    issues: Iterable[Issue] = (),
    *,
    cleared: bool = False,
    at_least: int | None = None,
) -> Resource:
    """Return the OperationOutcome of a page: an issue for each member that is not ok, and a list of all.

    Where the total is not known, one more says that there are `at_least` so many. Of what was `cleared` neither the number that was fetched nor the time is told: they depend on what was left out.
    """
    told = list(accounts)
    missing = [each for each in told if each.state != "ok"]
    found = [*issues, *(_issue(each) for each in missing)]
    if not missing:
        count = f"{len(told)} of {len(told)} members answered"
        found.append(Issue("information", "informational", count))
    outcome = operation_outcome(found)
    if at_least is not None:
        outcome["issue"].append(_lower_bound(at_least))
    outcome["extension"] = [_listed(each, cleared=cleared) for each in told]
    return outcome


def _issue(account: Account) -> Issue:
    told = f"The member {account.member} {_SAID[account.state]}"
    if account.problem:
        told += f": {account.problem}"
    if account.frozen and account.emitted:
        told += f"; {account.emitted} of its matches came before that"
    return Issue("warning", _CODES[account.state], told)


def _lower_bound(number: int) -> Resource:
    matching = "1 resource matches" if number == 1 else f"{number} resources match"
    told = f"At least {matching}; how many in all is not known here"
    (element,) = operation_outcome([Issue("information", "informational", told)])["issue"]
    return {"extension": [{"url": AT_LEAST, "valueUnsignedInt": number}], **element}


def _listed(account: Account, *, cleared: bool) -> Resource:
    told: list[dict[str, Any]] = [
        {"url": "member", "valueString": account.member},
        {"url": "status", "valueCode": account.state},
        {"url": "emitted", "valueInteger": account.emitted},
    ]
    if not cleared:
        # People are looked up for what is then left out: a member that seems to have nothing would take twice as long.
        took = {"url": "elapsedMilliseconds", "valueInteger": account.milliseconds}
        told[2:2] = [took, {"url": "fetched", "valueInteger": account.fetched}]
    if account.ods is not None:
        told.append({"url": "organisation", "valueString": account.ods})
    if account.persons_as_of is not None:
        told.append({"url": "personsAsOf", "valueInstant": instant(account.persons_as_of)})
    if account.frozen_at is not None:
        told.append({"url": "frozenAtPage", "valueInteger": account.frozen_at})
    return {"url": EXTENSION, "extension": told}
