"""`fhir-server check`: is the store what it says it is?"""

from __future__ import annotations

import argparse
import asyncio
import sys

from fhir_server.cli.frame import CommandFailed
from fhir_server.cli.options import add_settings, check_there, settings_of
from fhir_server.fhir.errors import FhirError

MOST_SHOWN = 50


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.description = (
        "Compare every index row with what the resource's body says, and every history with its current"
        " version. Reads only; the server may run meanwhile."
    )
    add_settings(parser, ["store", "store_options", "base_url"])


def run(arguments: argparse.Namespace) -> None:
    """Check the whole store; raise CommandFailed where something is wrong with it."""
    settings = settings_of(arguments)
    # Here, so that `check --help` does not load a store.
    from fhir_server.cli.showing import bar  # noqa: PLC0415
    from fhir_server.offline.checking import Finding, scrubbing  # noqa: PLC0415

    check_there(settings)
    findings = done = total = 0

    async def follow() -> None:
        nonlocal findings, done, total
        async for step in scrubbing(settings):
            if isinstance(step, Finding):
                findings += 1
                if findings <= MOST_SHOWN:
                    sys.stdout.write(f"{step.subject}: {step.problem}\n")
            else:
                done, total = step.done, step.total

    try:
        with bar("checking", 100, lambda: (100 * done // max(total, 1), f"{done} of {total}")):
            asyncio.run(follow())
    except FhirError as error:
        raise CommandFailed(str(error)) from error
    if findings:
        raise CommandFailed(f"{findings} problems in {done} resources")
    sys.stdout.write(f"{done} resources checked, deletions included: no problem\n")
