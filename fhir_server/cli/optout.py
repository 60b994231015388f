"""`fhir-server optout`: the national register of people who opted out of uses beyond their care."""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import date
from pathlib import Path

from fhir_server.cli.frame import CommandFailed
from fhir_server.cli.options import add_settings, check_there, settings_of
from fhir_server.fhir.errors import FhirError
from fhir_server.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.description = (
        "Load the register of NHS numbers whose holders opted out of research and planning, in place of the one"
        " before, or tell which there is. It takes effect at once, on running servers too; no record ever shows it."
    )
    parser.add_argument("action", choices=("load", "status"))
    parser.add_argument("file", nargs="?", type=Path, help="a text file: one NHS number a line")
    parser.add_argument(
        "--as-of", type=date.fromisoformat, help="the day on which the register held: YYYY-MM-DD"
    )
    add_settings(parser, ["store", "store_options", "opt_out_days"])


def run(arguments: argparse.Namespace) -> None:
    """Load or tell; raise CommandFailed for a file that is no register, and where there is none."""
    settings = settings_of(arguments)
    check_there(settings)
    try:
        if arguments.action == "load":
            _load(settings, arguments.file, arguments.as_of)
        else:
            _tell(settings)
    except FhirError as error:
        raise CommandFailed(str(error)) from error


def _load(settings: Settings, file: Path | None, day: date | None) -> None:
    if file is None or day is None:
        raise CommandFailed(
            "a register is loaded with its day: optout load FILE --as-of YYYY-MM-DD"
        )
    # Here, so that `optout --help` does not load a store.
    from fhir_server.offline.opting_out import load_opt_outs  # noqa: PLC0415
    from fhir_server.policy.register import begin_of, read_register  # noqa: PLC0415
    from fhir_server.wiring import clock  # noqa: PLC0415

    try:
        with file.open(encoding="utf-8-sig") as lines:
            numbers = read_register(lines)
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise CommandFailed(f"{file}: {error}; nothing was loaded") from error
    try:
        as_of = begin_of(day, now=clock())
    except ValueError as error:
        raise CommandFailed(f"--as-of {error}") from error
    known = asyncio.run(load_opt_outs(settings, numbers, as_of=as_of))
    sys.stdout.write(f"{known.number} NHS numbers loaded, as of {day}\n")


def _tell(settings: Settings) -> None:
    from fhir_server.offline.opting_out import opt_outs  # noqa: PLC0415
    from fhir_server.policy.register import day_of, days_since  # noqa: PLC0415
    from fhir_server.wiring import clock  # noqa: PLC0415

    known = asyncio.run(opt_outs(settings))
    if known is None:
        raise CommandFailed("no register was ever loaded: nothing is disclosed where it applies")
    days = days_since(known.as_of, now=clock())
    sys.stdout.write(f"{known.number} NHS numbers, as of {day_of(known.as_of)}, {days} days ago\n")
    if days > settings.opt_out_days:
        raise CommandFailed(
            f"out of date after {settings.opt_out_days} days: nothing is disclosed where it applies"
        )
