"""`fhir-server client`: the apps and services that may get tokens here."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from fhir_server.auth.server.clients import BadClient, Client, Method, check, hashed
from fhir_server.auth.server.server import AuthorizationServer, new_secret
from fhir_server.cli.authority import add_action, administer, now
from fhir_server.cli.frame import CommandFailed
from fhir_server.rules import policy

_EXAMPLES = """
for example, a backend service that signs in with its keys (SMART Backend Services):
  fhir-server client add --id loader --jwks loader.jwks.json --scopes "system/*.cruds" --purpose TREAT

another server, whose callers it names itself (a hub, with the keys that it publishes):
  fhir-server client add --id hub --jwks https://hub.example/federated/jwks --scopes "system/*.rs" \\
    --on-behalf TREAT,PATADMIN

an app in the browser (public, PKCE), which EHRs can open:
  fhir-server client add --id growth --redirect-uri https://growth.example/ \\
    --launch-url https://growth.example/launch.html \\
    --scopes "launch launch/patient openid fhirUser patient/*.rs"

an app with a server of its own:
  fhir-server client add --id ward --secret --redirect-uri https://ward.example/callback \\
    --scopes "openid fhirUser offline_access user/*.rs"
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions and their flags."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = add_action(actions, "add", "register a client; it takes effect at once", epilog=_EXAMPLES)
    add.add_argument("--id", required=True, help="its client_id")
    add.add_argument("--name", help="what people are told that it is called [its id]")
    add.add_argument("--scopes", required=True, help="the most it may get, with blanks between")
    add.add_argument(
        "--redirect-uri",
        action="append",
        default=[],
        metavar="URL",
        help="where people go back to, compared exactly; may be given more than once",
    )
    add.add_argument("--launch-url", metavar="URL", help="where an EHR opens it")
    shown = add.add_mutually_exclusive_group()
    shown.add_argument("--jwks", metavar="FILE|URL", help="its public keys, as a JWK set")
    shown.add_argument(
        "--secret", action="store_true", help="make a secret for it, printed once and not kept"
    )
    add.add_argument("--purpose", help="purpose of use of its tokens, a code of v3-ActReason")
    add.add_argument("--organisation", help="ODS code in a backend service's tokens")
    add.add_argument("--role", help="role in a backend service's tokens")
    add.add_argument(
        "--on-behalf",
        metavar="PURPOSES",
        default="",
        help="it asks in the name of its own callers, whom it names, for these purposes of use, with commas between"
        " them; --organisation, --role and --programme then bound who they may be",
    )
    add.add_argument("--programme", help="programme of the register of flows in its tokens")
    add.add_argument(
        "--introspects", action="store_true", help="a resource server: it may ask about any token"
    )
    add_action(actions, "list", "list the clients")
    remove = add_action(actions, "remove", "remove a client, and withdraw its tokens at once")
    remove.add_argument("--id", required=True, help="its client_id")


def run(arguments: argparse.Namespace) -> None:
    """Register, list or remove; raise CommandFailed."""
    match arguments.action:
        case "add":
            _add(arguments)
        case "list":
            administer(arguments, _listed)
        case _:
            administer(arguments, lambda server: _remove(server, arguments.id))


def _add(arguments: argparse.Namespace) -> None:
    _check_purposes(_purposes(arguments))
    secret = new_secret() if arguments.secret else None
    client = _client(arguments, secret)
    try:
        check(client)
    except BadClient as error:
        raise CommandFailed(str(error), status=2) from error

    async def add(server: AuthorizationServer) -> Sequence[str]:
        if not await server.clients.add(client, now=now()):
            raise CommandFailed(f"a client {client.id} is registered already: remove it first")
        told = [f"client {client.id} is registered"]
        return [*told, f"its secret, shown this once: {secret}"] if secret else told

    administer(arguments, add)


def _client(arguments: argparse.Namespace, secret: str | None) -> Client:
    keys: str | None = arguments.jwks
    at = keys if keys is not None and "://" in keys else None
    method: Method = "none"
    if keys is not None or secret is not None:
        method = "client_secret_basic" if secret is not None else "private_key_jwt"
    return Client(
        id=arguments.id,
        name=arguments.name or arguments.id,
        method=method,
        scopes=tuple(arguments.scopes.split()),
        redirect_uris=tuple(arguments.redirect_uri),
        launch_url=arguments.launch_url,
        secret=None if secret is None else hashed(secret),
        jwks=None if keys is None or at is not None else _key_set(Path(keys)),
        jwks_uri=at,
        organisation=arguments.organisation,
        role=arguments.role,
        programme=arguments.programme,
        purpose=arguments.purpose,
        introspects=arguments.introspects,
        on_behalf=_purposes(arguments),
    )


def _purposes(arguments: argparse.Namespace) -> tuple[str, ...]:
    return tuple(each for each in arguments.on_behalf.split(",") if each)


def _check_purposes(codes: Sequence[str]) -> None:
    """Raise CommandFailed for what is no purpose of use that anybody may have here."""
    purposes = policy().purposes
    for each in codes:
        rule = purposes.rule(each)
        if rule is None or rule.use in {"forbidden", "own"}:
            raise CommandFailed(
                f"--on-behalf {each}: no purpose of use for which others can be asked for, such as TREAT",
                status=2,
            )


def _key_set(file: Path) -> dict[str, Any]:
    """Return the keys in a file, which may hold one key alone; raise CommandFailed."""
    try:
        found = msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise CommandFailed(f"{file} is no JWK set: {error}") from error
    keys = found.get("keys", [found])
    if isinstance(keys, list) and any(isinstance(each, dict) and "d" in each for each in keys):
        raise CommandFailed(f"{file} holds a private key: register the public half alone")
    return {"keys": keys}


async def _listed(server: AuthorizationServer) -> Sequence[str]:
    known = await server.clients.all(now=now())
    return [_line(each) for each in known] or ["no client is registered"]


def _line(client: Client) -> str:
    shown = {
        "none": "public",
        "client_secret_basic": "secret",
        "private_key_jwt": f"keys at {client.jwks_uri}" if client.jwks_uri else "keys",
    }
    behalf = [f"on behalf of others for {','.join(client.on_behalf)}"] if client.on_behalf else []
    told = [client.id, shown[client.method], " ".join(client.scopes)]
    return "  ".join([*told, *behalf, *client.redirect_uris])


async def _remove(server: AuthorizationServer, client_id: str) -> Sequence[str]:
    moment = now()
    if await server.clients.get(client_id, now=moment) is None:
        raise CommandFailed(f"no client {client_id} is registered")
    await server.clients.remove(client_id)
    ended = await server.grants.withdraw_all(
        f"client:{client_id}", lambda each: each.client_id == client_id, now=moment
    )
    return [f"client {client_id} is removed, its tokens are withdrawn, {ended} refresh tokens too"]
