"""What the commands on the authorization server have in common."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence

from fhir_server.auth.server.server import AuthorizationServer
from fhir_server.cli.frame import CommandFailed
from fhir_server.cli.options import add_settings, settings_of
from fhir_server.fhir.errors import FhirError

ADDRESS = ("host", "port", "base_url", "audience", "tls_cert", "tls_key")
"""The settings by which a server is known to its clients."""


def add_action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    told: str,
    *,
    epilog: str | None = None,
) -> argparse.ArgumentParser:
    """Add an action of a command, with the flag of the store."""
    parser = actions.add_parser(
        name,
        help=told,
        description=told[0].upper() + told[1:] + ".",
        epilog=epilog,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_settings(parser, ["store", "store_options"])
    return parser


def administer(
    arguments: argparse.Namespace, work: Callable[[AuthorizationServer], Awaitable[Sequence[str]]]
) -> None:
    """Do work on the authorization server of the store, and print the lines it gives; raise CommandFailed."""
    settings = settings_of(arguments)
    # Here, so that `--help` does not load a store.
    from fhir_server.offline.authorizing import authorization  # noqa: PLC0415

    async def run() -> Sequence[str]:
        async with authorization(settings) as server:
            return await work(server)

    try:
        lines = asyncio.run(run())
    except (FhirError, OSError) as error:
        raise CommandFailed(str(error)) from error
    sys.stdout.writelines(f"{line}\n" for line in lines)


def now() -> int:
    """Return the moment (us)."""
    # Here, so that `--help` does not load a server.
    from fhir_server.wiring import clock  # noqa: PLC0415

    return clock()
