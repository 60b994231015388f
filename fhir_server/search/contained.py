"""Searches for contained resources, `_contained` and `_containedType`. Pure.

https://hl7.org/fhir/R4/search.html#contained
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from msgspec import structs

from fhir_server.fhir.errors import BadRequest, NotSupported
from fhir_server.search.expression import (
    AllOf,
    AnyOf,
    Contained,
    HasId,
    HasRange,
    HasWords,
    Not,
    PointedToBy,
    Predicate,
    SortKey,
)
from fhir_server.search.record import IndexRecord

CONTAINED, CONTAINED_TYPE = "_contained", "_containedType"
FOUND = ("true", "false", "both")
ANSWERED = ("container", "contained")

_ALIKE = frozenset(("_lastUpdated",))
"""Keys that are the same of a container and of what it contains."""


def asked(found: str | None, answered: str | None) -> Contained | None:
    """Return what the two parameters ask together, None where nothing contained is found; raise BadRequest."""
    if found is None and answered is not None:
        raise BadRequest(
            f"{CONTAINED_TYPE}={answered} says how contained resources are answered, and none are asked "
            f"for: add {CONTAINED}=true or {CONTAINED}=both"
        )
    if found in {None, "false"}:
        return None
    return Contained(alone=found == "true", as_container=answered != "contained")


def check_type(resource_type: str | None) -> None:
    """Raise NotSupported in a search of all types."""
    if resource_type is None:
        raise NotSupported(f"{CONTAINED} is served in the search of one type, as in Medication?…")


def check_answer(wanted: Contained, asks_back: str | None, asks_type: str | None) -> None:
    """Raise BadRequest for what says something of the answer that it cannot have.

    `asks_back` is a parameter for what refers to the matches, `asks_type` one that is about elements of the type.
    """
    if asks_back is not None:
        raise BadRequest(
            f"{asks_back}: nothing refers to a contained resource but its container; leave it out, or search without {CONTAINED}"
        )
    if wanted.as_container and asks_type is not None:
        raise BadRequest(
            f"{asks_type}: this is about the type that is searched for, and containers of other types are "
            f"answered: ask for {CONTAINED_TYPE}=contained"
        )


def sorts_type(sort: Sequence[SortKey]) -> bool:
    """Tell whether an order is by values of the type, which a container has not."""
    return any(each.parameter not in _ALIKE for each in sort)


def check_predicate(predicate: Predicate) -> None:
    """Raise NotSupported for what only a resource that stands by itself can be asked, with what to ask instead."""
    match predicate:
        case PointedToBy():
            raise NotSupported(
                f"with {CONTAINED} neither _has nor _list is served: nothing but its container refers to a contained "
                "resource; search the type of the container with a chain, as in MedicationRequest?medication.code=…"
            )
        case HasWords():
            raise NotSupported(
                f"with {CONTAINED} neither _text nor _content is served: words are those of a whole resource; search "
                "the type of the container, as in MedicationRequest?_content=…"
            )
        case Not(inner):
            check_predicate(inner)
        case AllOf(parts) | AnyOf(parts):
            for each in parts:
                check_predicate(each)
        case _:
            return


def inside(predicate: Predicate) -> Predicate:
    """Return what is asked of a contained resource as its record says it.

    Its id has a `#` before it; and its primary date is not the one that it is listed by.
    """
    match predicate:
        case HasId(ids):
            return HasId(tuple(f"#{each}" for each in ids))
        case HasRange(primary=True):
            return replace(predicate, primary=False)
        case Not(inner):
            return Not(inside(inner))
        case AllOf(parts):
            return AllOf(tuple(map(inside, parts)))
        case AnyOf(parts):
            return AnyOf(tuple(map(inside, parts)))
        case _:
            return predicate


def found_inside(
    record: IndexRecord, kind: str, satisfies: Callable[[IndexRecord], bool]
) -> Iterator[tuple[int, IndexRecord]]:
    """Yield the contained resources of a type that satisfy something, each with its place among all contained ones."""
    for place, (name, each) in enumerate(record.contained):
        if name != kind:
            continue
        # They may refer to each other.
        whole = structs.replace(each, contained=record.contained)
        if satisfies(whole):
            yield place, whole
