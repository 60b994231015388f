"""The commands that README and the guides show: this program has each, with the options that are typed there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from fhir_server.cli.frame import parser_of
from fhir_server.settings import Settings
from tests.support.data import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guides").glob("*.md"))]
TYPED = re.compile(r"(?:^|\$\(|do )(fhir-server [^)]*?)(?=[;)&]? *(?:#|$)|;|\))")


def blocks(page: Path) -> str:
    """Return what stands in blocks of code, each command on one line."""
    found = re.findall(r"^```\w*\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    return "\n".join(found).replace("\\\n", " ")


def commands(page: Path) -> list[list[str]]:
    """Return the words of each command; what variables stand for is set in the same block."""
    text = blocks(page)
    held = dict(re.findall(r"^(\w+)=[\"']([^\"'\n]*)[\"']$", text, re.MULTILINE))
    lines = [match for line in text.splitlines() for match in TYPED.findall(line)]
    full = [re.sub(r"(?<!')\$(\w+)", lambda v: held.get(v[1], "x"), line) for line in lines]
    return [shlex.split(line, comments=True)[1:] for line in full]


READ_BY_COMMANDS = {"COPY_TO"}
"""What one command reads besides the settings: the address that `copy` writes to."""

CASES = [
    pytest.param(words, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, words in enumerate(commands(page))
]


def test_the_pages_show_commands() -> None:
    assert len(CASES) > 40


@pytest.mark.parametrize("words", CASES)
def test_a_documented_command_is_understood(words: list[str]) -> None:
    parsed = parser_of(words).parse_args([each for each in words if each != "&"])

    assert parsed.command == words[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_a_variable_that_a_page_sets_is_a_setting(page: Path) -> None:
    named = set(re.findall(r"\bFHIR_(?!TEST_)([A-Z][A-Z_]*[A-Z])\b", page.read_text()))

    assert named <= {setting.upper() for setting in Settings.model_fields} | READ_BY_COMMANDS
