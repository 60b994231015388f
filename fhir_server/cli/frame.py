"""The frame around the commands: the list of them, help, and one clear line for what went wrong."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

from fhir_server import __version__

COMMANDS = {
    "serve": "serve one FHIR node",
    "demo": "serve a node full of synthetic data, to try things on",
    "load": "load files of resources into the store, or into a running server",
    "copy": "make a new store the copy of another, on SQLite or MongoDB",
    "check": "check the store: index, versions and histories",
    "reindex": "index the store anew",
    "audit": "verify the audit log, or export it",
    "optout": "load the register of people who opted out, or tell how old it is",
    "member": "add, list, check or remove the members of a federation",
    "client": "register the apps and services that may get tokens, list or remove them",
    "user": "keep the accounts of people who sign in here",
    "token": "print a token for development",
    "keys": "list or change the keys that tokens are signed with",
    "reset": "delete everything in the store",
}
"""Each is a module of this package by the same name, with `configure(parser)` and `run(arguments)`."""


class CommandFailed(Exception):
    """The command cannot do what was asked; the message is one line for the person who typed it."""

    def __init__(self, message: str, *, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that the arguments name; exit with 1 or 2 where it cannot be done."""
    if os.getpid() == 1:
        # The kernel drops what the first process of a container does not handle: a stop would wait to be a kill.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = parser_of(given)
    parsed = parser.parse_args(given)
    try:
        import_module(f"fhir_server.cli.{parsed.command}").run(parsed)
    except CommandFailed as error:
        parser.exit(error.status, f"fhir-server: {error}\n")
    except KeyboardInterrupt:
        parser.exit(130, "\n")


def parser_of(given: Sequence[str]) -> argparse.ArgumentParser:
    """Return what understands these arguments: only the command that they name is imported."""
    parser = argparse.ArgumentParser(
        prog="fhir-server",
        description="An open FHIR R4 server.",
        epilog="`fhir-server COMMAND --help` tells the options of a command.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"fhir-server {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, told in COMMANDS.items():
        sub = commands.add_parser(
            name, help=told, description=told[0].upper() + told[1:] + ".", allow_abbrev=False
        )
        if name in given:
            import_module(f"fhir_server.cli.{name}").configure(sub)
    return parser
