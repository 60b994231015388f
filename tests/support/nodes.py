"""A real server in processes of its own: started, stopped and killed as an operator would.

`tests/support/server.py` serves from a thread, which is quicker; what has to survive a signal needs this one.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tests.support.data import ROOT
from tests.support.patience import PATIENCE

_SHOWN_OF_LOG = 4000


class Node:
    """`fhir-server serve` on a free loopback port, leader of its own process group; `store` is a file or an address."""

    def __init__(self, store: Path | str, *flags: str) -> None:
        self.store = f"sqlite:{store}" if isinstance(store, Path) else store
        open_to_all = () if "--auth" in flags else ("--auth", "none")
        command = ("serve", "--port", "0", "--store", self.store, *open_to_all, *flags)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed with the node
        self.process = subprocess.Popen(
            (sys.executable, "-m", "fhir_server", *command),
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
        )
        try:
            self.url = self._announced()
        except BaseException:
            self.close()
            raise

    @property
    def origin(self) -> str:
        """The address without the FHIR prefix."""
        return self.url.removesuffix("/fhir")

    @property
    def port(self) -> int:
        """The port that it listens at."""
        return int(self.origin.rpartition(":")[2])

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return self.process.poll() is None

    def log(self) -> str:
        """Return what it has written to the standard error stream."""
        # By position, since the process goes on writing at the end of the same open file.
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def events(self) -> list[dict[str, Any]]:
        """Return the events that it has logged."""
        lines = self.log().splitlines()
        return [json.loads(each) for each in lines if each.startswith("{") and each.endswith("}")]

    def failures(self) -> list[dict[str, Any]]:
        """Return the events of requests that failed by a fault of the server."""
        return [
            each
            for each in self.events()
            if each["event"] == "request_failed" or each.get("status", 0) >= 500
        ]

    def terminate(self) -> int:
        """Ask it to stop with SIGTERM; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """End every process of the group with SIGKILL, wherever they are in their work."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)

    def close(self) -> None:
        """End what still runs, and let go of its streams."""
        self.kill()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._log.close()

    def _announced(self) -> str:
        """Return the base URL, which it prints once it listens."""
        assert self.process.stdout is not None
        line = _line_within(self.process.stdout, 2 * PATIENCE)
        word, _, url = line.strip().rpartition(" ")
        assert word, f"the server did not start:\n{self.log()[-_SHOWN_OF_LOG:]}"
        return url


@contextmanager
def running_node(store: Path | str, *flags: str) -> Iterator[Node]:
    """Serve a store until the block ends; an error in it carries the end of the server's log."""
    node = Node(store, *flags)
    try:
        yield node
    except BaseException as error:
        error.add_note(f"log of the server:\n{node.log()[-_SHOWN_OF_LOG:]}")
        raise
    finally:
        node.close()


def command(
    *arguments: str, cwd: Path = ROOT, timeout: float = 2 * PATIENCE
) -> subprocess.CompletedProcess[str]:
    """Run a command of `fhir-server` to its end."""
    return subprocess.run(
        (sys.executable, "-m", "fhir_server", *arguments),
        cwd=cwd,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def environment() -> dict[str, str]:
    """Return the environment for a server: settings of this machine's own stay out of the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FHIR_")}
    return kept | {"PYTHONPATH": str(ROOT)}


def _line_within(stream: IO[bytes], seconds: float) -> str:
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        return stream.readline().decode() if selector.select(seconds) else ""
