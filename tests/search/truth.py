"""The whole truth table: the rules of every module in `tests/search/cases`, cited and laid out in rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import NamedTuple

from tests.search import cases
from tests.search.cases import Rule

_ADDRESS = re.compile(r"https://hl7\.org/fhir/R4/[\w.-]+(?:#[\w.-]+)?(?<!\.)")


class Row(NamedTuple):
    """One query of a rule, and whether it finds the rule's resource."""

    rule: Rule
    query: str
    expected: bool


def rows_of(rule: Rule) -> list[Row]:
    """Return what a rule says of each of its queries."""
    return [
        *(Row(rule, each, expected=True) for each in rule.found_by),
        *(Row(rule, each, expected=False) for each in rule.not_found_by),
    ]


def is_cited(rule: Rule) -> bool:
    """Tell whether a rule says where in the specification its sentence stands."""
    return _ADDRESS.fullmatch(rule.source) is not None


def _rules(module: ModuleType) -> Iterator[Rule]:
    """Yield the rules of a module, each with the source that it or the module names."""
    found = _ADDRESS.search(module.__doc__ or "")
    default = found[0] if found else ""
    for each in module.RULES:
        yield replace(each, source=each.source or default)


MODULES = [import_module(f"{cases.__name__}.{each.name}") for each in iter_modules(cases.__path__)]
RULES = [rule for module in MODULES for rule in _rules(module)]
ROWS = [row for rule in RULES for row in rows_of(rule)]
