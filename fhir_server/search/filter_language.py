"""The filter language, from its text to a tree: https://hl7.org/fhir/R4/search_filter.html. Pure.

`and` and `or` are taken from left to right, neither before the other. What the names and operators mean is not
known here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from fhir_server.fhir.errors import BadRequest

MOST_COMPARISONS = 50
"""How many comparisons one filter may have."""

DEEPEST = 10
"""How deep parentheses and brackets may be nested."""

OPERATORS = frozenset(
    "eq ne co sw ew gt lt ge le ap sa eb pr po ss sb in ni re".split()  # noqa: SIM905 - a list of words
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison of what a path finds with a value; `column` counts from 1.

    `conditions` are the filters in brackets, each with the number of links of the path that lead to where it stands.
    """

    path: str
    operator: str
    value: str
    column: int
    conditions: tuple[tuple[int, Filter], ...] = ()


@dataclass(frozen=True, slots=True)
class Negation:
    """The filter does not hold."""

    filter: Filter


@dataclass(frozen=True, slots=True)
class Junction:
    """Each of the filters holds (`and`), or one of them does (`or`)."""

    word: str
    filters: tuple[Filter, ...]


Filter: TypeAlias = Comparison | Negation | Junction

_BLANKS = re.compile(r"\s*")
_WORD = re.compile(r"[^\s()\[\]\"]+")
_NEGATION = re.compile(r"not\s*\(", re.IGNORECASE)
# With colons as in chains: `subject:Patient.name`, `_has:Observation:patient:code`.
_NAME = re.compile(r"[A-Za-z_][\w:-]*", re.ASCII)
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"(?![^\s\])])', re.DOTALL)
_TOKEN = re.compile(r"[^\s\])]+")
_SHOWN = 20


def parsed(text: str) -> Filter:
    """Return the tree of a filter; raise BadRequest with the column of what is wrong."""
    parser = _Parser(text)
    found = parser.filter()
    if parser.at < len(text):
        raise parser.expected("`and`, `or` or the end")
    return found


@dataclass(slots=True)
class _Parser:
    """A text, and how far it was read: `at` never stands on a blank."""

    text: str
    at: int = 0
    comparisons: int = 0
    depth: int = 0

    def filter(self) -> Filter:
        """Read filters that are joined by `and` and `or`."""
        self.skip(_BLANKS)
        found = self.operand()
        while (word := self.peek(_WORD).lower()) in {"and", "or"}:
            self.skip(_WORD)
            found = _joined(word, found, self.operand())
        return found

    def operand(self) -> Filter:
        """Read one filter: in parentheses, with or without `not`, or a comparison."""
        if self.peek(_NEGATION):
            self.skip(_WORD)
            return Negation(self.nested("(", ")"))
        return self.nested("(", ")") if self.sees("(") else self.comparison()

    def nested(self, opening: str, closing: str) -> Filter:
        """Read a filter between two marks."""
        if self.depth == DEEPEST:
            raise BadRequest(f"filters are nested {DEEPEST} deep at most; this goes on {self.here}")
        self.depth += 1
        self.mark(opening)
        found = self.filter()
        self.mark(closing)
        self.depth -= 1
        return found

    def comparison(self) -> Comparison:
        """Read a path, an operator and a value."""
        column = self.at + 1
        self.comparisons += 1
        if self.comparisons > MOST_COMPARISONS:
            raise BadRequest(
                f"a filter has {MOST_COMPARISONS} comparisons at most; this goes on {self.here}"
            )
        path, conditions = self.path()
        operator = self.peek(_WORD).lower()
        if operator not in OPERATORS:
            raise self.expected(f"an operator ({', '.join(sorted(OPERATORS))})")
        self.skip(_WORD)
        return Comparison(path, operator, self.value(), column, conditions)

    def path(self) -> tuple[str, tuple[tuple[int, Filter], ...]]:
        """Read names joined by dots; between a name and a dot may stand a filter in brackets."""
        path, conditions = self.name(), []
        while self.sees("[") or self.sees("."):
            if self.sees("["):
                links = path.count(".") + path.count("_has:") + 1
                conditions.append((links, self.nested("[", "]")))
            self.mark(".")
            path += "." + self.name()
        return path, tuple(conditions)

    def name(self) -> str:
        """Read one name of a path."""
        if found := self.peek(_NAME):
            self.skip(_NAME)
            return found
        raise self.expected("the name of a search parameter")

    def value(self) -> str:
        """Read a string in quotation marks, or what stands before the next blank, `)` or `]`."""
        if not self.sees('"'):
            if found := self.peek(_TOKEN):
                self.skip(_TOKEN)
                return found
            raise self.expected("a value")
        quoted = self.peek(_STRING)
        try:
            value: str = msgspec.json.decode(quoted)
        except (msgspec.DecodeError, UnicodeError):
            raise self.expected('a JSON string, "…"') from None
        self.skip(_STRING)
        return value

    def mark(self, mark: str) -> None:
        """Read a mark that must stand here."""
        if not self.sees(mark):
            raise self.expected(f"`{mark}`")
        self.at += 1
        self.skip(_BLANKS)

    def sees(self, mark: str) -> bool:
        """Tell whether a mark stands here."""
        return self.text.startswith(mark, self.at)

    def peek(self, pattern: re.Pattern[str]) -> str:
        """Return what matches here, "" if nothing does."""
        found = pattern.match(self.text, self.at)
        return found[0] if found else ""

    def skip(self, pattern: re.Pattern[str]) -> None:
        """Go behind what matches here, and the blanks that follow."""
        self.at += len(self.peek(pattern))
        self.at += len(self.peek(_BLANKS))

    @property
    def here(self) -> str:
        """Where the reading stands, in words."""
        return f"at column {self.at + 1}"

    def expected(self, what: str) -> BadRequest:
        """Return the error for a text that does not go on as it should."""
        rest = self.text[self.at : self.at + _SHOWN]
        return BadRequest(f"{what} is expected {self.here}, not {rest!r}")


def _joined(word: str, left: Filter, right: Filter) -> Filter:
    """Return two filters as one, in one row with those before that are joined by the same word."""
    match left:
        case Junction(same, filters) if same == word:
            return Junction(word, (*filters, right))
        case _:
            return Junction(word, (left, right))
