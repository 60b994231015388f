"""`fhir-server member`: the servers whose answers this one gives as one, at /federated."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from fhir_server.cli.frame import CommandFailed
from fhir_server.cli.options import add_settings, settings_of
from fhir_server.fhir.errors import FhirError
from fhir_server.settings import Settings

if TYPE_CHECKING:
    from fhir_server.federation.members import Credentials

NAMING = ("add", "suspend", "resume", "remove")
"""Actions on one member, which they name."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    parser.description = (
        "The members of a federation: a search at /federated is asked of each of them, and answered as one."
        " `add` asks a server what it can do and takes it in, `check` asks all of them anew; one that is suspended is"
        " not asked, and each answer says so, until it is resumed."
    )
    parser.add_argument("action", choices=(*NAMING, "list", "check"))
    parser.add_argument(
        "id", nargs="?", help="a short name, part of addresses: small letters, digits, -"
    )
    parser.add_argument("--base", help="its FHIR base: https://fhir.example.org/r4")
    parser.add_argument("--name", help="its name for people [the id]")
    parser.add_argument("--ods", help="ODS code of its organisation")
    parser.add_argument("--service", help="name of the service whose data it has, if it is one's")
    parser.add_argument(
        "--required", action="store_true", help="without it there is no answer at all"
    )
    parser.add_argument("--seconds", type=float, default=4.0, help="how long it may take [4]")
    parser.add_argument(
        "--unsorted", action="store_true", help="it keeps no order: all its matches are fetched"
    )
    _add_access(parser)
    add_settings(parser, ["store", "store_options", "member_networks"])


def _add_access(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--client-id",
        metavar="ID",
        help="what this server is registered as there: it is asked with tokens",
    )
    parser.add_argument(
        "--token-url",
        metavar="URL",
        help="where it gives them [as it publishes, at its own address]",
    )
    parser.add_argument("--scopes", help="the most that is asked for [system/*.rs]")
    parser.add_argument(
        "--untold", action="store_true", help="it knows this server alone, and is not told who asks"
    )
    parser.add_argument(
        "--open", action="store_true", help="it lets everyone in, and is asked without a token"
    )
    parser.add_argument(
        "--locator",
        action="store_true",
        help="it is asked whom it knows, and then about nobody else; it has to permit that"
        " (client add --scopes 'system/$person-index …')",
    )


def run(arguments: argparse.Namespace) -> None:
    """Do it; raise CommandFailed for a server that cannot be a member."""
    settings = settings_of(arguments)
    needs_id = arguments.action in NAMING
    if needs_id != (arguments.id is not None):
        told = "names a member" if needs_id else "is about all members, and names none"
        raise CommandFailed(f"member {arguments.action} {told}", status=2)
    actions = {
        "add": _add,
        "list": _list,
        "check": _check,
        "suspend": _suspend,
        "resume": _resume,
        "remove": _remove,
    }
    try:
        actions[arguments.action](settings, arguments)
    except FhirError as error:
        raise CommandFailed(str(error)) from error


def _add(settings: Settings, arguments: argparse.Namespace) -> None:
    # Here, so that `member --help` does not load a store.
    from fhir_server.federation.members import Member  # noqa: PLC0415
    from fhir_server.federation.transport import Failed  # noqa: PLC0415
    from fhir_server.offline.enrolling import add_member  # noqa: PLC0415

    if arguments.base is None:
        raise CommandFailed("a member is added with its FHIR base: --base URL", status=2)
    member = Member(
        arguments.id,
        arguments.name or arguments.id,
        arguments.base.rstrip("/"),
        arguments.ods,
        required=arguments.required,
        seconds=arguments.seconds,
        sorted=not arguments.unsorted,
        credentials=_credentials(arguments),
        open=arguments.open,
        locator=arguments.locator,
    )
    try:
        found = asyncio.run(add_member(settings, member, arguments.service))
    except (Failed, ValueError) as problem:
        told = str(problem) or "it did not answer in time"
        raise CommandFailed(f"{member.id} at {member.base} was not added: {told}") from problem
    sys.stdout.write(f"{member.id} was added: it searches {len(found.types)} resource types\n")


def _credentials(arguments: argparse.Namespace) -> Credentials | None:
    from fhir_server.federation.credentials import credentials_of  # noqa: PLC0415

    try:
        return credentials_of(
            arguments.client_id,
            arguments.token_url,
            arguments.scopes,
            untold=arguments.untold,
            is_open=arguments.open,
        )
    except ValueError as problem:
        raise CommandFailed(f"--{problem}", status=2) from problem


def _list(settings: Settings, _: argparse.Namespace) -> None:
    from fhir_server.federation.roster import told_of  # noqa: PLC0415
    from fhir_server.offline.enrolling import members_of  # noqa: PLC0415

    for each, persons in asyncio.run(members_of(settings)):
        marks = [
            each.ods or "",
            "required" if each.required else "",
            "" if each.sorted else "unsorted",
            "" if each.credentials is None else f"as {each.credentials.client_id}",
            "open" if each.open else "",
            "locator" if each.locator else "",
            "" if persons is None else told_of(persons),
            f"not asked: {each.withheld}" if each.withheld else "",
        ]
        told = ", ".join(filter(None, [each.name, *marks]))
        sys.stdout.write(f"{each.id}  {each.base}  ({told})\n")


def _check(settings: Settings, _: argparse.Namespace) -> None:
    from fhir_server.federation.health import Persons  # noqa: PLC0415
    from fhir_server.federation.members import Capabilities, Member  # noqa: PLC0415
    from fhir_server.federation.roster import told_of  # noqa: PLC0415
    from fhir_server.federation.transport import Failed  # noqa: PLC0415
    from fhir_server.offline.enrolling import check_members  # noqa: PLC0415

    failed: list[str] = []

    def tell(member: Member, found: Capabilities | Persons | Failed) -> None:
        if isinstance(found, Failed):
            failed.append(member.id)
            told = str(found) or found.state
        elif isinstance(found, Persons):
            told = told_of(found)
            failed.extend([member.id] if found.problem else [])
        else:
            told = ", ".join([f"ok, searches {len(found.types)} resource types", *found.told])
        sys.stdout.write(f"{member.id}  {told}\n")

    asyncio.run(check_members(settings, tell))
    if failed:
        raise CommandFailed(f"{', '.join(dict.fromkeys(failed))}: no answer that can be used")


def _suspend(settings: Settings, arguments: argparse.Namespace) -> None:
    _set_status(settings, arguments.id, "suspended")


def _resume(settings: Settings, arguments: argparse.Namespace) -> None:
    _set_status(settings, arguments.id, "active")


def _set_status(settings: Settings, member: str, status: str) -> None:
    from fhir_server.offline.enrolling import set_member_status  # noqa: PLC0415

    asyncio.run(set_member_status(settings, member, status))
    sys.stdout.write(f"{member} is {status}\n")


def _remove(settings: Settings, arguments: argparse.Namespace) -> None:
    from fhir_server.offline.enrolling import remove_member  # noqa: PLC0415

    if not asyncio.run(remove_member(settings, arguments.id)):
        raise CommandFailed(f"there is no member {arguments.id}")
    sys.stdout.write(f"{arguments.id} was removed\n")
