"""`fhir-server audit`: the log of who read and wrote what."""

from __future__ import annotations

import argparse
import asyncio
import sys

from fhir_server.cli.frame import CommandFailed
from fhir_server.cli.options import add_settings, check_there, settings_of
from fhir_server.fhir.errors import FhirError
from fhir_server.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.description = (
        "Verify that nothing in the audit log was changed, left out or cut off, and tell its last digest, to be kept"
        " elsewhere; or export its events, one JSON object a line. Reads only; the server may run meanwhile."
    )
    parser.add_argument("action", choices=("verify", "export"))
    parser.add_argument(
        "--digest", help="verify: a digest that was told before, which the log must still hold"
    )
    parser.add_argument(
        "--after", type=int, default=0, help="export: the number of the last event that you have"
    )
    add_settings(parser, ["store", "store_options"])


def run(arguments: argparse.Namespace) -> None:
    """Verify or export; raise CommandFailed for a log that is not what was written."""
    settings = settings_of(arguments)
    check_there(settings)
    try:
        if arguments.action == "verify":
            _verify(settings, arguments.digest)
        else:
            asyncio.run(_export(settings, arguments.after))
    except FhirError as error:
        raise CommandFailed(str(error)) from error


def _verify(settings: Settings, expected: str | None) -> None:
    # Here, so that `audit --help` does not load a store.
    from fhir_server.cli.showing import bar  # noqa: PLC0415
    from fhir_server.offline.checking import Broken, verifying  # noqa: PLC0415

    number = total = 0
    digest, found = "", expected is None

    async def follow() -> None:
        nonlocal number, total, digest, found
        async for step in verifying(settings):
            if isinstance(step, Broken):
                raise CommandFailed(f"the audit log is broken: {step.problem}")
            number, total, digest = step.number, step.total, step.digest.hex()
            found = found or digest == expected

    with bar("verifying", 100, lambda: (100 * number // max(total, 1), f"{number} of {total}")):
        asyncio.run(follow())
    if not found:
        raise CommandFailed(f"the audit log does not hold the digest {expected}")
    sys.stdout.write(f"{number} events verified: no problem\n")
    if digest:
        sys.stdout.write(f"digest {digest}\n")


async def _export(settings: Settings, after: int) -> None:
    from fhir_server.audit.event import as_json  # noqa: PLC0415
    from fhir_server.offline.checking import recorded_events  # noqa: PLC0415

    async for number, event in recorded_events(settings, after=after):
        sys.stdout.write(as_json(event, number) + "\n")
