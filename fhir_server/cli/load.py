"""`fhir-server load`: files of resources into a store, or over HTTP into a running server."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from fhir_server.cli.frame import CommandFailed
from fhir_server.cli.options import add_settings, settings_of
from fhir_server.fhir.errors import FhirError

EXAMPLES = """examples:
  fhir-server load records/                   a folder of .ndjson, .json, .xml, or these with .gz
  fhir-server load Patient.ndjson.gz --store sqlite:ward.db
  fhir-server load bundle.json --url http://127.0.0.1:8000/fhir

Loading twice changes nothing the second time. A load that was cut off goes on where it stopped.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="files and folders")
    parser.add_argument("--url", help="FHIR base of a running server, to load into instead")
    parser.add_argument(
        "--processes", type=int, help="processes that parse and validate [one less than cores]"
    )
    parser.add_argument(
        "--errors",
        type=Path,
        default=Path("load-errors.ndjson"),
        help="file for what is rejected: source, line, OperationOutcome [load-errors.ndjson]",
    )
    parser.add_argument(
        "--keep-invalid",
        action="store_true",
        help="load what breaks a rule of R4 as it is; the error file tells what is wrong with it",
    )
    add_settings(parser, ["store", "store_options", "base_url"])


def run(arguments: argparse.Namespace) -> None:
    """Load everything; raise CommandFailed where something was rejected or nothing can be done."""
    settings = settings_of(arguments)
    # Here, so that `load --help` does not load a server.
    from fhir_server.bulk.loading import Tally  # noqa: PLC0415
    from fhir_server.bulk.reporting import reporter  # noqa: PLC0415
    from fhir_server.bulk.sources import find_sources  # noqa: PLC0415
    from fhir_server.cli.showing import Stopwatch, bar  # noqa: PLC0415
    from fhir_server.offline.loading import load_into_store, send_to_server  # noqa: PLC0415

    tally, watch = Tally(), Stopwatch()
    errors: Path = arguments.errors
    report = reporter(errors)

    def look() -> tuple[int, str]:
        done = tally.written + tally.unchanged
        return tally.read, f"{done} resources, {done / watch.seconds:.0f}/s"

    try:
        sources = find_sources(arguments.paths)
        with bar("loading", sum(each.stat().st_size for each in sources), look):
            if arguments.url:
                asyncio.run(send_to_server(arguments.url, sources, report=report, tally=tally))
            else:
                loading = load_into_store(
                    settings,
                    sources,
                    report=report,
                    tally=tally,
                    processes=arguments.processes,
                    keep_invalid=arguments.keep_invalid,
                )
                asyncio.run(loading)
    except (FhirError, OSError) as error:
        raise CommandFailed(str(error)) from error
    figures = f"{tally.written} written, {tally.unchanged} unchanged, {tally.rejected} rejected"
    kept = f" ({tally.invalid} invalid ones kept: see {errors})" if tally.invalid else ""
    sys.stdout.write(f"{figures} in {watch.seconds:.1f} s{kept}\n")
    if tally.rejected:
        raise CommandFailed(f"{tally.rejected} rejected; {errors} tells which and why")
