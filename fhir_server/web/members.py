"""The page of the members of a federation: how each fares, and what they differ in."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from html import escape
from pathlib import Path
from string import Template

from fhir_server.federation.health import Look, Persons
from fhir_server.federation.roster import Listed, Standing
from fhir_server.fhir.instants import instant
from fhir_server.web.sparkline import median, sparkline
from fhir_server.web.start import STYLE

_FOLDER = Path(__file__).parent
_PAGE = Template((_FOLDER / "members.html").read_text(encoding="utf-8"))
OWN_STYLE = (_FOLDER / "members.css").read_text(encoding="utf-8")
"""What it has besides the style of all pages."""

_SCRIPT = (_FOLDER / "members.js").read_text(encoding="utf-8")
_DIGEST = b64encode(sha256(_SCRIPT.encode()).digest()).decode()

POLICY = (
    f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{_DIGEST}'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The one script of the page is named by its digest: https://www.w3.org/TR/CSP3/."""

_BADGES: dict[Standing, tuple[str, str]] = {
    "well": ("good", "✓ answers"),
    "failing": ("bad", "✗ fails"),
    "left alone": ("bad", "✗ left alone"),
    "not asked": ("wait", "&ndash; not asked"),
    "unknown": ("wait", "? not asked yet"),
}
_SECOND = 1_000_000
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def members_page(members: Sequence[Listed], now: int, version: str) -> str:
    """Return the page as HTML; `now` is in microseconds."""
    return _PAGE.substitute(
        style=STYLE,
        own=OWN_STYLE,
        members=fare(members, now),
        moment=moment(now),
        matrix=matrix(members),
        version=escape(version),
        script=_SCRIPT,
    )


def moment(now: int) -> str:
    """Return when that was, in microseconds, as HTML."""
    told = instant(now)
    return f'<time datetime="{told}">{told[:19].replace("T", " ")} UTC</time>'


def fare(members: Sequence[Listed], now: int) -> str:
    """Return how each of them fares, as HTML."""
    if not members:
        return (
            '<p class="none">There are no members yet: '
            "<code>fhir-server member add NAME --base URL</code> takes one in.</p>"
        )
    well = sum(each.standing == "well" for each in members)
    listed = "\n".join(_member(each, now) for each in members)
    return (
        f'<p class="lead">{well} of {len(members)} answered when they were last asked.</p>\n'
        f'<ul class="members">\n{listed}\n</ul>'
    )


def _member(listed: Listed, now: int) -> str:
    member = listed.member
    kind, told = _BADGES[listed.standing]
    ods = f" <code>{escape(member.ods)}</code>" if member.ods else ""
    facts = "".join(f"<dt>{name}</dt><dd>{fact}</dd>" for name, fact in _facts(listed, now))
    return (
        f'<li><div class="head"><h3>{escape(member.name)}{ods}</h3>'
        f'<span class="badge {kind}">{told}</span></div>'
        f'<div class="body">{sparkline(listed.history.looks)}<dl>{facts}</dl></div></li>'
    )


def _facts(listed: Listed, now: int) -> Sequence[tuple[str, str]]:
    """Return what there is to tell of a member, as HTML."""
    member, known, history = listed.member, listed.capabilities, listed.history
    found = [("Address", f"<code>{escape(member.base)}</code>")]
    if member.withheld:
        found.append(("Not asked", escape(member.withheld)))
    if history.last is not None:
        middle = median([each.milliseconds for each in history.looks if each.state == "ok"])
        usually = "" if middle is None else f", usually {middle} ms"
        last = f"{history.last.milliseconds} ms{usually}, {_ago(history.last.moment, now)}"
        found.append(("Last asked", last))
    if history.open_in:
        found.append(("Breaker", f"open in {history.open_in} of the processes here"))
    if history.last_failure is not None:
        found.append(("Last failure", _failure(history.last_failure, now)))
    if listed.persons is not None:
        found.append(("Knows", _persons(listed.persons, now)))
    if known.taken:
        software = escape(known.software or "some server")
        told = f"{software}, FHIR {escape(known.fhir_version)}, {_ago(known.taken, now)}"
        found.append(("Declared", told))
        searches = "; ".join(known.told) or "no modifiers, sorting or size of pages told"
        found.append(("Searches", escape(searches)))
    return found


def _failure(look: Look, now: int) -> str:
    problem = f" ({escape(look.problem)})" if look.problem else ""
    return f"{look.state}{problem}, {_ago(look.moment, now)}"


def _persons(persons: Persons, now: int) -> str:
    """Return whom it knows, by which it is left alone about others."""
    told = (
        f"not known ({escape(persons.problem)})" if persons.problem else f"{persons.count} people"
    )
    return f"{told}, {_ago(persons.moment, now)}"


def _ago(moment: int, now: int) -> str:
    seconds = max(0, now - moment) // _SECOND
    size, unit = next((each for each in _UNITS if seconds >= each[0]), (1, "s"))
    return f'<time datetime="{instant(moment)}">{seconds // size} {unit} ago</time>'


def matrix(members: Sequence[Listed]) -> str:
    """Return the types by members, as HTML: first those that they differ in, the others to be opened."""
    types = sorted({name for each in members for name in each.capabilities.types})
    if not types:
        return '<p class="none">No member has told yet.</p>'
    differing = [name for name in types if _differs(name, members)]
    same = [name for name in types if name not in differing]
    parts = []
    if differing:
        caption = (
            "Search parameters of the types that they differ in; none where a type is not searched."
        )
        parts.append(_table(differing, members, caption))
    else:
        parts.append('<p class="none">All of them declare the same types and parameters.</p>')
    if same:
        table = _table(same, members, "Search parameters, the same at all of them.")
        parts.append(
            f"<details><summary>{len(same)} types that all search alike</summary>{table}</details>"
        )
    return "\n".join(parts)


def _differs(name: str, members: Sequence[Listed]) -> bool:
    return len({each.capabilities.types.get(name) for each in members}) > 1


def _table(types: Sequence[str], members: Sequence[Listed], caption: str) -> str:
    heads = "".join(f'<th scope="col">{escape(each.member.id)}</th>' for each in members)
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th>{_cells(name, members)}</tr>' for name in types
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
        f"<caption>{escape(caption)}</caption>"
        f'<thead><tr><th scope="col">Type</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _cells(name: str, members: Sequence[Listed]) -> str:
    every = frozenset[str]().union(*(each.capabilities.types.get(name, ()) for each in members))
    return "".join(_cell(each.capabilities.types.get(name), every) for each in members)


def _cell(codes: frozenset[str] | None, every: frozenset[str]) -> str:
    if codes is None:
        return '<td class="lacks">none</td>'
    lacking = sorted(every - codes)
    if not lacking:
        return f"<td>{len(codes)}</td>"
    return f'<td class="fewer" title="without {escape(", ".join(lacking))}">{len(codes)} of {len(every)}</td>'
