"""Processes that a command starts, and ends all together, whichever way it ends itself."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from fhir_server.cli.frame import CommandFailed

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PATIENCE = 10.0
"""Seconds for a process to end by itself."""

_LOOKS_APART = 0.2


@dataclass(frozen=True, slots=True)
class Child:
    """A process; what it logs stands in a file."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def base(self) -> str:
        """Wait until it tells its FHIR base, and return that; raise CommandFailed where it ends before."""
        assert self.process.stdout is not None, "it was started with a pipe"
        for line in self.process.stdout:
            if b"FHIR R4 " in line:
                return line.split()[-1].decode()
        raise self.failed()

    def failed(self) -> CommandFailed:
        """Return that it has ended, and its last words."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return CommandFailed(f"{self.name} has ended: {lines[-1] if lines else 'it said nothing'}")


@dataclass(frozen=True, slots=True)
class Children:
    """The processes of one command, whose logs are in a folder."""

    folder: Path
    started: list[Child] = field(default_factory=list)

    def start(self, name: str, command: Sequence[str]) -> Child:
        """Start a process, in the process group of this one."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(  # noqa: S603 - programs of ours, arguments of ours
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stream
            )
        child = Child(name, process, log)
        self.started.append(child)
        return child

    def watch(self) -> None:
        """Wait for a signal, which is raised as KeyboardInterrupt; raise CommandFailed where a process ends."""
        while True:
            for each in self.started:
                if each.process.poll() is not None:
                    raise each.failed()
            time.sleep(_LOOKS_APART)

    def end(self) -> None:
        """End all of them, and return when none is left."""
        for each in reversed(self.started):
            each.process.terminate()
        until = time.monotonic() + _PATIENCE
        for each in self.started:
            try:
                each.process.wait(max(until - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                each.process.kill()
                each.process.wait()
            assert each.process.stdout is not None, "it was started with a pipe"
            each.process.stdout.close()


@contextmanager
def children(folder: Path) -> Iterator[Children]:
    """Yield what starts processes; all of them have ended when the block has.

    Ctrl-C, `kill` and a terminal that is closed raise KeyboardInterrupt in it, once: nothing cuts the ending short.
    """
    before = [signal.signal(each, _interrupt) for each in _SIGNALS]
    found = Children(folder)
    try:
        yield found
    finally:
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        found.end()
        for each, handler in zip(_SIGNALS, before, strict=True):
            signal.signal(each, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt
