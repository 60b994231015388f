"""`fhir-server reindex`: the index anew, from the bodies."""

from __future__ import annotations

import argparse
import asyncio
import sys

from fhir_server.cli.frame import CommandFailed
from fhir_server.cli.options import add_settings, check_there, settings_of
from fhir_server.fhir.errors import FhirError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.description = (
        "Write every index row anew from what the resources say: after a release that finds more in them,"
        " or where `fhir-server check` asks for it. The server may run meanwhile."
    )
    add_settings(parser, ["store", "store_options", "base_url"])


def run(arguments: argparse.Namespace) -> None:
    """Index the whole store; raise CommandFailed where that fails."""
    settings = settings_of(arguments)
    # Here, so that `reindex --help` does not load a store.
    from fhir_server.cli.showing import bar  # noqa: PLC0415
    from fhir_server.offline.checking import reindexing  # noqa: PLC0415

    check_there(settings)
    done = total = 0

    async def follow() -> None:
        nonlocal done, total
        async for step in reindexing(settings):
            done, total = step.done, step.total

    try:
        with bar("indexing", 100, lambda: (100 * done // max(total, 1), f"{done} of {total}")):
            asyncio.run(follow())
    except FhirError as error:
        raise CommandFailed(str(error)) from error
    sys.stdout.write(f"{done} resources indexed\n")
