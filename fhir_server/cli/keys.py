"""`fhir-server keys`: the keys that tokens are signed with."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from fhir_server.auth.server.server import AuthorizationServer
from fhir_server.auth.server.signing import KEPT_AFTER, SigningKey
from fhir_server.cli.authority import add_action, administer, now
from fhir_server.fhir.instants import instant

_ROTATE = """
The next keys are published now and used in an hour, since others read the key set now and then only.
The old ones stay published until the last token that they signed has expired.

With --at-once the old ones are withdrawn now, with all tokens that they signed: when somebody else may have them.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions and their flags."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add_action(actions, "list", "list the keys, and what each is there for")
    rotate = add_action(actions, "rotate", "make the next keys", epilog=_ROTATE)
    rotate.add_argument(
        "--algorithm",
        choices=("ES384", "RS384"),
        default="ES384",
        help="of access tokens and assertions; ID tokens are signed with RS256 [ES384]",
    )
    rotate.add_argument("--at-once", action="store_true", help="the old keys are not safe any more")


def run(arguments: argparse.Namespace) -> None:
    """List or rotate; raise CommandFailed."""
    if arguments.action == "list":
        administer(arguments, _listed)
    else:
        administer(arguments, lambda server: _rotate(server, arguments))


async def _listed(server: AuthorizationServer) -> Sequence[str]:
    moment = now()
    known = await server.keys.all(now=moment)
    signing = {each.kid for each in known if await server.keys.signs(each, now=moment)}
    lines = [_line(each, signs=each.kid in signing, now=moment) for each in known]
    return lines or ["there are no keys yet: they are made with the first token"]


def _line(key: SigningKey, *, signs: bool, now: int) -> str:
    if key.since > now:
        state = f"next, from {instant(key.since)} on"
    elif signs:
        state = "signs"
    else:
        state = "published" if key.until is None else f"published until {instant(key.until)}"
    told = "assertions" if key.use == "assertion" else f"{key.use} tokens"
    return f"{key.kid}  {told}  {key.algorithm}  {state}"


async def _rotate(server: AuthorizationServer, arguments: argparse.Namespace) -> Sequence[str]:
    moment = now()
    before = await server.keys.rotate(
        now=moment, algorithm=arguments.algorithm, at_once=arguments.at_once
    )
    if arguments.at_once:
        for kid in before:
            await server.revocations.withdraw(f"key:{kid}", now=moment, expires=moment + KEPT_AFTER)
    return await _listed(server)
