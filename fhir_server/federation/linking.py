"""Which of the resources that a member included belong to the matches that are shown: a page shows part of a member's. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from fhir_server.federation.answers import Match

_REFERENCE = re.compile(rb'"reference"\s*:\s*"((?:[^"\\]|\\/)+)"')


def belonging(shown: Sequence[Match], included: Sequence[Match], base: str) -> list[Match]:
    """Return the included that are tied to a match that is shown, by references in either direction, step by step."""
    ties: dict[str, set[str]] = defaultdict(set)
    for each in (*shown, *included):
        own = f"{each.type}/{each.id}"
        for target in _references(each.resource, base):
            ties[own].add(target)
            ties[target].add(own)
    candidates = {f"{each.type}/{each.id}": each for each in included}
    ahead = [f"{each.type}/{each.id}" for each in shown]
    found: dict[str, Match] = {}
    while ahead:
        for name in ties[ahead.pop()]:
            if name in candidates and name not in found:
                found[name] = candidates[name]
                ahead.append(name)
    return [each for name, each in candidates.items() if name in found]


def _references(content: bytes, base: str) -> list[str]:
    """Return what a resource refers to, as type and id, where that is on the same server."""
    texts = [each.replace(b"\\/", b"/").decode() for each in _REFERENCE.findall(content)]
    return [each.removeprefix(base + "/").partition("/_history/")[0] for each in texts]
