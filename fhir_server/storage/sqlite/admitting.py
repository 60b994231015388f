"""What an audience is denied is worked out when it first asks: till then each statement under its sight is refused.

The statement itself says so, of the moment that it reads: nobody has to look before, or to take nothing for an answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Protocol, TypeVar, cast

from fhir_server.policy.decision import Audience
from fhir_server.policy.visibility import Visibility

ADMITTED = "ifnull((SELECT 1 FROM audience WHERE audience=?), not_admitted())"
"""Holds for an audience that is worked out; else the statement raises NotAdmitted.

Not by EXISTS, which SQLite makes a join of: it would look again for each candidate.
"""


class NotAdmitted(Exception):
    """The denials of an audience are not worked out, or were given up for others."""


def not_admitted(*_: object) -> None:
    """Refuse the statement: a function of SQL."""
    raise NotAdmitted


class Admits(Protocol):
    """A store that works audiences out."""

    async def admit(self, audience: Audience) -> None:
        """Return once the denials of an audience are there; raise Unavailable."""
        ...

    def opened(self, sight: Visibility) -> Visibility:
        """Return a sight with what its emergency opens."""
        ...


Method = TypeVar("Method", bound=Callable[..., Awaitable[Any]])


def admitting(method: Method) -> Method:
    """Have a method of a store answer under any sight: an audience that is new is worked out, and it is asked again."""

    @wraps(method)
    async def asked(self: Admits, sight: Visibility, *args: Any, **named: Any) -> Any:
        if sight.emergency:
            sight = self.opened(sight)
        while True:
            try:
                return await method(self, sight, *args, **named)
            except NotAdmitted:
                assert sight.audience is not None
                await self.admit(sight.audience)

    return cast("Method", asked)
