"""Reaching the server: the client, and why there is none. Nothing here repeats a user or a password."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from warnings import catch_warnings, simplefilter

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError, ServerSelectionTimeoutError
from pymongo.server_description import ServerDescription
from pymongo.topology_description import TopologyDescription

from fhir_server.fhir.errors import FhirError, Unavailable, Unreachable
from fhir_server.storage.mongo.documents import Document
from fhir_server.storage.mongo.failures import reading as problems

SELECTION_MILLISECONDS = 5_000
"""How long a request waits for a primary: an election takes a few seconds."""

CONNECTION_MILLISECONDS = 10_000
"""How long a connection takes at most; by it and the heartbeat a server that fell silent is known after 20 s."""

SILENCE_MILLISECONDS = 60_000
"""How long one answer may take: MongoDB ends a transaction after as much."""

_CLOSED = ("connection is already closed", "connection closed", "Connection reset by peer")


@asynccontextmanager
async def reached(url: str) -> AsyncIterator[AsyncMongoClient[Document]]:
    """Yield a client whose server has answered, and let it in.

    Raises Unreachable where that may come by itself, Unavailable where somebody has to mend something.
    """
    async with client_of(url) as client:
        try:
            with problems():
                await client.admin.command("ping")
        except Unreachable as problem:
            raise _explained(client.topology_description, problem) from problem
        yield client


def client_of(url: str) -> AsyncMongoClient[Document]:
    """Return a client; raise Unavailable for an address that is none, or names a file or an option that is none."""
    if "." in urlsplit(url).path:
        raise Unavailable("the name of a database has no dot: PyMongo would take what is before it")
    try:
        with catch_warnings():
            # PyMongo leaves out what it does not understand: with tls=ture it would go on without TLS.
            simplefilter("error", UserWarning)
            return AsyncMongoClient(url, appname="fhir-server", **_options(url))
    except UserWarning as problem:
        # A password that was not escaped may look like an option, and is followed by an @.
        told = "" if "@" in urlsplit(url).query else f": {problem}"
        raise Unavailable(f"an option of the MongoDB's address is wrong{told}") from None
    except OSError as problem:
        raise Unavailable(
            f"a file that the address names for TLS cannot be used: {problem.filename or ''}: {problem.strerror}"
        ) from None
    except (PyMongoError, ValueError) as problem:
        raise Unavailable(f"this is no address of a MongoDB: {type(problem).__name__}") from None


def _options(url: str) -> Mapping[str, Any]:
    """Return the options that the address does not name itself."""
    ours = {
        "serverSelectionTimeoutMS": SELECTION_MILLISECONDS,
        "connectTimeoutMS": CONNECTION_MILLISECONDS,
        "socketTimeoutMS": SILENCE_MILLISECONDS,
    }
    given = {name.lower() for name, _ in parse_qsl(urlsplit(url).query)}
    return {name: value for name, value in ours.items() if name.lower() not in given}


def _explained(topology: TopologyDescription, problem: Unreachable) -> FhirError:
    """Return what is known of the servers as the reason."""
    if not isinstance(problem.__cause__, ServerSelectionTimeoutError):
        return problem
    servers = list(topology.server_descriptions().values())
    if not servers:
        return Unavailable(
            f"no server at this address is a member of the replica set {topology.replica_set_name}: "
            "it is standalone (start it with --replSet, and run rs.initiate() in mongosh once), "
            "or of a replica set with another name"
        )
    reasons = [_reason(each) for each in servers]
    told = f"MongoDB cannot be reached: {'; '.join(reasons)}"
    is_refused = any("[SSL" in each for each in reasons)
    return Unavailable(told) if is_refused else Unreachable(told)


def _reason(server: ServerDescription) -> str:
    """Return why a server cannot be asked, and what would help where that is known."""
    name = ":".join(map(str, server.address))
    if server.error is None:
        return f"{name}: {_STANDING.get(server.server_type_name, 'no answer')}"
    said = (
        str(server.error)
        .partition(" (configured timeouts")[0]
        .removeprefix("SSL handshake failed: ")
    )
    told = f"{name}: {said.removeprefix(f'{name}: ')}"
    if "unable to get local issuer" in said or "self-signed" in said:
        return f"{told}; tlsCAFile=PATH names the authority that signed its certificate"
    if any(each in said for each in _CLOSED):
        return f"{told}; a server that wants TLS does so: tls=true"
    return told


_STANDING = {
    "RSGhost": "the replica set is not initiated: run rs.initiate() in mongosh once",
    "RSSecondary": "no primary is elected",
    "RSOther": "no primary is elected",
}
