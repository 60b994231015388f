"""The criteria of a conditional interaction, and what matches them.

https://hl7.org/fhir/R4/http.html#ccreate
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fhir_server.fhir.errors import (
    BadRequest,
    MultipleMatches,
    PreconditionFailed,
    VersionConflict,
)
from fhir_server.fhir.resource import Key, Resource, Stored
from fhir_server.interactions.addressing import check_type, check_writable
from fhir_server.interactions.call import Call
from fhir_server.interactions.writing import check_may_choose
from fhir_server.search.expression import Plan
from fhir_server.search.parsing import parse_criteria
from fhir_server.storage.contract import Expectation


@dataclass(frozen=True, slots=True)
class Criteria:
    """A search that is to find one resource at most; its text is `Patient?identifier=…`."""

    type: str
    query: str
    plan: Plan

    def __str__(self) -> str:
        return f"{self.type}?{self.query}"

    def expect(self, call: Call, *keys: Key) -> Expectation:
        """Return the precondition that exactly these match for this caller."""
        sight = call.to("s", self.type).sight
        return Expectation(sight, self.plan, frozenset(keys), call.extractor.generation)


def criteria_of(call: Call, resource_type: str, query: str) -> Criteria:
    """Parse the criteria; raise NotFound for an unknown type and BadRequest for what cannot be searched."""
    check_type(call, resource_type)
    # Servers and clients write If-None-Exist both with and without the type.
    bare = query.removeprefix(f"{resource_type}?").removeprefix("?")
    plan = parse_criteria(
        resource_type,
        bare,
        call.definitions,
        now=call.now,
        base_url=call.base_url,
        zone=call.extractor.zone.key,
    )
    return Criteria(resource_type, bare, plan)


async def only_match(
    call: Call, criteria: Criteria, *, leaving_out: frozenset[Key] = frozenset()
) -> Stored | None:
    """Return the one match or None; raise MultipleMatches or InsufficientScope."""
    sight = call.to("s", criteria.type).sight
    page = await call.store.search(sight, criteria.plan, None, 2 + len(leaving_out))
    found = [row.stored for row in page.rows if row.stored.key not in leaving_out]
    if len(found) > 1:
        raise several_match(criteria, [each.key for each in found])
    return found[0] if found else None


def several_match(criteria: Criteria, keys: Sequence[Key]) -> MultipleMatches:
    """Return the answer for criteria that are not selective enough."""
    named = ", ".join(map(str, keys[:2]))
    return MultipleMatches(
        f"{criteria} matches more than one resource ({named}); criteria of a conditional "
        "interaction must select one at most"
    )


def key_to_update(
    call: Call, criteria: Criteria, match: Stored | None, resource: Resource, fresh_id: str
) -> Key:
    """Return the address that a conditional update writes; raise BadRequest or MethodNotAllowed."""
    said = resource.get("id", match.key.id if match else fresh_id)
    if not isinstance(said, str):
        raise BadRequest("an id is text", expression=f"{criteria.type}.id")
    if match is None:
        key = Key(criteria.type, said)
        check_writable(call, key)
        if said != fresh_id:
            check_may_choose(call, key)
        return key
    if said != match.key.id:
        raise BadRequest(
            f"{criteria} matches {match.key}, but the body has the id {said!r}; leave the id out, "
            "or send that of the match",
            expression=f"{criteria.type}.id",
        )
    return match.key


def version_of_nothing(criteria: Criteria, if_match: int) -> PreconditionFailed:
    """Return the answer for an If-Match where nothing matches the criteria."""
    return PreconditionFailed(
        f"If-Match asks for version {if_match}, but nothing matches {criteria}"
    )


def id_in_use(criteria: Criteria, key: Key) -> VersionConflict:
    """Return the answer for an update-as-create at an address that is taken."""
    return VersionConflict(
        f"nothing matches {criteria}, and {key}, which the body names, exists already"
    )
