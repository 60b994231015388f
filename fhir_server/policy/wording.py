"""Why something is disclosed, or is not, in words for people. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from fhir_server.fhir.instants import instant
from fhir_server.policy.decision import EVER, Decision, Policy, Provision
from fhir_server.search.record import SEPARATOR

_RULES = {
    "unknown-purpose": "Nobody knows this purpose of use, so it permits nothing.",
    "nobody-to-ask": "It concerns nobody who could be asked, and its type can tell of people: it is for care alone.",
    "break-glass": "An emergency grant lifts what the person said.",
    "order:permit": "An order permits it.",
    "order:deny": "An order forbids it.",
    "restriction:deny": "The record is withheld from everyone.",
    "consent:permit": "The person permits it, in a Consent.",
    "consent:deny": "The person denies it, in a Consent.",
    "opt-out:deny": "The person opted out of uses beyond the own care.",
    "opt-out:permit": "The register of opt-outs permits it.",
    "opt-out:out-of-date": "The register of opt-outs is out of date.",
}


def rule_in_words(policy: Policy, decision: Decision) -> str:
    """Return what a rule means."""
    kind, _, name = decision.rule.partition(":")
    if decision.rule in _RULES:
        return _RULES[decision.rule]
    if kind == "label":
        says = next(each.says for each in policy.labels.known if each.id == name)
        return f"It bears a label, and the role is not cleared for that. {says}"
    says = next(each.says for each in policy.purposes.rules if each.id == name)
    return f"Nothing stands in the way. {says}" if kind == "default" else says


def provision_in_words(provision: Provision) -> str:
    """Return what one provision lays down, without those that it is an exception of."""
    verb = "permits" if provision.effect == "permit" else "denies"
    start = f"except that it {verb}" if provision.parent else f"It {verb}"
    return " ".join((start, *_bounds(provision))) + "."


def _bounds(provision: Provision) -> Iterator[str]:
    yield from _among("resources of the types", provision.kinds, otherwise="everything")
    yield from _among("for", provision.purposes, otherwise="")
    yield from _among(
        "to", provision.actors, otherwise="to anyone" if not provision.secondary else ""
    )
    labels = {each.partition("=")[2].partition(SEPARATOR)[0] for each in provision.labels}
    yield from _among("where it is labelled", labels, otherwise="")
    if provision.secondary:
        yield "for uses beyond the person's care"
    if provision.since > -EVER:
        yield f"from {instant(provision.since)}"
    if provision.until < EVER:
        yield f"until {instant(provision.until)}"


def _among(word: str, given: frozenset[str] | set[str], *, otherwise: str) -> Iterator[str]:
    if given:
        yield f"{word} {', '.join(sorted(given))}"
    elif otherwise:
        yield otherwise
