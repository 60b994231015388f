"""`fhir-server reset`: empty the store."""

from __future__ import annotations

import argparse
import asyncio
import sys

from fhir_server.cli.frame import CommandFailed
from fhir_server.cli.options import add_settings, settings_of
from fhir_server.fhir.errors import FhirError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.description = (
        "Delete every resource, every version, and the page links that clients hold."
        " The nodes of a MongoDB are stopped first."
    )
    parser.add_argument("--yes", action="store_true", help="do it: nothing can bring it back")
    add_settings(parser, ["store", "store_options"])


def run(arguments: argparse.Namespace) -> None:
    """Empty the store; raise CommandFailed without --yes, or where the store is in use."""
    settings = settings_of(arguments)
    if not arguments.yes:
        raise CommandFailed(f"this deletes everything in {settings.store_name}; add --yes to do it")
    # Here, so that `reset --help` does not load a store.
    from fhir_server.offline.checking import empty  # noqa: PLC0415

    try:
        number = asyncio.run(empty(settings))
    except FhirError as error:
        raise CommandFailed(str(error)) from error
    sys.stdout.write(f"{number} resources deleted from {settings.store_name}\n")
