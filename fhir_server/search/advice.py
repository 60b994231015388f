"""What would make a search cheaper: said where one was refused for its cost. Pure."""

from __future__ import annotations

from fhir_server.search.expression import Plan, joins


def advice(plan: Plan, *, counted: bool = False) -> str:
    """Return what to change about a search that cost too much, as the end of a sentence."""
    found = ["name a value that few resources have, such as a patient, an identifier or a date"]
    if joins(plan.predicate):
        found.append("search the other type first, and ask for what it found by id")
    if plan.sort:
        found.append("leave out _sort")
    if counted:
        found.append("ask without a total")
    return "; or ".join(found)
