"""`fhir-server demo --platform`: three trusts and a hub that asks them as one, each a process of its own."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from fhir_server.cli.children import Child, Children, children
from fhir_server.cli.frame import CommandFailed
from fhir_server.demonstration.identifiers import trust_code
from fhir_server.demonstration.tour import SLOTS, Question, matches, questions
from fhir_server.demonstration.words import TRUSTS
from fhir_server.fhir.resource import Resource
from fhir_server.settings import FEDERATED, Settings

PATIENTS = 240
DELAY = 1.0
"""Seconds by which the last of the trusts is late."""

FIRST = 30.0
"""Seconds that a member may take: what is asked first of a node that has just started takes longer than what follows."""

_NETWORK = "127.0.0.0/8"
_PATIENCE = 60.0
"""Seconds for MongoDB's stand-in to start, on however small a machine."""


@dataclass(frozen=True, slots=True)
class Trust:
    """A trust as it is served: its number from 1, and where its store is."""

    number: int
    store: str
    delay: float = 0.0

    @property
    def name(self) -> str:
        """Its name."""
        return TRUSTS[self.number - 1]

    @property
    def id(self) -> str:
        """Its id as a member."""
        return self.name.lower()

    @property
    def about(self) -> str:
        """What is to be known of it."""
        kept = "MongoDB's protocol" if self.store.startswith("mongodb") else "SQLite"
        return kept + (f", {self.delay:.0f} s late" if self.delay else "")


def show(settings: Settings) -> None:
    """Start the platform, show it, and serve it until stopped; raise CommandFailed where it does not start."""
    if settings.auth != "none":
        raise CommandFailed("--platform lets everyone in (--auth none), on this machine alone")
    if not settings.is_in_a_file:
        raise CommandFailed(
            "--platform keeps nothing, so it takes no --store; a trust on MongoDB is served by"
            " fhir-server demo --trusts 3 --trust 2 --store mongodb://…"
        )
    began = time.monotonic()
    with (
        suppress(KeyboardInterrupt),
        tempfile.TemporaryDirectory(prefix="fhir-platform-") as folder,
        children(Path(folder)) as started,
    ):
        trusts = _trusts(started)
        _progress(f"starting {', '.join(each.name for each in trusts)}")
        nodes = [_node(started, each, len(trusts)) for each in trusts]
        bases = [each.base() for each in nodes]
        _progress("taking them in at the hub")
        origin = _hub(started, settings, trusts, bases)
        seconds = time.monotonic() - began
        _progress("")
        sys.stdout.write(_screen(origin, trusts, bases, seconds))
        sys.stdout.flush()
        started.watch()


def _trusts(started: Children) -> Sequence[Trust]:
    """Return the trusts: one is kept by MongoDB's protocol where a server of it is installed, one is slow."""
    stores = [f"sqlite:{started.folder / f'trust-{number}.db'}" for number in (1, 2, 3)]
    program = Path(sys.executable).with_name("secantusd-py")
    if program.exists() and find_spec("pymongo") is not None:
        stores[1] = _mongo(started, program)
    return [Trust(1, stores[0]), Trust(2, stores[1]), Trust(3, stores[2], DELAY)]


def _mongo(started: Children, program: Path) -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Not `:memory:`, which is a folder that stays behind where the server is ended by two signals at once.
    kept = str(started.folder / "mongo")
    place = ("--host", "127.0.0.1", "--port", str(port), "--storage-path", kept)
    child = started.start("mongo", (str(program), *place, "--log-level", "ERROR"))
    _await_port(child, port)
    return f"mongodb://127.0.0.1:{port}/demo"


def _await_port(child: Child, port: int) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and child.process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise child.failed()


def _node(started: Children, trust: Trust, trusts: int) -> Child:
    command = (sys.executable, "-m", "fhir_server", "demo", "--auth", "none", "--port", "0")
    data = ("--trusts", str(trusts), "--trust", str(trust.number), "--patients", str(PATIENTS))
    served = ("--store", trust.store, "--delay", str(trust.delay))
    return started.start(trust.id, (*command, *data, *served))


def _hub(
    started: Children, settings: Settings, trusts: Sequence[Trust], bases: Sequence[str]
) -> str:
    """Take the trusts in, start the hub, and return its origin."""
    # Here, so that `demo --help` does not load a store.
    from fhir_server.federation.members import Member  # noqa: PLC0415
    from fhir_server.federation.transport import Failed  # noqa: PLC0415
    from fhir_server.offline.enrolling import add_members  # noqa: PLC0415

    store = f"sqlite:{started.folder / 'hub.db'}"
    members = [
        Member(each.id, f"{each.name} NHS Trust", base, trust_code(each.number), seconds=FIRST)
        for each, base in zip(trusts, bases, strict=True)
    ]
    own = settings.model_copy(update={"store": store, "member_networks": (_NETWORK,)})
    try:
        asyncio.run(add_members(own, members))
    except (Failed, ValueError) as problem:
        raise CommandFailed(f"the trusts could not be taken in: {problem}") from problem
    command = (sys.executable, "-m", "fhir_server", "serve", "--auth", "none", "--store", store)
    place = ("--host", settings.host, "--port", str(settings.port), "--member-networks", _NETWORK)
    told = started.start("hub", (*command, *place, "--log-level", "warning")).base()
    return told.removesuffix("/fhir")


def _screen(origin: str, trusts: Sequence[Trust], bases: Sequence[str], seconds: float) -> str:
    """Return what is shown first: who is there, and what they answer together."""
    rows = [
        f"  {each.name:<12}{base}   {each.about}\n"
        for each, base in zip(trusts, bases, strict=True)
    ]
    names = {each.id: each.name for each in trusts}
    base = f"{origin}{FEDERATED}"
    asked = [_asked(base, each, names) for each in questions()]
    return (
        f"\nThree trusts, each a node with data of its own, and a hub that asks them as one, in {seconds:.0f} seconds.\n"
        "Nothing in the data is real.\n\n"
        f"{''.join(rows)}  {'the hub':<12}{base}\n\n"
        f"{''.join(asked)}"
        f"{_booking(base)}"
        f"In a browser: {base}/{SLOTS}&_pretty=true\n\n"
        "Ctrl-C stops all of it, and nothing is kept.\n"
    )


def _asked(base: str, question: Question, names: dict[str, str]) -> str:
    hurry = f" -H 'X-Request-Deadline: {question.deadline}'" if question.deadline else ""
    began = time.monotonic()
    page = _page(base, question)
    seconds = time.monotonic() - began
    return (
        f"{question.title}\n"
        f"  curl{hurry} '{base}/{question.target}'\n"
        f"  {question.told(page, names)}   [{seconds:.1f} s]\n\n"
    )


def _page(base: str, question: Question) -> Resource:
    headers = {"X-Request-Deadline": str(question.deadline or FIRST)}
    asked = urllib.request.Request(f"{base}/{question.target}", headers=headers)  # noqa: S310 - our own hub
    try:
        with urllib.request.urlopen(asked, timeout=_PATIENCE) as answer:  # noqa: S310
            page: Resource = json.load(answer)
    except urllib.error.URLError as problem:
        raise CommandFailed(f"the hub gave no answer to {question.target}: {problem}") from problem
    return page


def _booking(base: str) -> str:
    """Return how to book the first slot at the trust that has it."""
    member, slot = next(matches(_page(base, questions()[1])))
    tag = f'W/"{slot["meta"]["versionId"]}"'
    change = '[{"op":"replace","path":"/status","value":"busy"}]'
    return (
        "And book the first of these sessions, where it is:\n"
        f"  curl -X PATCH -H 'Content-Type: application/json-patch+json' -H 'If-Match: {tag}' -d '{change}'"
        f" '{base}/{member}/Slot/{slot['id']}'\n\n"
    )


def _progress(text: str) -> None:
    """Say on a terminal what is being waited for, in one line that is written over."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text + ' …' if text else ''}")
        sys.stderr.flush()
