"""The code with one condition on visibility taken out, for each of them: the property must notice.

They are found by how they are written: conditions that are added to a statement, questions whether something may be
seen, and sights that are handed to a store.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from types import CodeType, FunctionType
from typing import Any

from tests.support.data import ROOT

PACKAGES = {
    "sqlite": ("storage/sqlite", "interactions", "operations"),
    "mongo": ("storage/mongo",),
}
"""What is tried on which store: what lies above a store is tried on one."""

ADDED = {
    *("see", "see_any", "reach", "hide_denied", "_see_current"),
    *("_check_permitted", "check_not_hidden"),
}
"""Functions that add a condition, or check one: a statement that calls them is taken out."""

DOOR = {"see", "see_any", "reach", "hide_denied"}
"""Of these each condition is taken out by itself."""

ASKED = {"permits_type", "sees_whole", "holds"}
"""Questions that are answered with yes."""

READING = {"read", "read_many", "search", "count", "history"}
"""What a store is asked: for everything, instead of what is in sight."""

ON_MONGO = "storage/mongo"

SEEING = {"Sight": 0, "sight_of": 1}
"""What makes a sight of a visibility, and which argument that is: everything, instead."""

INSTEAD = {
    "sight.of": "{}",
    "sight.of_past": "{}",
    "sight.shows": "True",
    "sight.patient_of": "None",
    "self._of_types": "{}",
    "self._of_compartments": "{}",
    "self._is_denied": "False",
    "self.criteria.get": "{}",
    "self.criteria.items": "()",
}
"""Conditions on documents, by the ends of what is called, and what stands there instead."""

AWAITED = {"_kept": 0, "_of_visible": 0, "_not_telling": 0}
"""What leaves rows out, and which argument holds all of them."""

RAISED = "UnknownAudience"


@dataclass(frozen=True)
class Place:
    """One condition: the file, the function that it stands in, its text, and which one of this text it is there."""

    path: str
    function: str
    text: str
    number: int

    def __str__(self) -> str:
        return f"{self.path} {self.function} {self.text} {self.number}"


def places(store: str) -> list[Place]:
    """Return all places that are tried on a store, in the order of the code."""
    found = []
    for path in _sources(PACKAGES[store]):
        for function, node in _functions(path):
            seen: dict[str, int] = {}
            for text in map(
                _text, filter(lambda each: _is_place(path, function, each), ast.walk(node))
            ):
                seen[text] = seen.get(text, 0) + 1
                found.append(Place(path, function, text, seen[text]))
    return found


@contextmanager
def without(place: Place) -> Iterator[None]:
    """Run the code without a condition until the block ends."""
    function = _live(place)
    usual = function.__code__
    function.__code__ = _mutated(place)
    try:
        yield
    finally:
        function.__code__ = usual


def _sources(packages: Sequence[str]) -> list[str]:
    return sorted(
        path.relative_to(ROOT).as_posix()
        for package in packages
        for path in (ROOT / "fhir_server" / package).glob("*.py")
    )


@cache
def _tree(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text())


def _functions(path: str) -> Iterator[tuple[str, ast.AST]]:
    """Yield the functions and methods of a module by qualified name."""
    for node in _tree(path).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for each in node.body:
                if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"{node.name}.{each.name}", each


def _is_place(path: str, function: str, node: ast.AST) -> bool:
    if isinstance(node, ast.Expr):
        called = _called(node.value)
        return called in ADDED or (called == "add" and function in DOOR)
    if isinstance(node, ast.Raise):
        return node.exc is not None and _called(node.exc) == RAISED
    if isinstance(node, ast.Await):
        return _called(node) in AWAITED
    if not isinstance(node, ast.Call):
        return False
    on_documents = ON_MONGO in path and _instead(node) is not None
    return _called(node) in ASKED or _sight_of(node) is not None or on_documents


def _instead(node: ast.Call) -> str | None:
    """Return what stands in the place of a condition on documents."""
    text = ast.unparse(node.func)
    return next((each for end, each in INSTEAD.items() if text.endswith(end)), None)


def _called(node: ast.AST) -> str:
    """Return the name of what is called, "" where nothing is."""
    if isinstance(node, ast.Await):
        node = node.value
    if not isinstance(node, ast.Call):
        return ""
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _sight_of(node: ast.Call) -> ast.expr | None:
    """Return the sight that a store is handed."""
    function = node.func
    if isinstance(function, ast.Name) and function.id in SEEING:
        return node.args[SEEING[function.id]]
    if not (isinstance(function, ast.Attribute) and function.attr in READING and node.args):
        return None
    first = node.args[0]
    is_sight = ast.unparse(first).rpartition(".")[2] in {"sight", "_sight"}
    return first if is_sight and ast.unparse(function.value).endswith("store") else None


def _text(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())


class _Without(ast.NodeTransformer):
    """Takes one place out."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._target: ast.AST | None = None

    def applied(self, node: ast.stmt) -> ast.stmt:
        """Return the function without it."""
        same = [
            each
            for each in ast.walk(node)
            if _is_place(self._place.path, self._place.function, each)
            and _text(each) == self._place.text
        ]
        self._target = same[self._place.number - 1]
        changed: ast.stmt = self.visit(node)
        return ast.fix_missing_locations(changed)

    def visit(self, node: ast.AST) -> Any:
        """Replace the place."""
        if node is not self._target:
            return super().visit(node)
        if isinstance(node, ast.Expr | ast.Raise):
            return ast.copy_location(ast.Pass(), node)
        if isinstance(node, ast.Await):
            assert isinstance(node.value, ast.Call)
            return node.value.args[AWAITED[_called(node)]]
        assert isinstance(node, ast.Call)
        if (sight := _sight_of(node)) is not None:
            everything = ast.parse(f"{ast.unparse(sight)}.everything('mutant')", mode="eval").body
            node.args[node.args.index(sight)] = ast.copy_location(everything, sight)
            return node
        instead = ast.parse(_instead(node) or "True", mode="eval").body
        return ast.copy_location(instead, node)


def _mutated(place: Place) -> CodeType:
    """Return the code of the function without the place."""
    tree = ast.parse((ROOT / place.path).read_text())
    holder, _, name = place.function.rpartition(".")
    bodies = [tree.body]
    bodies += [
        each.body for each in tree.body if isinstance(each, ast.ClassDef) and each.name == holder
    ]
    body = bodies[-1]
    for number, each in enumerate(body):
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name == name:
            body[number] = _Without(place).applied(each)
    return next(
        code
        for code in _codes(compile(tree, place.path, "exec"))
        if code.co_qualname == place.function
    )


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _codes(each)


def _live(place: Place) -> FunctionType:
    """Return the function that runs."""
    module = place.path.removesuffix(".py").replace("/", ".")
    holder: Any = importlib.import_module(module)
    *owners, name = place.function.split(".")
    for each in owners:
        holder = getattr(holder, each)
    found = inspect.getattr_static(holder, name)
    if isinstance(found, property):
        found = found.fget
    elif isinstance(found, cached_property):
        found = found.func
    elif isinstance(found, classmethod | staticmethod):
        found = found.__func__
    assert isinstance(found, FunctionType), place
    return found
