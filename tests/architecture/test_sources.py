"""What the linters cannot say of the sources: names, clocks, exceptional rights, places of machines."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import Counter
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.support.data import ROOT

PACKAGE = ROOT / "fhir_server"
SOURCES = sorted(PACKAGE.rglob("*.py"))
PURE = ("fhir", "search", "policy")
NOT_OURS = {"__pycache__", "node_modules", "dist", "build", "data"}

SYSTEM_SIGHT: Counter[str] = Counter(
    {
        "fhir_server/catalogue/backfill.py": 1,
        "fhir_server/catalogue/register.py": 1,
        "fhir_server/federation/registry.py": 1,
        "fhir_server/interactions/person_index.py": 1,
        "fhir_server/operations/break_glass.py": 1,
        "fhir_server/operations/explain_access.py": 1,
    }
)
"""Where the server reads with the rights of the system, past every restriction, and how often."""

SERVED_BY_UVICORN = {"httptools", "uvloop"}


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def calls_of_system_sight(path: Path) -> int:
    return sum(
        isinstance(node, ast.Attribute)
        and node.attr == "system"
        and isinstance(node.value, ast.Name)
        and node.value.id == "Visibility"
        for node in ast.walk(tree(path))
    )


def imported_modules(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def runtime_dependencies() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {re.split(r"[><=;\[ ]", each, maxsplit=1)[0] for each in project["dependencies"]}


def optional_dependencies() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    return {re.split(r"[><=;\[ ]", each, maxsplit=1)[0] for extra in extras for each in extra}


def texts() -> list[Path]:
    """Return every file of the project that is no local state."""
    return [
        path
        for path in ROOT.rglob("*")
        if path.is_file()
        and not NOT_OURS & set(path.relative_to(ROOT).parts)
        and not any(each.startswith(".") and each != ".ci" for each in path.relative_to(ROOT).parts)
        and path.suffix not in {".db", ".db-wal", ".db-shm"}
    ]


def test_no_file_names_a_place_on_somebodys_machine_or_in_their_network() -> None:
    # Written in parts, so that this file does not name them.
    places = re.compile(
        rb"(?<![\w.:/])/(?:home|root|Users|work)/\w"
        rb"|files\.python" + rb"hosted\.org|registry\.npm" + rb"js\.org|/opt/" + rb"wheels"
    )

    named = {
        relative(path): found[0]
        for path in texts()
        if (found := places.search(path.read_bytes())) is not None
    }

    assert named == {}


@pytest.mark.parametrize("package", PURE)
def test_a_pure_package_awaits_nothing(package: str) -> None:
    awaiting = {
        relative(path)
        for path in (PACKAGE / package).rglob("*.py")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith)
    }

    assert awaiting == set()


def test_only_wiring_holds_the_clock_and_makes_ids() -> None:
    """Ruff bans both everywhere (TID251); this is who may silence it."""
    silenced = {relative(path) for path in SOURCES if "TID251" in path.read_text()}

    assert silenced <= {"fhir_server/wiring.py"}


def test_each_reading_with_the_rights_of_the_system_is_on_this_list() -> None:
    used = Counter(
        {relative(path): count for path in SOURCES if (count := calls_of_system_sight(path))}
    )

    assert used == SYSTEM_SIGHT


def test_no_module_or_class_has_a_name_that_says_nothing() -> None:
    empty_word = re.compile(r"(?i)manager|helper|utils?$|(?:^|_)misc|(?:^|_)common")
    names = {
        name
        for path in SOURCES
        for name in (
            path.stem,
            *(node.name for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef)),
        )
    }

    assert {name for name in names if empty_word.search(name)} == set()


def test_each_runtime_dependency_is_imported() -> None:
    imported = set().union(*map(imported_modules, SOURCES)) - set(sys.stdlib_module_names)
    distributions = packages_distributions()
    used = {name.lower() for each in imported for name in distributions.get(each, ())}
    used = {name.replace("_", "-") for name in used}

    required = runtime_dependencies() - SERVED_BY_UVICORN
    assert required - used == set(), "required, and imported nowhere"
    assert used - required - optional_dependencies() <= {"fhir-server"}, (
        "imported, and not required"
    )


def test_each_folder_that_the_wheel_takes_along_has_files() -> None:
    """Git keeps no empty folder, and building the wheel fails without it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    folders = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]

    assert [each for each in folders if not any((ROOT / each).rglob("*.*"))] == []


def test_the_tests_mirror_the_packages() -> None:
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    tested = {path.parent.name for path in (ROOT / "tests").glob("*/__init__.py")}

    assert packages - tested == set()
