"""`fhir-server token`: a token for development, signed by the store's key."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from fhir_server.auth.server.scopes import is_scope
from fhir_server.auth.server.server import AuthorizationServer
from fhir_server.cli.authority import ADDRESS, administer, now
from fhir_server.cli.frame import CommandFailed
from fhir_server.cli.options import add_settings
from fhir_server.fhir.resource import LOGICAL_ID
from fhir_server.policy.disclosure import OWN_REQUEST

MOST_MINUTES = 720

_EXAMPLES = """
for example:
  TOKEN=$(fhir-server token --role R8000 --purpose TREAT)
  curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8000/fhir/Patient

The token is for a server of this store at the address that the flags give: the same ones as for `serve`.
Whoever can read the store's file can make one, so it gives away nothing that is not lost already.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.description = "Print a token for development, without a client and without a sign-in."
    parser.epilog = _EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--scopes", help="SMART scopes [system/*.cruds; of a patient patient/*.rs]")
    parser.add_argument("--patient", metavar="ID", help="the patient in context")
    parser.add_argument("--purpose", help="purpose of use [TREAT; of a patient PATRQT]")
    parser.add_argument("--role", help="role of the caller, such as R8000")
    parser.add_argument("--organisation", help="ODS code of the caller's organisation")
    parser.add_argument("--programme", help="programme of the register of flows")
    parser.add_argument("--subject", default="developer", help="who it is [developer]")
    parser.add_argument(
        "--minutes", type=int, default=60, help=f"how long it is good, up to {MOST_MINUTES} [60]"
    )
    add_settings(parser, ["store", "store_options", *ADDRESS])


def run(arguments: argparse.Namespace) -> None:
    """Print a token; raise CommandFailed."""
    usual = "system/*.cruds" if arguments.patient is None else "patient/*.rs"
    scopes = (arguments.scopes or usual).split()
    wrong = [each for each in scopes if not is_scope(each)]
    if wrong:
        raise CommandFailed(f"--scopes: {wrong[0]!r} is no scope, as patient/*.rs is", status=2)
    if arguments.patient is not None and not LOGICAL_ID.match(arguments.patient):
        raise CommandFailed(f"--patient: {arguments.patient!r} is no id", status=2)
    if not 1 <= arguments.minutes <= MOST_MINUTES:
        raise CommandFailed(f"--minutes: from 1 to {MOST_MINUTES}", status=2)
    claims = {
        "sub": arguments.subject,
        "client_id": "development",
        "scope": " ".join(scopes),
        "patient": arguments.patient,
        "purpose": arguments.purpose or _purpose(arguments.patient, arguments.role),
        "role": arguments.role,
        "organisation": arguments.organisation,
        "programme": arguments.programme,
    }

    async def issue(server: AuthorizationServer) -> Sequence[str]:
        seconds = arguments.minutes * 60
        return [await server.issuing.development(claims, seconds=seconds, now=now())]

    administer(arguments, issue)


def _purpose(patient: str | None, role: str | None) -> str:
    """Return what a token is usually for: a patient without a role asks for the own record."""
    return "TREAT" if patient is None or role is not None else OWN_REQUEST
