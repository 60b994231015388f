"""The order of results: https://hl7.org/fhir/R4/search.html#sort.

Each rule is a sentence, resources, and for each query the ids that it finds, in order.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fhir_server.fhir.resource import Resource


@dataclass(frozen=True, slots=True)
class Ordered:
    """A sentence of the specification, and what order follows from it for some resources."""

    says: str
    resources: tuple[Resource, ...]
    queries: dict[str, str]


def patient(logical_id: str, **elements: Any) -> Resource:
    return {"resourceType": "Patient", "id": logical_id, **elements}


def observation(logical_id: str, **elements: Any) -> Resource:
    return {"resourceType": "Observation", "id": logical_id, **elements}


def measured(logical_id: str, value: str, **elements: Any) -> Resource:
    return observation(logical_id, valueQuantity={"value": Decimal(value)}, **elements)


def coded(code: str, system: str = "urn:s") -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


ORDERS = [
    Ordered(
        "A comma-separated list of sort rules in priority order",
        (
            patient("a", gender="male", birthDate="1980-01-01"),
            patient("b", gender="female", birthDate="1990-01-01"),
            patient("c", gender="male", birthDate="1970-01-01"),
            patient("d", gender="female", birthDate="1960-01-01"),
        ),
        {
            "_sort=gender,birthdate": "dbca",
            "_sort=birthdate,gender": "dcab",
            "_sort=gender&_sort=birthdate": "dbca",
            "_sort=gender,-birthdate": "bdac",
        },
    ),
    Ordered(
        "The prefix '-' indicates decreasing order; in its absence, the order is increasing",
        (
            patient("a", birthDate="1980-01-02"),
            patient("b", birthDate="1970"),
            patient("c", birthDate="1980-01"),
        ),
        {"_sort=birthdate": "bca", "_sort=-birthdate": "cab", "_sort=-_id": "cba"},
    ),
    Ordered(
        "The sort is based on the item that comes earliest in the specified sort order",
        (
            patient("a", name=[{"family": "Adams"}, {"family": "Zoe"}]),
            patient("b", name=[{"family": "Baker"}]),
            patient("c", name=[{"family": "Young"}, {"family": "Baker"}]),
        ),
        {"_sort=family": "acb", "_sort=-family": "acb", "_sort=family,_id": "abc"},
    ),
    Ordered(
        "Strings SHOULD be sorted on a case-insensitive base",
        (
            patient("a", name=[{"family": "ábel"}]),
            patient("b", name=[{"family": "ABBOT"}]),
            patient("c", name=[{"family": "aco"}]),
        ),
        {"_sort=family": "bac", "_sort=-family": "cab"},
    ),
    Ordered(
        "Numbers sort by what they are worth, not by how they are written",
        (
            measured("a", "10"),
            measured("b", "9.50"),
            measured("c", "-3"),
            measured("d", "9.5", effectiveDateTime="2020-01-01"),
            measured("e", "1e3"),
        ),
        {"_sort=value-quantity": "cdbae", "_sort=-value-quantity": "eadbc"},
    ),
    Ordered(
        "What has no value comes last in either direction, the newest first",
        (
            observation("a", effectiveDateTime="2020-01-01"),
            observation("b", effectiveDateTime="2021-01-01"),
            observation("c"),
            measured("d", "1"),
        ),
        {"_sort=value-quantity": "dbac", "_sort=-value-quantity": "dbac"},
    ),
    Ordered(
        "A code sorts by itself, whatever its system; equals stand as without _sort",
        (
            observation("a", code=coded("b", "urn:z"), effectiveDateTime="2020-01-01"),
            observation("b", code=coded("b", "urn:a"), effectiveDateTime="2021-01-01"),
            observation("c", code=coded("a", "urn:m")),
        ),
        {"_sort=code": "cba", "_sort=-code": "bac", "_sort=code,date": "cab"},
    ),
    Ordered(
        "A parameter that covers others sorts by the values of all of them",
        (
            measured("a", "5"),
            observation("b", component=[{"valueQuantity": {"value": Decimal(1)}}]),
            measured("c", "3", component=[{"valueQuantity": {"value": Decimal(9)}}]),
        ),
        {"_sort=combo-value-quantity": "bca", "_sort=-combo-value-quantity": "cab"},
    ),
]
