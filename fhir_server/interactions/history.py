"""The history interaction: https://hl7.org/fhir/R4/http.html#history."""

from __future__ import annotations

import re
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from fhir_server.fhir.errors import BadRequest, NotSupported
from fhir_server.fhir.resource import Key
from fhir_server.interactions.addressing import absent, check_type
from fhir_server.interactions.call import Call
from fhir_server.search.defaults import PAGE_SIZES, PageSizes
from fhir_server.search.parameter_types.date import interval
from fhir_server.storage.pages import HistoryPage, HistoryScope, Position

_UTC = ZoneInfo("UTC")
_OFFSET = re.compile(r"T.*(Z|[+\- ]\d\d:\d\d)\Z")
_HANDLED_ABOVE = frozenset({"_format", "_pretty", "_summary", "_elements"})
_NOT_SERVED = frozenset({"_at", "_list", "_sort"})


async def history(
    call: Call, scope: HistoryScope, *, count: int, after: Position | None
) -> HistoryPage:
    """Return a page of versions, the newest first; raise NotFound for a resource that never was."""
    if scope.type is not None:
        check_type(call, scope.type)
    call = call.to("s" if scope.id is None else "r", *([scope.type] if scope.type else []))
    page = await call.store.history(call.sight, scope, after, count)
    if page.versions or after is not None or scope.type is None or scope.id is None:
        return page
    key = Key(scope.type, scope.id)
    # Nothing in this span of time, or no such resource at all.
    if await call.store.read(call.sight, key) is None:
        raise absent(key)
    return page


def history_scope(
    resource_type: str | None,
    resource_id: str | None,
    pairs: Sequence[tuple[str, str]],
    *,
    sizes: PageSizes = PAGE_SIZES,
) -> tuple[HistoryScope, int]:
    """Return what a history's parameters ask for, and how many versions a page has."""
    since, count = None, sizes.default
    for name, value in pairs:
        if name == "_since":
            since = _since(value)
        elif name == "_count":
            count = _count(value, sizes.most)
        elif name in _NOT_SERVED:
            raise NotSupported(f"{name} is not served for a history; _since and _count are")
        elif name not in _HANDLED_ABOVE:
            raise BadRequest(f"a history has no parameter {name!r}; _since and _count are served")
    return HistoryScope(resource_type, resource_id, since=since), count


def _since(value: str) -> int:
    found = interval(value, _UTC) if _OFFSET.search(value) else None
    if found is None:
        raise BadRequest(f"_since={value!r} is no instant, such as 2026-11-23T05:41:56.123Z")
    return found[0]


def _count(value: str, most: int) -> int:
    if not (value.isascii() and value.isdigit()) or int(value[:9]) == 0:
        raise BadRequest(f"_count={value!r} is no positive whole number")
    return min(int(value[:9]), most)
