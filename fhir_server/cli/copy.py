"""`fhir-server copy`: one store becomes another, of the same backend or the other one."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import ValidationError

from fhir_server.cli.frame import CommandFailed
from fhir_server.cli.options import check_there, problems
from fhir_server.fhir.errors import FhirError
from fhir_server.settings import Settings

if TYPE_CHECKING:
    # `copy --help` loads no store.
    from fhir_server.offline.copying import Copied

EXAMPLES = """examples:
  fhir-server copy --from sqlite:data/fhir.db --to 'mongodb://db.example/ward?replicaSet=rs0'
  fhir-server copy --from mongodb://db.example/ward --to sqlite:ward.db

An address with a password is given as a variable: FHIR_STORE stands for --from, FHIR_COPY_TO for --to.
A copy that was cut off goes on where it stopped. Until it is whole and compared, no server opens it.
"""

TARGET = "FHIR_COPY_TO"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    parser.description = (
        "Make a new store the copy of another: all versions with their bytes, moments and numbers, search parameters,\n"
        "opt-outs, the audit log, clients, accounts and keys. Page links and sessions stay behind.\n"
        "The nodes of a MongoDB that is copied are stopped; a file is copied as it was when it began."
    )
    parser.add_argument(
        "--from", dest="source", metavar="STORE", help="what is copied (FHIR_STORE)"
    )
    parser.add_argument(
        "--to", dest="target", metavar="STORE", help=f"what becomes its copy ({TARGET})"
    )


def run(arguments: argparse.Namespace) -> None:
    """Copy, or go on with it; raise CommandFailed where nothing was copied, or not all of it."""
    source = _store("--from", arguments.source)
    target = _store("--to", arguments.target or os.environ.get(TARGET, ""))
    check_there(source)
    # Here, so that `copy --help` does not load a store.
    from fhir_server.cli.showing import Stopwatch, bar  # noqa: PLC0415
    from fhir_server.offline.copying import Progress, copy  # noqa: PLC0415
    from fhir_server.wiring import clock  # noqa: PLC0415

    progress, watch = Progress(), Stopwatch()

    def look() -> tuple[int, str]:
        rows = f"{progress.done} of {progress.total} rows copied or compared"
        return 100 * progress.done // progress.total, rows

    try:
        with bar("copying", 100, look):
            copied = asyncio.run(copy(source, target, progress, now=clock()))
    except (FhirError, OSError) as error:
        raise CommandFailed(str(error)) from error
    sys.stdout.writelines(_lines(copied, target, watch.seconds))


def _store(flag: str, address: str | None) -> Settings:
    """Return the settings of one of the two stores; raise CommandFailed for what is none."""
    try:
        return Settings() if address is None else Settings(store=address)
    except ValidationError as error:
        raise CommandFailed(f"{flag}: {problems(error)}", status=2) from error


def _lines(copied: Copied, target: Settings, seconds: float) -> Iterator[str]:
    """Yield what was copied: of each type how many versions, and a digest of these in their order."""
    from fhir_server.fhir.instants import instant  # noqa: PLC0415 - see run
    from fhir_server.offline.copying import NAMES  # noqa: PLC0415 - see run

    others = set(NAMES.values())
    for name, each in copied.contents.items():
        digest = "" if name in others else f"  {each.digest}"
        yield f"{name:<34}{each.number:>10}{digest}\n"
    number = sum(each.number for each in copied.contents.values())
    begun = f", {copied.resumed} of them before" if copied.resumed else ""
    yield f"{number} rows copied{begun}, and compared with the source, in {seconds:.1f} s\n"
    until = f"as of {instant(copied.moment)}" if copied.moment else "without resources"
    yield f"{target.store_name} is a whole copy, {until}\n"
