"""Rounds of: start, compare with what was acknowledged, write, kill at a random moment."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.e2e.crash.ledger import Ledger
from tests.e2e.crash.verifying import problems_with
from tests.e2e.crash.writing import write_until_gone
from tests.support.commands import typed
from tests.support.nodes import Node, running_node

WRITERS = tuple(f"writer-{number}" for number in range(10))
SHORTEST, LONGEST = 0.02, 1.0
"""Seconds of writing before a kill."""
CHECKED_EACH = 4
"""Rounds between two checks of the whole store: what a crash broke in it stays broken."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one round showed; the last one compares everything and kills nothing."""

    number: int
    acknowledged: int
    problems: list[str]


@dataclass(slots=True)
class Crashes:
    """A store, the writes that servers on it acknowledged, and the chance that both depend on."""

    store: Path
    workers: int
    random: Random
    ledger: Ledger = field(default_factory=Ledger)
    compared: int = 0

    def rounds(self, number: int) -> Iterator[Round]:
        """Kill a server `number` times; yield what each round showed, and what the end showed."""
        for each in range(1, number + 1):
            with self._serving() as node:
                problems = self._differences(node)
                problems += self._broken() if each % CHECKED_EACH == 0 else []
                self.compared = len(self.ledger.writes)
                problems += asyncio.run(self._write_and_kill(node))
            yield Round(each, len(self.ledger.writes) - self.compared, problems)
        self.compared = 0
        with self._serving() as node:
            problems = self._differences(node) + self._broken()
        yield Round(number + 1, 0, problems)

    def _serving(self) -> contextlib.AbstractContextManager[Node]:
        return running_node(self.store, "--workers", str(self.workers), "--log-level", "warning")

    def _differences(self, node: Node) -> list[str]:
        """Return in what the server differs from what was acknowledged since the last look."""
        writes = list(self.ledger.since(self.compared))
        highest = self.ledger.highest_of(writes)
        return asyncio.run(problems_with(node.url, writes, highest, WRITERS))

    def _broken(self) -> list[str]:
        """Return in what the store contradicts itself."""
        checked = typed("check", "--store", f"sqlite:{self.store}")
        return [] if checked.returncode == 0 else [checked.stdout + checked.stderr]

    async def _write_and_kill(self, node: Node) -> list[str]:
        async def kill() -> None:
            await asyncio.sleep(self.random.uniform(SHORTEST, LONGEST))
            await asyncio.to_thread(node.kill)

        killing = asyncio.create_task(kill())
        wrong = await write_until_gone(node.url, self.ledger, self.random, WRITERS)
        await killing
        return wrong
