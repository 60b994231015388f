"""The start page: what this node is, what it holds, and what to try."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Protocol

from fhir_server.interactions.call import Call
from fhir_server.interactions.search import search

if TYPE_CHECKING:
    # A node that is no hub needs none of it, and would start later.
    from fhir_server.federation.roster import Listed

_FOLDER = Path(__file__).parent
_PAGE = Template((_FOLDER / "start.html").read_text(encoding="utf-8"))
STYLE = (_FOLDER / "base.css").read_text(encoding="utf-8")
"""What the pages have in common."""

_MEMBERS = '<li><a href="/members">Members of this federation</a></li>\n'
_METRICS = '<li><a href="/metrics">Metrics</a></li>\n'
_FRESH = 15_000_000
"""Microseconds for which counts are shown again: counting everything is work."""

_OF_MEMBERS = (
    ("Slot?status=free&_sort=start&_count=5", "The five free slots that come first"),
    ("Location?_count=10", "Places, each with the member that it is of"),
    ("Patient?_summary=count", "How many patients there are"),
    ("Observation?_sort=-date&_count=10", "The latest observations"),
    ("Organization?_count=10", "Organisations"),
)
"""What is asked of all members: the first three of those that one of them searches are offered."""

_TRIES = (
    ("Patient?_sort=-_lastUpdated&_count=5", "The five patients that changed last"),
    ("Observation?_include=Observation:subject&_count=10", "Observations, each with its patient"),
    ("Immunization?_summary=count", "How many immunisations there are"),
)


class Federation(Protocol):
    """The members of a hub, as pages show them."""

    async def roster(self) -> Sequence[Listed]:
        """Return them, and how they fare; raise FhirError."""
        ...


@dataclass(frozen=True, slots=True)
class About:
    """What there is to tell of a node; `call` gives what an interaction works with, by base URL.

    `call` is None where readers may not know what is kept here: they have no token.
    `signs_in` tells whether people can sign in here.
    `federation` gives the members, itself None where readers may not know them; `federated` is the path of their base.
    `base_url` is None where the address that the reader sees names it; `prefix` is then its path.
    """

    version: str
    types: frozenset[str]
    base_url: str | None
    prefix: str
    call: Callable[[str], Call] | None
    clock: Callable[[], int]
    signs_in: bool = False
    has_transactions: bool = True
    federation: Callable[[], Federation | None] | None = None
    federated: str = ""


@dataclass(slots=True)
class StartPage:
    """Renders the page, and keeps the counts for a while."""

    about: About
    _counted: int = -_FRESH
    _counts: Mapping[str, str] = field(default_factory=dict)

    async def render(self, origin: str) -> str:
        """Return the page as HTML; `origin` is where the reader sees this node."""
        base = self.about.base_url or origin + self.about.prefix
        counts = (
            None if self.about.call is None else await self._fresh_counts(base, self.about.call)
        )
        searched = await self._searched(base)
        of_all = base.rpartition("/")[0] + self.about.federated
        return _PAGE.substitute(
            version=escape(self.about.version),
            base=escape(base),
            federated="" if searched is None else f"<code>{escape(of_all)}</code>",
            types=len(self.about.types),
            tries=_tries(base, _TRIES) if searched is None else _tries(of_all, _served(searched)),
            counts=_counts(base, counts, signs_in=self.about.signs_in),
            style=STYLE,
            members="" if searched is None else _MEMBERS,
            # Where readers need a token, so do the counters.
            metrics="" if self.about.call is None else _METRICS,
        )

    async def _searched(self, base: str) -> frozenset[str] | None:
        """Return the types that members search; None where there are no members or readers may not know them."""
        if self.about.federation is None or self.about.call is None:
            return None
        # Here, since a node whose start page nobody reads needs none of it, and would start later.
        from fhir_server.federation.registry import Registry  # noqa: PLC0415

        registry, now = Registry(self.about.call(base).store), self.about.clock()
        registered = await registry.registered(now=now)
        found = [await registry.capabilities(each, now=now) for each in registered]
        return frozenset(name for each in found for name in each.types) if registered else None

    async def _fresh_counts(self, base: str, call: Callable[[str], Call]) -> Mapping[str, str]:
        now = self.about.clock()
        if now - self._counted > _FRESH:
            self._counts = await self._count(call(base), now)
            self._counted = now
        return self._counts

    async def _count(self, call: Call, now: int) -> Mapping[str, str]:
        counts = {}
        for name in sorted(self.about.types):
            found = await search(call, name, (("_summary", "count"),), after=None, now=now)
            if found.total:
                counts[name] = f"{found.total:,}" + ("" if found.total_exact else "+")
        return counts


def _served(types: frozenset[str]) -> Sequence[tuple[str, str]]:
    """Return what is offered of members that search these types."""
    found = [each for each in _OF_MEMBERS if each[0].partition("?")[0] in types]
    return found[:3] or [("metadata", "What the members can be asked together")]


def _tries(base: str, tries: Sequence[tuple[str, str]]) -> str:
    return "\n".join(_try(base, *each) for each in tries)


def _try(base: str, query: str, told: str) -> str:
    link = escape(f"{base}/{query}{'&' if '?' in query else '?'}_pretty=true")
    return f'<li><a href="{link}">{escape(told)}</a><code>GET /{escape(query)}</code></li>'


def _counts(base: str, counts: Mapping[str, str] | None, *, signs_in: bool) -> str:
    if counts is None:
        sign_in = '<br><a href="/auth/launch">Sign in</a> to open an app.' if signs_in else ""
        return f'<p class="none">What is stored here is for those who have a token.{sign_in}</p>'
    if not counts:
        return '<p class="none">Nothing is stored here yet.</p>'
    return f'<ul class="counts">{"".join(_cells(base, counts))}</ul>'


def _cells(base: str, counts: Mapping[str, str]) -> Sequence[str]:
    return [
        f'<li><a href="{escape(base)}/{escape(name)}?_pretty=true"><b>{escape(count)}</b>'
        f"<span>{escape(name)}</span></a></li>"
        for name, count in counts.items()
    ]
