"""Visibility as SQL conditions on a source: what the caller's rights reach, and what people denied.

What tells of other resources (`telling`) is denied to whom one of those is denied: these are found when it is read, so
that it makes no difference which was written first, or whom one of them is about by now.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw
import msgspec

from fhir_server.policy.visibility import Visibility
from fhir_server.search.telling import TELLING
from fhir_server.storage.sqlite.admitting import ADMITTED
from fhir_server.storage.sqlite.translation import Condition, Source, Value, marks

_MEMBER = "EXISTS(SELECT 1 FROM owned o WHERE o.patient=? AND o.member=1 AND o.owner={})"
_DENIED = (
    # The plus: one seek for both kinds, since few owner classes are denied anything.
    "EXISTS(SELECT 1 FROM denial d WHERE d.audience=? AND d.owner={} AND +d.kind IN ('*', {})"
    " AND d.since<=? AND d.until>?)"
)
_OPENED = "EXISTS(SELECT 1 FROM json_each(?) j WHERE j.value IN ({0}||'.*', {0}||'.'||{1}))"
_TOLD = """EXISTS(
WITH RECURSIVE told(kind, owner, rid, version) AS (
  SELECT {kind}, {owner}, {rid}, {version}
  UNION SELECT y.type, y.owner, y.rid, y.version FROM told
  CROSS JOIN about a ON a.rid=told.rid AND a.version=told.version
  CROSS JOIN resource y ON y.type=a.type AND y.id=a.id
)
SELECT 1 FROM told CROSS JOIN denial d ON d.audience=? AND d.owner=told.owner AND +d.kind IN ('*', told.kind)
WHERE {shut} d.since<=? AND d.until>?)"""
"""Whether a candidate, or one of those that it tells of, is denied."""
_TELLING = sorted(TELLING)


def moments(sight: Visibility) -> tuple[int, ...]:
    """Return the values that the condition of `see` ends with: they alone differ from one request to the next."""
    return () if sight.audience is None else (sight.at, sight.at)


def see(sight: Visibility, kind: str, source: Source, into: Condition) -> None:
    """Add the condition that the caller may see the candidate, of type `kind`: every statement has it."""
    reach(sight, kind, source, into)
    hide_denied(sight, source, ("?", kind), into)


def reach(sight: Visibility, kind: str, source: Source, into: Condition) -> None:
    """Add the part of it that is about the caller's rights, and not about what people denied."""
    patient = sight.patient_of(kind)
    if patient is not None:
        into.add(_MEMBER.format(source.owner), patient)
    if sight.criterion(kind) is not None:
        into.add(f"meets(?, ?, {source.content})", _passed(sight), kind)


def see_any(sight: Visibility, column: str, source: Source, into: Condition) -> None:
    """Add the condition that the caller may see the candidate, of the type in this column."""
    if sight.types is not None:
        names = sorted(sight.types)
        into.add(f"{column} IN ({marks(names)})", *names)
    if sight.patient is not None:
        # SQLite takes an empty list, which no type is in.
        whole = sorted(sight.unbound)
        member = _MEMBER.format(source.owner)
        into.add(f"({column} IN ({marks(whole)}) OR {member})", *whole, sight.patient)
    if sight.criteria is not None:
        into.add(f"meets(?, {column}, {source.content})", _passed(sight))
    hide_denied(sight, source, (column,), into)


def hide_denied(sight: Visibility, source: Source, kind: Sequence[str], into: Condition) -> None:
    """Add that the audience is denied neither the owner class nor the type in it; statements of an unknown one are refused.

    `kind` is a column, or a mark with its value.
    """
    if sight.audience is None:
        return
    column, *named = kind
    key = sight.audience.key
    into.add(ADMITTED, key)
    if not TELLING.isdisjoint(named):
        into.add(*_nothing_told(sight, source, column, named))
        return
    denied = _DENIED.format(source.owner, column)
    asked: list[Value] = [key, *named, *moments(sight)]
    if sight.opened:
        opened = _OPENED.format(source.owner, column)
        into.add(f"({opened} OR NOT {denied})", _opened(sight), *named, *asked)
    else:
        into.add(f"NOT {denied}", *asked)
    if not named:
        text, *values = _nothing_told(sight, source, column, ())
        into.add(f"({column} NOT IN ({marks(_TELLING)}) OR {text})", *_TELLING, *values)


def _nothing_told(
    sight: Visibility, source: Source, column: str, named: Sequence[str]
) -> tuple[Any, ...]:
    """Return the condition that neither the candidate is denied nor what it tells of, and its values."""
    assert sight.audience is not None, "nothing is denied to nobody"
    shut = f"NOT {_OPENED.format('told.owner', 'told.kind')} AND" if sight.opened else ""
    text = _TOLD.format(
        kind=column, owner=source.owner, rid=source.rid, version=source.version, shut=shut
    )
    opened = (_opened(sight),) if sight.opened else ()
    return f"NOT {text}", *named, sight.audience.key, *opened, *moments(sight)


def _opened(sight: Visibility) -> str:
    """Return what an emergency opens as one value."""
    return msgspec.json.encode(sorted(sight.opened)).decode()


def _passed(sight: Visibility) -> Any:
    """Return the criteria as they are handed to the function `meets`."""
    return apsw.pyobject(sight.criteria)
