"""Which of the scopes that are asked for may be given: what is asked for and what is permitted, intersected. Pure.

https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fhir_server.policy.scopes import OWN

LETTERS = "cruds"

OFFLINE = "offline_access"
ONLINE = "online_access"

_VERSION_1 = {"read": "rs", "write": "cud", "*": LETTERS}
_RESOURCES = re.compile(
    r"(patient|user|system)/([A-Z][A-Za-z]*|\*)\.(read|write|\*|(?=[cruds])c?r?u?d?s?)(?:\?(.+))?"
)
_TOKEN = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")
_OTHER = frozenset(
    {"openid", "fhirUser", "profile", "launch", "launch/patient", "launch/encounter"}
    | {OFFLINE, ONLINE}
)


@dataclass(frozen=True, slots=True)
class _Resources:
    """One scope on resources; `narrowed` are its search parameters."""

    text: str
    context: str
    type: str
    letters: frozenset[str]
    narrowed: frozenset[str]

    def __and__(self, other: _Resources) -> _Resources | None:
        """Return what both give, None for nothing."""
        both = self.letters & other.letters
        if self.context != other.context or not both:
            return None
        if "*" not in {self.type, other.type} and self.type != other.type:
            return None
        kind = other.type if self.type == "*" else self.type
        return _written(self.context, kind, both, self.narrowed | other.narrowed)

    def covers(self, other: _Resources) -> bool:
        """Tell whether this gives all that another gives."""
        both = self & other
        return both is not None and (both.type, both.letters, both.narrowed) == (
            other.type,
            other.letters,
            other.narrowed,
        )


def is_scope(text: str) -> bool:
    """Tell whether a client can be registered for this scope."""
    return text in _OTHER or text in OWN or _read(text) is not None


def words(text: str) -> tuple[str, ...] | None:
    """Return the scopes of a parameter, each once, in their order; None for what is no list of scopes."""
    found = tuple(dict.fromkeys(text.split(" ")))
    found = tuple(each for each in found if each)
    return found if all(_TOKEN.fullmatch(each) for each in found) else None


def given(
    asked: Iterable[str], permitted: Iterable[str], contexts: Iterable[str]
) -> tuple[str, ...]:
    """Return what is asked for, as far as it is permitted and in one of these contexts.

    A scope that is permitted as a whole keeps its spelling; of another what is permitted is written in version 2.
    """
    known, contexts = frozenset(permitted), frozenset(contexts)
    allowed = [found for each in sorted(known) if (found := _read(each)) is not None]
    allowed = [each for each in allowed if each.context in contexts]
    result: list[str] = []
    for each in asked:
        resources = _read(each)
        if resources is not None:
            result += _within(resources, allowed)
        elif each in known and (each in _OTHER or (each in OWN and "system" in contexts)):
            result.append(each)
    return tuple(dict.fromkeys(result))


def context_of(scope: str) -> str | None:
    """Return patient, user or system for a scope on resources, or one of our own, else None."""
    if scope in OWN:
        return "system"
    found = _read(scope)
    return None if found is None else found.context


def _within(asked: _Resources, allowed: Iterable[_Resources]) -> Iterator[str]:
    """Yield the parts of a scope that are allowed, none that another part covers."""
    parts = _joined(both for each in allowed if (both := asked & each) is not None)
    if any(each.covers(asked) for each in parts):
        yield asked.text
        return
    for each in parts:
        if not any(other is not each and other.covers(each) for other in parts):
            yield each.text


def _joined(parts: Iterable[_Resources]) -> list[_Resources]:
    """Return parts, those on the same as one with the letters of all."""
    found: dict[tuple[str, frozenset[str]], _Resources] = {}
    for each in parts:
        same = found.get((each.type, each.narrowed))
        letters = each.letters if same is None else each.letters | same.letters
        found[each.type, each.narrowed] = _written(each.context, each.type, letters, each.narrowed)
    return list(found.values())


def _read(text: str) -> _Resources | None:
    match = _RESOURCES.fullmatch(text)
    if match is None:
        return None
    context, kind, letters, query = match.groups()
    narrowed = frozenset(query.split("&")) if query else frozenset()
    return _Resources(text, context, kind, frozenset(_VERSION_1.get(letters, letters)), narrowed)


def _written(
    context: str, kind: str, letters: frozenset[str], narrowed: frozenset[str]
) -> _Resources:
    query = f"?{'&'.join(sorted(narrowed))}" if narrowed else ""
    spelt = "".join(each for each in LETTERS if each in letters)
    return _Resources(f"{context}/{kind}.{spelt}{query}", context, kind, letters, narrowed)
