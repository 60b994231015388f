"""A search, understood: what is asked of a store, and how it is answered. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias
from urllib.parse import urlencode

from fhir_server.search.expression import Include, Plan
from fhir_server.search.listing import Expected

Total: TypeAlias = Literal["none", "estimate", "accurate"]
Summary: TypeAlias = Literal["true", "text", "data", "count", "false"]


@dataclass(frozen=True, slots=True)
class Query:
    """A search, understood. `only_count` asks for the total alone.

    `applied` are the parameters that count, in their order: the self link. `ignored` are (name, reason).
    `lists` are those that it goes by without naming them.
    """

    plan: Plan
    count: int
    only_count: bool = False
    total: Total = "none"
    summary: Summary | None = None
    elements: tuple[str, ...] = ()
    includes: tuple[Include, ...] = ()
    revincludes: tuple[Include, ...] = ()
    applied: tuple[tuple[str, str], ...] = ()
    ignored: tuple[tuple[str, str], ...] = ()
    lists: tuple[Expected, ...] = ()

    @property
    def needs_records(self) -> bool:
        """Tell whether more is asked of what is found than to show it: what it refers to, or has inside."""
        return bool(self.includes or self.revincludes or self.plan.contained)

    @property
    def text(self) -> str:
        """What counts of the query string, percent-encoded."""
        return urlencode(self.applied)
