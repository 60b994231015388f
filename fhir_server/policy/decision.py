"""Whether what is held about people may be disclosed: one pure function over what they, and the law, laid down.

The tiers are asked from the top; the first in which something applies decides, and within it a denial overrides.

    forbidden    the purpose is one that nobody may have
    order        a court or a statute
    restriction  a flag that withholds a record from everyone
    label        what bears one hides from those who were not cleared for it
    break-glass  an emergency, for one person: lifts what is below, some labels, and not what is above
    consent      what the person said: of each Consent the most particular provision that applies
    opt-out      the national one, for the purposes that it is about
    default      care is permitted, all else needs that nothing above denies it

Where several people are concerned, each of them must be one who permits it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Literal, TypeAlias

import msgspec

from fhir_server.policy.labels import NO_LABELS, Labels
from fhir_server.policy.purposes import PurposeRule, Purposes

Effect: TypeAlias = Literal["permit", "deny"]
Source: TypeAlias = Literal["order", "restriction", "consent", "opt-out"]

EVER = 2**62
"""A moment after all others, in microseconds."""


@dataclass(frozen=True, slots=True)
class Provision:
    """What was laid down about one person's records; an empty set leaves its question open.

    `origin` is what it came from (`Consent/1`); `parent` the provision that it is an exception of, and within which
    alone it applies. `purposes` are codes, each with all below it; `actors` what `Audience.actors` may hold. It applies from
    `since` until just before `until`, in microseconds. `secondary`: to uses beyond the person's care alone.
    """

    source: Source
    effect: Effect
    origin: str
    parent: Provision | None = None
    since: int = -EVER
    until: int = EVER
    purposes: frozenset[str] = frozenset()
    actors: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    secondary: bool = False

    @property
    def chain(self) -> tuple[Provision, ...]:
        """It and all that it is an exception of."""
        return (self,) if self.parent is None else (self, *self.parent.chain)


@dataclass(frozen=True, slots=True)
class LaidDown:
    """What one resource lays down about a person: the id of the Patient, and the provisions."""

    patient: str
    provisions: tuple[Provision, ...]


@dataclass(frozen=True, slots=True)
class Person:
    """Who has an NHS number: the ids of the Patients of this store that are this person, and what was laid down."""

    patients: tuple[str, ...] = ()
    provisions: tuple[Provision, ...] = ()


_encode = msgspec.msgpack.Encoder().encode


def packed_rules(laid_down: LaidDown) -> bytes:
    """Return what was laid down as it travels between processes."""
    return _encode(laid_down)


def unpacked_rules(content: bytes) -> LaidDown:
    """Return what `packed_rules` made."""
    return msgspec.msgpack.decode(content, type=LaidDown)


@dataclass(frozen=True)
class Audience:
    """Who asks, and what for. `actors`: the organisation, the person and the project, each as a reference or identifier.

    `exempt`: a programme that the national opt-out does not bind. `emergency`: an emergency grant was given.
    `clearances` are the labels that do not hide what bears them.
    """

    purpose: str
    actors: frozenset[str] = frozenset()
    exempt: bool = False
    emergency: bool = False
    clearances: frozenset[str] = frozenset()

    @cached_property
    def key(self) -> int:
        """A number for it, the same everywhere: 62 bits."""
        cleared = sorted(self.clearances)
        told = (self.purpose, sorted(self.actors), self.exempt, self.emergency, cleared)
        digest = blake2b(msgspec.msgpack.encode(told), digest_size=8).digest()
        return int.from_bytes(digest) >> 2


@dataclass(frozen=True, slots=True)
class Subject:
    """What is asked for: a resource type, its security labels, and whether such may tell of people at all."""

    kind: str
    labels: frozenset[str] = frozenset()
    personal: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided, by which rule, and because of what (the origins of the provisions that applied)."""

    effect: Effect
    rule: str
    because: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """Decides by the rules on purposes and labels; `opt_outs_current`: the register of opt-outs is not out of date."""

    purposes: Purposes
    opt_outs_current: bool = True
    labels: Labels = NO_LABELS

    def decide(
        self,
        people: Collection[Iterable[Provision]],
        audience: Audience,
        subject: Subject,
        *,
        at: int,
    ) -> Decision:
        """Decide on a resource that concerns these people, each given by the provisions about them."""
        rule = self.purposes.rule(audience.purpose)
        if rule is None:
            return Decision("deny", "unknown-purpose")
        if rule.use == "forbidden":
            return Decision("deny", f"forbidden:{rule.id}")
        if not people:
            return self._by_label(audience, subject, rule) or self._of_nobody(rule, subject)
        decided = [self._of_person(each, audience, subject, rule, at) for each in people]
        return first_denial(decided)

    def _of_nobody(self, rule: PurposeRule, subject: Subject) -> Decision:
        if rule.use != "secondary" or not subject.personal:
            return Decision("permit", f"default:{rule.id}")
        return Decision("deny", "nobody-to-ask")

    def _of_person(
        self,
        provisions: Iterable[Provision],
        audience: Audience,
        subject: Subject,
        rule: PurposeRule,
        at: int,
    ) -> Decision:
        applying = [each for each in provisions if self._applies(each, audience, subject, rule, at)]
        for source in ("order", "restriction"):
            if found := _combined([each for each in applying if each.source == source], source):
                return found
        if found := self._by_label(audience, subject, rule):
            return found
        if audience.emergency and rule.use == "care":
            return Decision("permit", "break-glass")
        if rule.use == "oversight":
            return Decision("permit", f"default:{rule.id}")
        said = _most_particular(each for each in applying if each.source == "consent")
        if found := _combined(said, "consent"):
            return found
        return self._by_opt_out(applying, audience, rule) or Decision(
            "permit", f"default:{rule.id}"
        )

    def _by_label(self, audience: Audience, subject: Subject, rule: PurposeRule) -> Decision | None:
        lifted = audience.emergency and rule.use == "care"
        for each in self.labels.on(subject.labels):
            if each.id not in audience.clearances and not (lifted and each.in_emergency):
                return Decision("deny", f"label:{each.id}")
        return None

    def _by_opt_out(
        self, applying: Iterable[Provision], audience: Audience, rule: PurposeRule
    ) -> Decision | None:
        if not rule.opt_out or audience.exempt:
            return None
        if not self.opt_outs_current:
            return Decision("deny", "opt-out:out-of-date")
        return _combined([each for each in applying if each.source == "opt-out"], "opt-out")

    def _applies(
        self,
        provision: Provision,
        audience: Audience,
        subject: Subject,
        rule: PurposeRule,
        at: int,
    ) -> bool:
        if rule.use == "secondary" and _permits(provision) and not _names(provision):
            return False
        said = provision.source == "consent"
        if rule.use == "own" and said and not any(each.purposes for each in provision.chain):
            # Who denies a record to everyone does not mean the own eyes.
            return False
        return all(
            each.since <= at < each.until
            and not (each.secondary and rule.use != "secondary")
            and _within(each.purposes, self.purposes.above(audience.purpose))
            and _within(each.actors, audience.actors)
            and _within(each.kinds, (subject.kind,))
            and _within(each.labels, subject.labels)
            for each in provision.chain
        )


@dataclass(frozen=True, slots=True)
class Enforcement:
    """What a store needs to keep denials: the policy, the resource types, and how people are known.

    `personal` are the types that may tell of people, even where they name nobody. `number_system` is the identifier
    system by which several Patient resources are one person. `rules` names the tables that the policy was read from:
    by others, everything is decided anew.
    """

    policy: Policy
    kinds: frozenset[str]
    personal: frozenset[str]
    number_system: str
    rules: int = 0


def first_denial(decided: Sequence[Decision]) -> Decision:
    """Return the first that denies, or the first of all: one denial is enough."""
    return next((each for each in decided if each.effect == "deny"), decided[0])


def _permits(provision: Provision) -> bool:
    return provision.source == "consent" and provision.effect == "permit"


def _names(provision: Provision) -> bool:
    """Tell whether a consent says for what and to whom: one that does not is no consent to research."""
    chain = provision.chain
    return any(each.purposes for each in chain) and any(each.actors for each in chain)


def _within(asked: frozenset[str], given: Collection[str]) -> bool:
    return not asked or not asked.isdisjoint(given)


def _most_particular(provisions: Iterable[Provision]) -> list[Provision]:
    """Return of each Consent those of its provisions that apply and are nested deepest."""
    found = list(provisions)
    deepest: dict[str, int] = {}
    for each in found:
        deepest[each.origin] = max(len(each.chain), deepest.get(each.origin, 0))
    return [each for each in found if len(each.chain) == deepest[each.origin]]


def _combined(provisions: Collection[Provision], tier: str) -> Decision | None:
    """Return what provisions of one tier come to: a denial overrides; None of none."""
    for effect in ("deny", "permit"):
        found = sorted({each.origin for each in provisions if each.effect == effect})
        if found:
            return Decision(effect, f"{tier}:{effect}", tuple(found))
    return None
