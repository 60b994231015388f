"""The locks: each package once, pinned, hashed, from wherever pip is configured to look."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.data import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LAYERS = ("runtime", "build", "mongo", "test", "lint")
ALLOWED = re.compile(r"[a-z0-9-]+==\S+( ; .+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?")


def lines(layer: str) -> list[str]:
    return (ROOT / "requirements" / f"{layer}.txt").read_text().splitlines()


def pins(*layers: str) -> list[tuple[str, str]]:
    """Return the (name, version) of each locked package."""
    found = [re.match(r"([a-z0-9-]+)==(\S+)", line) for each in layers for line in lines(each)]
    return [(each[1], each[2]) for each in found if each]


def wanted(layer: str) -> list[Requirement]:
    project, groups = PROJECT["project"], PROJECT["dependency-groups"]
    given = {
        "runtime": project["dependencies"],
        "build": PROJECT["build-system"]["requires"],
        "mongo": project["optional-dependencies"]["mongo"],
        "test": [*groups["test"], *project["optional-dependencies"]["models"]],
        "lint": groups["lint"],
    }
    return [Requirement(each) for each in given[layer]]


@pytest.mark.parametrize("layer", LAYERS)
def test_a_lock_has_pins_and_hashes_and_names_no_host(layer: str) -> None:
    assert [line for line in lines(layer) if not ALLOWED.fullmatch(line)] == []


def test_a_package_is_locked_once_for_each_version_of_python() -> None:
    markers = defaultdict(list)
    for line in (each for layer in LAYERS for each in lines(layer) if "==" in each):
        markers[line.partition("==")[0]].append(line.partition(" ; ")[2].rstrip(" \\"))

    several = {name: found for name, found in markers.items() if len(found) > 1}
    assert [
        name for name, found in several.items() if "" in found or len({*found}) < len(found)
    ] == []


@pytest.mark.parametrize("layer", LAYERS)
def test_what_the_project_asks_for_is_locked_in_a_version_that_it_takes(layer: str) -> None:
    locked = dict(pins(*LAYERS[: LAYERS.index(layer) + 1]))
    unmet = [
        str(each)
        for each in wanted(layer)
        if not each.specifier.contains(locked.get(canonicalize_name(each.name), "0"))
    ]

    assert unmet == []
