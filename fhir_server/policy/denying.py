"""What is denied of an owner class: the decision, applied to each type and stretch of time. Pure.

Each backend keeps denials in its own way; what they have to be is said here alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TypeAlias

from fhir_server.policy.decision import (
    EVER,
    Audience,
    Decision,
    Enforcement,
    Provision,
    Subject,
)

ANY_KIND = "*"

People: TypeAlias = Sequence[Sequence[Provision]]
"""What was laid down about each of the people that a resource mentions."""


class Rules:
    """What denials are worked out by."""

    def __init__(self, enforcement: Enforcement) -> None:
        self._policy = enforcement.policy
        self._kinds = sorted(enforcement.kinds)
        self._personal = sorted(enforcement.personal)

    def expected(
        self, labels: Collection[str], people: People, audience: Audience
    ) -> set[tuple[str, int, int]]:
        """Return the denials of an owner class as they should be: type, since, until."""
        return {
            (kind, since, until)
            for kind in self._decided_on(people, labels)
            for since, until in self._denied(people, audience, self._subject(kind, labels))
        }

    def decided(
        self, kind: str, labels: Collection[str], people: People, audience: Audience, *, at: int
    ) -> Decision:
        """Return what is decided on a type in an owner class, with its reasons."""
        return self._policy.decide(people, audience, self._subject(kind, labels), at=at)

    def opened(
        self, labels: Collection[str], own: People, others: People, audience: Audience, *, at: int
    ) -> Iterator[str]:
        """Yield the types of an owner class that an emergency of some people opens; others have not denied them."""
        lifted = replace(audience, emergency=True)
        for kind in self._decided_on([*own, *others], labels):
            subject = self._subject(kind, labels)
            decided = [self._policy.decide(own, lifted, subject, at=at)]
            if others:
                decided.append(self._policy.decide(others, audience, subject, at=at))
            if all(each.effect == "permit" for each in decided):
                yield kind

    def is_bound(self, audience: Audience) -> bool:
        """Tell whether the register of opt-outs binds an audience."""
        rule = self._policy.purposes.rule(audience.purpose)
        return rule is not None and rule.opt_out and not audience.exempt

    def hides(self, labels: Collection[str]) -> bool:
        """Tell whether a label among these hides what bears it by itself."""
        return any(self._policy.labels.on(labels))

    def _subject(self, kind: str, labels: Collection[str]) -> Subject:
        return Subject(kind, frozenset(labels), kind == ANY_KIND or kind in self._personal)

    def _decided_on(self, people: People, labels: Collection[str]) -> Sequence[str]:
        """Return the resource types to decide on: one by one only where that can make a difference."""
        if not people:
            return self._kinds if self.hides(labels) else self._personal
        by_kind = any(each.kinds for facts in people for one in facts for each in one.chain)
        return self._kinds if by_kind else (ANY_KIND,)

    def _denied(
        self, people: People, audience: Audience, subject: Subject
    ) -> Iterable[tuple[int, int]]:
        """Yield the stretches of time in which a type is denied."""
        moments = {-EVER, EVER}
        for facts in people:
            for one in facts:
                for each in one.chain:
                    moments |= {each.since, each.until}
        begun: int | None = None
        for start, end in pairwise(sorted(moments)):
            decided = self._policy.decide(people, audience, subject, at=start)
            if decided.effect == "deny" and begun is None:
                begun = start
            elif decided.effect == "permit" and begun is not None:
                yield begun, start
                begun = None
            if end == EVER and begun is not None:
                yield begun, EVER
