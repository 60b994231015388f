"""Pure functions that ask, answered by a server: they run again until every answer is known."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import TypeVar

Question = TypeVar("Question", bound=Hashable)
Answer = TypeVar("Answer")
Result = TypeVar("Result")


class _Open(Exception):
    """A question without an answer yet."""

    def __init__(self, question: Hashable) -> None:
        super().__init__()
        self.question = question


async def settled(
    work: Callable[[Callable[[Question], Answer]], Result],
    ask: Callable[[Question], Awaitable[Answer]],
    known: dict[Question, Answer],
) -> Result:
    """Return what the work comes to; `known` keeps the answers for the next one."""
    asked: Question

    def look(question: Question) -> Answer:
        nonlocal asked
        if question not in known:
            asked = question
            raise _Open(question)
        return known[question]

    while True:
        try:
            return work(look)
        except _Open:
            known[asked] = await ask(asked)
