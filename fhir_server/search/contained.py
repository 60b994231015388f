"""Searches for contained resources, `_contained` and `_containedType`. Pure.

https://hl7.org/fhir/R4/search.html#contained
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

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
from fhir_server.search.record import IndexRecord, contained_term

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
        case PointedToBy(canonical=True, source=source, parameter=parameter):
            raise NotSupported(
                f"with {CONTAINED} _has:{source}:{parameter} is not served: it leads along canonical URLs, and a "
                "contained resource is referred to by its id"
            )
        case HasWords():
            raise NotSupported(
                f"with {CONTAINED} neither _text nor _content is served: words are those of a whole resource; search "
                "the type of the container, as in MedicationRequest?_content=…"
            )
        case Not(inner) | PointedToBy(predicate=inner):
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


Satisfies: TypeAlias = Callable[[Predicate, IndexRecord], bool]
"""Tell whether a record satisfies a predicate."""


def referred_to(
    asked: Predicate, kind: str, record: IndexRecord, satisfies: Satisfies
) -> Predicate:
    """Return what is asked of the resources inside of a record, with what refers to them looked up.

    That can be the container, or another resource that it contains, and nothing else.
    """
    match asked:
        case PointedToBy(source, parameter, _, inner):
            here = referred_to(inside(inner), kind, record, satisfies)
            within = (each for name, each in _contained(record) if name == source)
            referring = [each for each in within if satisfies(here, each)]
            if kind == source and satisfies(inner, record):
                referring.append(record)
            ids = (each.id for _, each in record.contained)
            return HasId(tuple(each for each in ids if _refer(referring, parameter, each[1:])))
        case Not(inner):
            return Not(referred_to(inner, kind, record, satisfies))
        case AllOf(parts):
            return AllOf(tuple(referred_to(each, kind, record, satisfies) for each in parts))
        case AnyOf(parts):
            return AnyOf(tuple(referred_to(each, kind, record, satisfies) for each in parts))
        case _:
            return asked


def _refer(records: Iterable[IndexRecord], parameter: str, local_id: str) -> bool:
    term = contained_term(parameter, local_id)
    return any(term in each.terms for each in records)


def found_inside(
    asked: Predicate, kind: str, container: tuple[str, IndexRecord], satisfies: Satisfies
) -> Iterator[tuple[int, IndexRecord]]:
    """Yield the contained resources of a type that match, each with its place among all contained ones.

    `asked` is as `inside` returns it.
    """
    wanted = referred_to(asked, *container, satisfies)
    for place, (name, each) in enumerate(_contained(container[1])):
        if name == kind and satisfies(wanted, each):
            yield place, each


def _contained(record: IndexRecord) -> Iterator[tuple[str, IndexRecord]]:
    """Yield what a record contains: these may refer to each other."""
    for name, each in record.contained:
        yield name, structs.replace(each, contained=record.contained)
