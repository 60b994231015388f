"""The command line: `fhir-server serve`, and one module per command.

On argparse, not a richer package: `--help` answers in a tenth of a second, and a command's own needs are
imported when it runs. A module of a command has `configure(parser)` and `run(arguments)`, which
raises CommandFailed, or returns.
"""

from __future__ import annotations

from fhir_server.cli.frame import CommandFailed, main

__all__ = ["CommandFailed", "main"]
