"""`_list`, what a List names: https://hl7.org/fhir/R4/search.html#list. Pure.

An entry that is marked as deleted is not on the list.
"""

from __future__ import annotations

from fhir_server.fhir.errors import BadRequest, NotSupported
from fhir_server.fhir.resource import LOGICAL_ID
from fhir_server.search.expression import HasId, PointedToBy, Predicate
from fhir_server.search.record import LISTED

MOST_LISTS = 100


def predicate(resource_type: str, name: str, value: str) -> Predicate:
    """Return that one of these Lists has the resource; raise BadRequest."""
    if name != LISTED:
        raise BadRequest(f"{name}: {LISTED} has no modifiers")
    lists = value.split(",")
    if len(lists) > MOST_LISTS:
        raise BadRequest(f"{LISTED} names {len(lists)} lists; {MOST_LISTS} are taken")
    for each in lists:
        _check(each)
    return PointedToBy("List", LISTED, resource_type, HasId(tuple(dict.fromkeys(lists))))


def _check(logical_id: str) -> None:
    if logical_id.startswith("$"):
        raise NotSupported(
            f"{LISTED}={logical_id[:64]}: lists by function are not served yet; {LISTED} takes the id of a List"
        )
    if not LOGICAL_ID.match(logical_id):
        raise BadRequest(
            f"{LISTED}={logical_id[:64]}: this is the id of a List, as 42 of List/42, or several with commas"
        )
