"""fhir-kit-client, a JavaScript client: https://github.com/Vermonster/fhir-kit-client."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.data import ROOT
from tests.support.nodes import Node, running_node
from tests.support.patience import PATIENCE

SESSION = Path(__file__).with_name("fhir_kit_client.mjs")
CLIENT = ROOT / ".cache" / "node" / "node_modules" / "fhir-kit-client" / "dist" / "index.js"


@pytest.fixture
def interpreter() -> str:
    """Return Node.js; where CI runs, it and the client are owed."""
    found = shutil.which("node")
    if found is None or not CLIENT.is_file():
        missing = (
            "Node.js" if found is None else "fhir-kit-client (run scripts/fetch_test_packages)"
        )
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{missing} is not here")
    return found


def run_session(interpreter: str, node: Node) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (interpreter, str(SESSION), str(CLIENT), node.url),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_a_session_with_it_goes_as_its_script_expects(interpreter: str, tmp_path: Path) -> None:
    with running_node(tmp_path / "node.db") as node:
        ran = run_session(interpreter, node)

    assert ran.returncode == 0, ran.stderr
    # Five of two a page; the valid entry of the batch was done; one of six was deleted.
    seen = {"pages": 3, "gone": 410, "left": 5}
    assert seen.items() <= json.loads(ran.stdout).items()
    created, refused = json.loads(ran.stdout)["batch"]
    assert (created, refused // 100) == (201, 4)
