"""What long work shows on a terminal: a bar that follows it, and the figures at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

LOOKS_APART = 0.2
"""Seconds between two looks at how far the work is."""


@contextmanager
def bar(name: str, total: int, look: Callable[[], tuple[int, str]]) -> Iterator[None]:
    """Show how far the work is; `look` returns the part of the total that is done, and the figures."""
    columns = (
        TextColumn(name),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(),
    )
    finished = threading.Event()
    console = Console(stderr=True)
    # In a file or a pipe it would stand beside the one line that tells what went wrong.
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(name, total=total, figures="")

        def follow() -> None:
            while not finished.wait(LOOKS_APART):
                done, figures = look()
                progress.update(task, completed=done, figures=figures)

        follower = threading.Thread(target=follow, daemon=True)
        follower.start()
        try:
            yield
        finally:
            finished.set()
            follower.join()
            done, figures = look()
            progress.update(task, completed=done, figures=figures)


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._start
