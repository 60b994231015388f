"""`fhir-server user`: the accounts of people who sign in with a password that this store checks."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from fhir_server.auth.server.accounts import BadAccount, check
from fhir_server.auth.server.server import AuthorizationServer, new_secret
from fhir_server.auth.server.users import User
from fhir_server.cli.authority import add_action, administer, now
from fhir_server.cli.frame import CommandFailed
from fhir_server.web.authorization.sessions import end_sessions

_EXAMPLES = """
for example, a consultant, and a patient who sees her own record alone:
  fhir-server user add --name ada --full-name "Dr Ada Jones" --fhir-user Practitioner/ada \\
    --role R8000 --organisation RXX --purposes TREAT
  fhir-server user add --name mary --full-name "Mary Smith" --fhir-user Patient/mary --patients mary
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions and their flags."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = add_action(
        actions, "add", "add an account, with a password made for it", epilog=_EXAMPLES
    )
    add.add_argument("--name", required=True, help="what is typed to sign in")
    add.add_argument("--full-name", help="what the person is called [the name]")
    add.add_argument("--fhir-user", metavar="TYPE/ID", help="the person's own record")
    add.add_argument("--role", help="the role that the person acts in, such as R8000")
    add.add_argument("--organisation", help="its ODS code")
    add.add_argument(
        "--purposes", default="", help="purposes of use, the usual one first, with commas between"
    )
    add.add_argument(
        "--patients",
        metavar="IDS",
        help="ids of the patients whose records alone this is for, with commas between [any]",
    )
    add.add_argument(
        "--password-stdin", action="store_true", help="read the password from the standard input"
    )
    add_action(actions, "list", "list the accounts")
    remove = add_action(actions, "remove", "remove an account, and withdraw its tokens at once")
    remove.add_argument("--name", required=True, help="what is typed to sign in")


def run(arguments: argparse.Namespace) -> None:
    """Add, list or remove; raise CommandFailed."""
    match arguments.action:
        case "add":
            _add(arguments)
        case "list":
            administer(arguments, _listed)
        case _:
            administer(arguments, lambda server: _remove(server, arguments.name))


def _add(arguments: argparse.Namespace) -> None:
    made = None if arguments.password_stdin else new_secret()[:20]
    password = made or sys.stdin.readline().rstrip("\r\n")
    user = _user(arguments)
    try:
        check(arguments.name, password, user)
    except BadAccount as error:
        raise CommandFailed(str(error), status=2) from error

    async def add(server: AuthorizationServer) -> Sequence[str]:
        if not await server.accounts.add(arguments.name, password, user, now=now()):
            raise CommandFailed(f"an account {arguments.name} is there already: remove it first")
        told = [f"{arguments.name} can sign in"]
        return [*told, f"password, shown this once: {made}"] if made else told

    administer(arguments, add)


def _user(arguments: argparse.Namespace) -> User:
    patients = None if arguments.patients is None else _listed_in(arguments.patients)
    return User(
        # Not the name: who gets that later is somebody else.
        subject=f"user-{new_secret()[:16]}",
        name=arguments.full_name or arguments.name,
        fhir_user=arguments.fhir_user,
        role=arguments.role,
        organisation=arguments.organisation,
        purposes=_listed_in(arguments.purposes),
        patients=patients,
    )


def _listed_in(text: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in text.split(",") if each.strip())


async def _listed(server: AuthorizationServer) -> Sequence[str]:
    known = await server.accounts.all(now=now())
    return [_line(name, user) for name, user in known] or ["there is no account"]


def _line(name: str, user: User) -> str:
    patients = "any patient" if user.patients is None else f"patients {','.join(user.patients)}"
    more = (user.name, user.role, user.organisation, ",".join(user.purposes), patients)
    return "  ".join([name, *(each for each in more if each)])


async def _remove(server: AuthorizationServer, name: str) -> Sequence[str]:
    moment = now()
    user = await server.accounts.remove(name, now=moment)
    if user is None:
        raise CommandFailed(f"there is no account {name}")
    await end_sessions(server.accounts.values, user.subject, now=moment)
    await server.grants.withdraw_all(
        f"subject:{user.subject}", lambda each: each.user.subject == user.subject, now=moment
    )
    return [f"{name} cannot sign in any more, and all tokens are withdrawn"]
