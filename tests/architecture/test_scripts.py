"""The scripts: one vocabulary for people and CI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.data import ROOT

SCRIPTS = sorted(path for path in (ROOT / "scripts").iterdir() if path.is_file())
SHELL = [path for path in [*SCRIPTS, ROOT / ".ci" / "run"] if b"bash" in path.read_bytes()[:30]]
WITH_OWN_HELP = ("check", "install", "lock", "test")
WITH_OWN_OPTIONS = ("check", "install", "lock")


def run(
    *command: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **(environment or {})},
    )


@pytest.mark.parametrize("name", WITH_OWN_OPTIONS)
def test_an_unknown_option_is_refused_with_what_would_work(name: str) -> None:
    done = run(str(ROOT / "scripts" / name), "--unheard-of")

    assert done.returncode == 2
    assert "unknown option --unheard-of; try --" in done.stderr


def test_without_a_fitting_python_the_installer_says_so_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "runtime.txt").touch()
    (tmp_path / "pyproject.toml").touch()
    installer = tmp_path / "scripts" / "install"
    installer.write_bytes((ROOT / "scripts" / "install").read_bytes())
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("bash", "dirname", "cat", "cksum", "rm"):
        (tools / tool).symlink_to(_tool(tool))

    done = run(str(tools / "bash"), str(installer), environment={"PATH": str(tools), "PYTHON": ""})

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "install: found no Python 3.11 or newer; install one, or name it: PYTHON=/path/to/python3"
    ]
    assert not (tmp_path / ".venv").exists()


def _tool(name: str) -> Path:
    return next(
        found
        for folder in os.environ["PATH"].split(os.pathsep)
        if (found := Path(folder, name)).exists()
    )


@pytest.mark.parametrize("name", WITH_OWN_HELP)
def test_a_script_says_what_it_does(name: str) -> None:
    done = run(str(ROOT / "scripts" / name), "--help")

    assert done.returncode == 0, done.stderr
    assert f"scripts/{name}" in done.stdout


def test_the_packages_of_the_tests_are_listed_by_the_script_that_fetches_them() -> None:
    done = run(sys.executable, str(ROOT / "scripts" / "fetch_test_packages"), "--help")

    assert done.returncode == 0, done.stderr
    assert ".cache/packages/hl7.fhir.r4.core.tgz" in done.stdout


@pytest.mark.parametrize("script", SHELL, ids=lambda path: path.name)
def test_a_shell_script_stops_at_the_first_failure(script: Path) -> None:
    assert os.access(script, os.X_OK)
    assert '\nset -euo pipefail\ncd "$(dirname "$0")/.."\n' in script.read_text()
    assert run("bash", "-n", str(script)).returncode == 0
