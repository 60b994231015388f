"""SEKMET, a hospital information system that tests others: https://pypi.org/project/sekmet-fhir/."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.nodes import Node, running_node
from tests.support.patience import PATIENCE


def run_scenario(node: Node, folder: Path, name: str, wire: str) -> list[dict[str, Any]]:
    """Let its own runner play a scenario against a node; return what became of the steps."""
    settings = folder / "settings.yaml"
    peers = {"node": {"base_url": node.url, "format": wire}}
    # YAML takes JSON.
    settings.write_text(json.dumps({"data_dir": str(folder), "peers": peers}))
    runner = (sys.executable, "-m", "sekmet.cli", "scenario", "run", name, "--peer", "node")
    ran = subprocess.run(
        (*runner, "--no-serve", "--config", str(settings), "--report-dir", str(folder)),
        cwd=folder,
        env=os.environ | {"NO_PROXY": "*"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    reports = list(folder.glob("*/results.json"))
    assert reports, ran.stdout + ran.stderr
    (result,) = json.loads(reports[0].read_bytes())
    steps: list[dict[str, Any]] = result["steps"]
    return steps


@pytest.mark.parametrize("wire", ["json", "xml"])
@pytest.mark.parametrize("name", ["conformance_smoke", "appointment_book_cancel"])
def test_each_step_of_a_scenario_passes(name: str, wire: str, tmp_path: Path) -> None:
    with running_node(tmp_path / "node.db") as node:
        steps = run_scenario(node, tmp_path, name, wire)

    assert len(steps) > 10
    assert [each for each in steps if each["status"] != "passed"] == []
