"""What is asked of a MongoDB, command by command, and whether the denials of what it answered were looked up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias
from unittest.mock import patch

import bson
from pymongo import AsyncMongoClient
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from fhir_server.storage.mongo import reaching

ROWS = ("resource", "history")
READING = ("find", "getMore", "aggregate", "distinct", "count")

Command: TypeAlias = Mapping[str, Any]


@dataclass
class Asked:
    """A command that reads rows of resources: what it looks like, and the owner classes of what it answered.

    `owners` None: its rows do not tell them, or are numbers.
    """

    shape: str
    owners: set[int] | None


@dataclass
class Transaction:
    """The commands of one transaction, or one command outside of any."""

    commands: list[Asked] = field(default_factory=list)
    looked_up: set[int] = field(default_factory=set)
    has_all: bool = False

    def unguarded(self) -> Iterator[str]:
        """Yield the shapes of those that answered what was not looked up among the denials."""
        for each in self.commands:
            if each.owners is None:
                if not self.has_all:
                    yield each.shape
            elif not each.owners <= self.looked_up:
                yield each.shape


class Trace(CommandListener):
    """Collects commands by transaction."""

    def __init__(self) -> None:
        self.transactions: dict[object, Transaction] = {}
        self.commands: list[tuple[str, int]] = []
        """The name of each, and how many bytes it has."""
        self.rows = 0
        """Rows of resources that were answered."""
        self._open: dict[int, Command] = {}

    def started(self, event: CommandStartedEvent) -> None:
        """Keep a command until it is answered."""
        self.commands.append((event.command_name, len(bson.encode(event.command))))
        self._open[event.request_id] = event.command

    def failed(self, event: CommandFailedEvent) -> None:
        """Forget a command."""
        self._open.pop(event.request_id, None)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Take in a command with its answer."""
        command = self._open.pop(event.request_id, None)
        name = event.command_name
        if command is None or name not in READING:
            return
        collection = command["collection" if name == "getMore" else name]
        told = self.transactions.setdefault(_place(event.request_id, command), Transaction())
        if collection == "denial":
            _note_denials(told, command)
        elif collection in ROWS:
            told.commands.append(Asked(_shape(name, collection, command), _owners(event.reply)))
            self.rows += len(_rows(event.reply) or ())


def _place(number: int, command: Command) -> object:
    """Return the transaction that a command is in."""
    if "txnNumber" not in command:
        return number
    return bytes(command["lsid"]["id"]), command["txnNumber"]


def _note_denials(told: Transaction, command: Command) -> None:
    asked = command.get("filter", {})
    if "a" in asked:
        told.has_all = True
    elif isinstance(asked.get("_id"), dict):
        ids = asked["_id"]["$in"]
        told.looked_up |= {int(each.rpartition(".")[2]) for each in ids if "." in each}


def _rows(reply: Command) -> Sequence[Command] | None:
    cursor = reply.get("cursor")
    if cursor is None:
        return None
    rows: Sequence[Command] = cursor.get("firstBatch", cursor.get("nextBatch", []))
    return rows


def _owners(reply: Command) -> set[int] | None:
    rows = _rows(reply)
    if rows is None or any("o" not in each and "number" not in each for each in rows):
        return None
    return {each["o"] if "o" in each else each["_id"] for each in rows}


def _shape(name: str, collection: str, command: Command) -> str:
    """Return the names in a command: what is filtered by, and what is answered."""
    if name == "aggregate":
        stages = [next(iter(each)) for each in command["pipeline"]]
        return f"aggregate {collection} {' '.join(stages)}"
    if name == "distinct":
        return f"distinct {collection} {command['key']}"
    members = " ".join(command.get("projection", {}))
    return f"{name} {collection} by {' '.join(command.get('filter', {}))}: {members or 'all'}"


@contextmanager
def traced() -> Iterator[Trace]:
    """Collect the commands of all stores that are opened until the block ends."""
    trace = Trace()
    client = partial(AsyncMongoClient, event_listeners=[trace])
    with patch.object(reaching, "AsyncMongoClient", client):
        yield trace
