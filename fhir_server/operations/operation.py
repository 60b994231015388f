"""What an operation is, and what it is asked: https://hl7.org/fhir/R4/operations.html."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, TypeAlias

from fhir_server.fhir.errors import BadRequest
from fhir_server.fhir.outcome import Issue
from fhir_server.fhir.resource import Key, Resource
from fhir_server.interactions.call import Call
from fhir_server.policy.access import Access
from fhir_server.storage.pages import Position, Row

Level: TypeAlias = Literal["system", "type", "instance"]

ANY_TYPE = "[type]"
"""Stands for every resource type among the types of an operation."""

_LONGEST_NUMBER = 9


@dataclass(frozen=True, slots=True)
class Invocation:
    """One invocation: on a resource (`id`), a type, or the system (`type` ""), with its parameters as names and values.

    `after` is where the page begins, None for the first; `now` is in microseconds; `access` is who asks by a token.
    """

    type: str
    id: str | None
    pairs: Sequence[tuple[str, str]]
    after: Position | None
    now: int
    access: Access | None = None

    @property
    def key(self) -> Key:
        """The resource that it is invoked on."""
        assert self.id is not None, "an operation on an instance has an id"
        return Key(self.type, self.id)

    def value(self, name: str) -> str | None:
        """Return the value of a parameter that does not repeat, None where it was not sent."""
        return next((value for each, value in self.pairs if each == name), None)


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of resources; `next` is where the following page starts, None at the end."""

    matches: tuple[Row, ...]
    included: tuple[Row, ...] = ()
    next: Position | None = None
    total: int | None = None
    issues: tuple[Issue, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """One resource that was made for the answer."""

    resource: Resource


Run: TypeAlias = Callable[[Call, Invocation], Awaitable[Listed | Told]]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter by name."""

    name: str
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation: it is invoked by GET and by POST, or if it `changes` anything by POST alone.

    `name` is without the `$`, `url` that of its OperationDefinition. `takes_search`: search parameters of
    the type are its parameters as well. `rights` are the letters of SMART's `cruds` that a caller needs.
    """

    name: str
    url: str
    levels: tuple[Level, ...]
    types: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    run: Run
    takes_search: bool = False
    rights: str = "rs"
    changes: bool = False

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses that it is invoked at: `Patient/[id]/$everything`."""
        places = {"type": "", "instance": "[id]/"}
        of_types = [each for each in self.levels if each != "system"]
        own = [f"${self.name}"] if "system" in self.levels else []
        return (
            *own,
            *(f"{each}/{places[level]}${self.name}" for each in self.types for level in of_types),
        )

    def place_of(self, resource_type: str) -> str | None:
        """Return by what name a type is among its types, None where it is not."""
        return next((each for each in (resource_type, ANY_TYPE) if each in self.types), None)

    def check(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Raise BadRequest for a parameter that is unknown, empty, or given more often than it may be."""
        known = {each.name: each for each in self.parameters}
        for name, number in Counter(name for name, _ in pairs).items():
            if name in known:
                if number > 1 and not known[name].repeats:
                    raise BadRequest(f"${self.name} takes one {name}; it is given {number} times")
            elif not self.takes_search:
                near = get_close_matches(name[:64], known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}"
                raise BadRequest(f"${self.name} has no parameter {name[:64]!r}; {hint}")
        empty = [name for name, value in pairs if name in known and not value]
        if empty:
            raise BadRequest(f"{empty[0]} has no value")


def positive(name: str, value: str | None, *, default: int, most: int) -> int:
    """Return a parameter that is a positive whole number, no more than `most`; raise BadRequest."""
    if value is None:
        return default
    if not (value.isascii() and value.isdigit() and int(value[:_LONGEST_NUMBER])):
        raise BadRequest(f"{name}={value[:40]!r} is no positive whole number")
    return min(int(value[:_LONGEST_NUMBER]), most)
