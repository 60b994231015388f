"""What goes wrong between here and the server, as our own errors. No address and no credentials are repeated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    ExecutionTimeout,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from fhir_server.fhir.errors import FhirError, Unavailable, Unreachable

TRANSIENT = "TransientTransactionError"
UNKNOWN_COMMIT = "UnknownTransactionCommitResult"

_REFUSED = frozenset((13, 18))
"""Unauthorized, AuthenticationFailed."""

READ_SECONDS = 10.0
"""How long a small read may take."""

GRACE = 1.0
"""Seconds for the server to tell itself that a statement took too long."""


class OutOfTime(Exception):
    """A statement, or a search of several, took longer than it may."""


class Overtaken(Exception):
    """Another wrote first, or the server was lost before anything was written: it may be tried again."""


@contextmanager
def reading() -> Iterator[None]:
    """Raise Unavailable or OutOfTime for what the driver raises."""
    try:
        yield
    except ExecutionTimeout as problem:
        raise OutOfTime from problem
    except PyMongoError as problem:
        raise as_ours(problem) from problem


@asynccontextmanager
async def answered(seconds: float = READ_SECONDS) -> AsyncIterator[None]:
    """Do as `reading` does; raise Unreachable too where a server that is asked with a time limit keeps silent."""
    try:
        with reading():
            async with asyncio.timeout(seconds + GRACE):
                yield
    except TimeoutError:
        raise Unreachable("MongoDB did not answer in time; please try again") from None


def as_ours(problem: Exception) -> FhirError:
    """Return what tells the caller of it."""
    match problem:
        case FhirError():
            return problem
        case Overtaken():
            lost = problem.__cause__
            told = "Others write all the time; please try again"
            return as_ours(lost) if isinstance(lost, PyMongoError) else Unavailable(told)
        case OperationFailure(code=code) if code in _REFUSED:
            return Unavailable(
                "MongoDB refuses the user or password, or what they may do: "
                "this is one with the role readWrite on the database"
            )
        case ConfigurationError():
            return Unavailable("MongoDB cannot be asked so: its version or options do not fit")
        case ServerSelectionTimeoutError():
            return Unreachable("MongoDB has no primary that answers; please try again")
        case NetworkTimeout():
            return Unreachable("MongoDB did not answer in time; please try again")
        case ExecutionTimeout():
            return Unavailable("It took MongoDB too long, and was ended there; please try again")
        case ConnectionFailure():
            return Unreachable("The connection to MongoDB was lost; please try again")
        case _:
            failure = Unavailable(f"MongoDB refused ({type(problem).__name__}); please try again")
            failure.__cause__ = problem
            return failure
