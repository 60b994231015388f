"""Commands of `fhir-server`, run in the test's own process: as a process of its own each takes a second to start."""

from __future__ import annotations

from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from subprocess import CompletedProcess

from fhir_server.cli import main
from tests.support.data import ROOT


def typed(*arguments: str, cwd: Path = ROOT) -> CompletedProcess[str]:
    """Run a command to its end; `tests/support/nodes.py` has what serves, and what has to be a process."""
    told, problem = StringIO(), StringIO()
    status = 0
    with chdir(cwd), redirect_stdout(told), redirect_stderr(problem):
        try:
            main(arguments)
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
    return CompletedProcess(arguments, status, told.getvalue(), problem.getvalue())
