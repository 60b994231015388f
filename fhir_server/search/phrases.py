"""What words are asked for, as values: `wording` reads them, `words` looks for them in texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Phrase:
    """These words, one after the other, in one text."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Every:
    """All of these."""

    parts: tuple[Words, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """One of these, or more."""

    parts: tuple[Words, ...]


Words: TypeAlias = Phrase | Every | Some
