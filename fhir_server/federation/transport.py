"""How members are reached: the port, and what may go wrong on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from fhir_server.federation.accounts import State


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: the status, the headers by lower-case name, the content, unpacked."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Failed(Exception):
    """A member gave no answer that can be used. `again`: the same request may fare better, after so many seconds.

    Not `sent`: it is known that nothing has reached the member.
    """

    def __init__(
        self, state: State, problem: str, *, again: float | None = None, sent: bool = True
    ) -> None:
        super().__init__(problem)
        self.state: State = state
        self.again = again
        self.sent = sent


class Absent(Failed):
    """There is nothing at the address."""


class Deleted(Absent):
    """There was something at the address."""


class Transport(Protocol):
    """Reaches members; whoever calls bounds the time."""

    async def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        """Return what is at a URL, redirects not followed; raise Failed."""
        ...

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes = b""
    ) -> Reply:
        """Return what a request is answered, whatever its method; raise Failed."""
        ...
