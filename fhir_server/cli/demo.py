"""`fhir-server demo`: a node full of synthetic data, to try things on."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from fhir_server.cli.frame import CommandFailed
from fhir_server.cli.options import add_settings, settings_of
from fhir_server.fhir.errors import FhirError
from fhir_server.settings import Settings

MOST_TRUSTS = 20


_RECORD = "Condition?patient=patient-0012&_pretty=true"

_FIVE = (
    "  ask --role R8000                       # a consultant: the record\n",
    "  ask --role R8009 --purpose PATADMIN    # a receptionist: refused, by the role\n",
    "  ask --role R8012 --purpose HDM         # an analyst: refused, until a register of opt-outs is loaded\n",
    "  ask --role R8000 --purpose COVAUTH     # an insurer: refused, whatever the role\n",
    "  ask --patient patient-0012             # the patient: the own record\n",
)
"""Who asks for `_RECORD`, and what they are answered."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.description = (
        "Fill a store with synthetic NHS-flavoured data (trusts, wards and beds, theatre slots,"
        " appointments, immunizations, consents, deliveries; NHS numbers of the 999 range) and serve it."
        " Ctrl-C stops it; started again, it goes on with what is there. With --platform three trusts are served by"
        " nodes of their own, and asked as one; nothing of that is kept."
    )
    parser.add_argument(
        "--platform", action="store_true", help="three trusts and a hub, each a process of its own"
    )
    parser.add_argument("--patients", type=int, default=200, help="synthetic patients [200]")
    parser.add_argument("--trusts", type=int, default=1, help="trusts that they belong to [1]")
    parser.add_argument("--trust", type=int, metavar="N", help="the data of this trust alone")
    parser.add_argument(
        "--delay", type=float, default=0.0, metavar="SECONDS", help="answer this late [0]"
    )
    add_settings(parser, ["store", "store_options", "host", "port", "auth", "log_level"])
    parser.set_defaults(store="sqlite:data/demo.db", log_level="warning", auth="none")


def run(arguments: argparse.Namespace) -> None:
    """Load what is missing and serve until stopped; raise CommandFailed where that cannot begin."""
    settings = settings_of(arguments)
    if not 1 <= arguments.trusts <= min(MOST_TRUSTS, arguments.patients):
        raise CommandFailed(f"--trusts: from 1 to {MOST_TRUSTS}, and no more than patients")
    if arguments.trust is not None and not 1 <= arguments.trust <= arguments.trusts:
        raise CommandFailed(f"--trust: from 1 to {arguments.trusts}, the number of --trusts")
    if arguments.platform:
        from fhir_server.cli.platform import show  # noqa: PLC0415

        show(settings)
        return
    # Here, so that `demo --help` does not load a server.
    from fhir_server.cli.processes import serve_alone  # noqa: PLC0415
    from fhir_server.cli.serve import listen  # noqa: PLC0415
    from fhir_server.offline.authorizing import demonstration_passwords  # noqa: PLC0415
    from fhir_server.offline.loading import load_demonstration  # noqa: PLC0415

    with listen(settings) as listener:
        settings = settings.model_copy(update={"port": listener.getsockname()[1]})
        try:
            loading = load_demonstration(
                settings,
                patients=arguments.patients,
                trusts=arguments.trusts,
                only=arguments.trust,
            )
            number = asyncio.run(loading)
            signs = settings.has_authorization_server
            passwords = asyncio.run(demonstration_passwords(settings)) if signs else ()
        except (FhirError, OSError) as error:
            raise CommandFailed(str(error)) from error
        serve_alone(
            settings,
            listener,
            lambda: _welcome(settings, number, passwords),
            delay=arguments.delay,
        )


def _welcome(settings: Settings, number: int, passwords: Sequence[tuple[str, str]]) -> None:
    from fhir_server.demonstration.welcome import welcome  # noqa: PLC0415

    origin = settings.origin
    free_beds, free_slots, high_hba1c = welcome(f"{origin}/fhir")
    sys.stdout.write(
        f"\n{number} synthetic resources; nothing in them is real.\n\n"
        f"  for people    {origin}/\n"
        f"  FHIR R4       {origin}/fhir\n\n"
        f"{_sign_ins(settings, passwords)}"
        "Three lines to try:\n\n"
        f"  curl '{origin}/fhir/Patient?name=smith&_count=2&_pretty=true'\n"
        f"  curl '{free_beds}'\n"
        f"  curl '{high_hba1c}'\n\n"
        f"and in a browser: {free_slots}\n\n"
        "Ctrl-C stops it.\n"
    )
    sys.stdout.flush()


def _sign_ins(settings: Settings, passwords: Sequence[tuple[str, str]]) -> str:
    """Return how to sign in, and how to get a token; nothing where nobody is asked."""
    if not passwords:
        return ""
    people = "".join(f"  {name:<13} {password}\n" for name, password in passwords)
    token = f"fhir-server token --store {settings.store} --port {settings.port}"
    return (
        f"Sign in at {settings.origin}/auth/launch, with passwords of this start:\n\n{people}\n"
        'Each line below needs a token (-H "Authorization: Bearer $TOKEN"):\n\n'
        f"  TOKEN=$({token} --role R8000)\n\n"
        "One address, five who ask, five answers:\n\n"
        f'  ask() {{ curl -s -H "Authorization: Bearer $({token} "$@")" \'{settings.origin}/fhir/{_RECORD}\'; }}\n'
        f"{''.join(_FIVE)}\n"
    )
