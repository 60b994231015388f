"""A number of people for another use than their care: asked by what singles nobody out, and told inexactly."""

from __future__ import annotations

from fhir_server.fhir.errors import Forbidden
from fhir_server.fhir.outcome import Issue
from fhir_server.fhir.resource import Key
from fhir_server.interactions.call import Call
from fhir_server.policy.disclosure import Tables
from fhir_server.search.parsing import Query
from fhir_server.storage.pages import Count


def check_countable(call: Call, query: Query, owner: Key | None) -> None:
    """Raise Forbidden for a number that could tell of one person."""
    tables = _tables(call)
    refused = tables.counts.refused(query.plan, tables.roles.concern_nobody)
    if owner is not None or refused is not None:
        named = f"{owner}" if owner is not None else refused
        raise Forbidden(
            f"{named} could single people out: for the token's purpose of use they are counted by "
            f"{', '.join(sorted(tables.counts.criteria))}"
        )


def as_told(call: Call, counted: Count) -> tuple[int | None, Issue]:
    """Return a number as it is told, None where it is withheld, and the issue that says so."""
    rules = _tables(call).counts
    number = rules.told(counted.number) if counted.exact else None
    if number is None:
        told = f"The number is withheld: it is below {rules.below}, or was not counted to its end"
        return None, Issue("information", "suppressed", told)
    return number, Issue("information", "informational", f"Rounded to the nearest {rules.nearest}")


def _tables(call: Call) -> Tables:
    assert call.disclosure is not None, "a call is rounded by what its caller was judged by"
    assert call.disclosure.tables is not None
    return call.disclosure.tables
