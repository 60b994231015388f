"""One operand of a search parameter's expression as a step: which of its nodes count, and for which parameters. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from fhir_server.fhir.fhirpath import Evaluate, Node
from fhir_server.search.parameter_types.entries import Entries, Indexer

Step: TypeAlias = Callable[[Node, Entries], None]
"""Add what a resource can be found by through one operand."""

Keep: TypeAlias = Callable[[Node], bool]

_WHERE_TYPE = re.compile(r"([\w.]+)\.where\(resolve\(\) is (\w+)\)\Z")
_WHERE_CODE = re.compile(r"([\w.]+)\.where\((\w+)='([^']*)'\)\Z")
_META = re.compile(r"Resource\.meta\.(\w+)\Z")


@dataclass(frozen=True, slots=True)
class Use:
    """What one parameter makes of the nodes of an operand; `names` are those it is present by."""

    names: frozenset[str]
    index: Indexer
    keep: Keep | None


def step_of(evaluate: Evaluate, uses: list[Use]) -> Step:
    """Return the step that adds what each use makes of the nodes."""

    def step(node: Node, entries: Entries) -> None:
        for each in evaluate(node):
            # A primitive that has extensions only has no value to be found by.
            if each.value is None:
                continue
            for use in uses:
                if use.keep is None or use.keep(each):
                    entries.present |= use.names
                    use.index(each, entries)

    return step


def placing(index: Indexer, prefix: str) -> Indexer:
    """Return an indexer that also notes the patients whose compartment a reference places it in."""

    def index_and_place(node: Node, entries: Entries) -> None:
        before = len(entries.terms)
        index(node, entries)
        for term in entries.terms[before:]:
            if term.startswith(prefix):
                entries.patients.add(term[len(prefix) :])

    return index_and_place


def filtered(operand: str) -> tuple[str, Keep | None]:
    """Return the path of an operand, and the condition at its end where that is one of the common ones."""
    if found := _WHERE_TYPE.match(operand):
        return found[1], _refers_to(found[2])
    if found := _WHERE_CODE.match(operand):
        return found[1], _has_code(found[2], found[3])
    return operand, None


def _refers_to(wanted: str) -> Keep:
    """Return the test of `resolve() is …`: by the text of a reference, or the type that it states."""
    inside = f"{wanted}/"

    def refers(node: Node) -> bool:
        text = node.value.get("reference")
        if text is None:
            return bool(node.value.get("type") == wanted)
        start: int = text.find(inside)
        return start == 0 or (start > 0 and text[start - 1] == "/")

    return refers


def _has_code(name: str, wanted: str) -> Keep:
    return lambda node: bool(node.value.get(name) == wanted)


def within_meta(path: str, evaluate: Evaluate) -> Evaluate:
    """Return an evaluator that looks first whether `meta` has the element of this path: most have none."""
    found = _META.match(path)
    if found is None:
        return evaluate
    name, nothing = found[1], list[Node]()
    return lambda node: evaluate(node) if name in node.value["meta"] else nothing
