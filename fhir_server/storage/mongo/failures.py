"""What goes wrong between here and the server, as our own errors. No address and no credentials are repeated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    ExecutionTimeout,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from fhir_server.fhir.errors import FhirError, Unavailable

TRANSIENT = "TransientTransactionError"
UNKNOWN_COMMIT = "UnknownTransactionCommitResult"

_REFUSED = frozenset((13, 18))
"""Unauthorized, AuthenticationFailed."""


class OutOfTime(Exception):
    """A statement, or a search of several, took longer than it may."""


@contextmanager
def reading() -> Iterator[None]:
    """Raise Unavailable or OutOfTime for what the driver raises."""
    try:
        yield
    except ExecutionTimeout as problem:
        raise OutOfTime from problem
    except PyMongoError as problem:
        raise as_ours(problem) from problem


def as_ours(problem: Exception) -> FhirError:
    """Return what tells the caller of it."""
    match problem:
        case FhirError():
            return problem
        case OperationFailure(code=code) if code in _REFUSED:
            return Unavailable(
                "MongoDB refuses the user or password, or what they may do: "
                "this is one with the role readWrite on the database"
            )
        case ConfigurationError():
            return Unavailable("MongoDB cannot be asked so: its version or options do not fit")
        case ServerSelectionTimeoutError():
            return Unavailable("MongoDB has no primary that answers; please try again")
        case NetworkTimeout() | ConnectionFailure():
            return Unavailable("The connection to MongoDB was lost; please try again")
        case _:
            failure = Unavailable(f"MongoDB refused ({type(problem).__name__}); please try again")
            failure.__cause__ = problem
            return failure
