"""The documents say what the code is; where they can be compared with it, they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fhir_server import __version__
from fhir_server.settings import Settings
from tests.support.data import ROOT

DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])
PACKAGES = sorted(
    path.parent.relative_to(ROOT / "fhir_server").as_posix()
    for path in (ROOT / "fhir_server").glob("*/__init__.py")
)


def sections(decision: Path) -> list[str]:
    return re.findall(r"^## (.+)$", decision.read_text(), re.MULTILINE)


def headings(page: Path) -> str:
    return "\n".join(re.findall(r"^#+ .+$", page.read_text(), re.MULTILINE))


def named(page: Path) -> set[str]:
    """Return the files and folders that a page names in code font, patterns of names left out."""
    paths = re.findall(
        r"`((?:fhir_server|tests|scripts|docs|profiles|requirements|docker|bench)/[\w./-]*)`",
        page.read_text(),
    )
    return {each for each in paths if "NNNN" not in each and "TYPE" not in each}


def links(page: Path) -> set[str]:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    return {each for each in targets if "://" not in each and not each.startswith("mailto:")}


@pytest.mark.parametrize("package", PACKAGES)
def test_the_architecture_page_names_each_package(package: str) -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()

    assert re.search(rf"\b{package}/|`(?:fhir_server\.)?{package}`", page)


@pytest.mark.parametrize("setting", sorted(Settings.model_fields))
def test_each_setting_has_a_heading_in_the_reference(setting: str) -> None:
    page = ROOT / "docs" / "reference" / "settings.md"

    assert re.search(rf"\bFHIR_{setting.upper()}\b", headings(page))


def test_the_reference_has_no_setting_that_the_code_does_not_have() -> None:
    page = ROOT / "docs" / "reference" / "settings.md"
    documented = set(re.findall(r"\bFHIR_([A-Z_]+)\b", headings(page)))

    assert documented <= {setting.upper() for setting in Settings.model_fields}


def test_the_decisions_are_numbered_without_a_gap() -> None:
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_says_what_enforces_it(decision: Path) -> None:
    lines = decision.read_text().splitlines()

    assert re.fullmatch(rf"# {int(decision.name[:4])}\. \S.*", lines[0])
    assert sections(decision) == ["Context", "Decision", "Consequences", "Enforced by"]
    assert lines[-1] != "## Enforced by"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_a_page_names_is_there(page: Path) -> None:
    absent = {each for each in named(page) if not (ROOT / each).exists()}
    dead = {each for each in links(page) if not (page.parent / each).exists()}

    assert absent == set()
    assert dead == set()


def test_the_changelog_has_a_place_for_this_version() -> None:
    versions = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert versions[0] in {"Unreleased", __version__}
    assert len(versions) == len(set(versions))


def test_the_contributing_page_names_each_script() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text()
    scripts = [path for path in (ROOT / "scripts").iterdir() if path.is_file()]

    assert [each.name for each in scripts if f"scripts/{each.name}" not in page] == []


LEAKS = ROOT / "docs" / "reference" / "leaks.md"
WAYS = [
    row.strip("|").split(" | ")
    for row in LEAKS.read_text().splitlines()
    if row.startswith("| ") and not row.startswith("| way |")
]
"""Ways to learn what is hidden: what each is, what is answered, and its tests."""

UNTESTED = {"how long an answer takes", "GraphQL, subscriptions, exported files"}


@pytest.mark.parametrize("row", WAYS, ids=lambda row: row[0].strip())
def test_each_way_to_learn_of_the_hidden_has_a_test_that_is_there(row: list[str]) -> None:
    way, _, tests = (each.strip(" |") for each in row)
    known = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", tests)

    assert bool(known) == (way not in UNTESTED)
    missing = [name for path, name in known if f"def {name}(" not in (ROOT / path).read_text()]
    assert missing == []


def test_the_page_names_every_test_of_leaks() -> None:
    """A new one is a way that was not thought of before."""
    page = LEAKS.read_text()
    written = {
        f"{path.relative_to(ROOT).as_posix()}::{name}"
        for path in (ROOT / "tests" / "rest" / "leaks").glob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)
    }

    assert {each for each in written if f"`{each}`" not in page} == set()
