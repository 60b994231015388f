"""Words in texts, `(bone OR liver) and metastases`: https://hl7.org/fhir/R4/search.html#content.

Words beside each other must all be there; AND, OR and NOT in capitals or not; `"in quotes"`, words stand one after the
other. The specification names OData's $search as a model, of which this is a part.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from fhir_server.fhir.errors import BadRequest
from fhir_server.search.expression import AllOf, AnyOf, HasWords, Not, Predicate
from fhir_server.search.parameter_types.criterion import Criterion, split, unescape
from fhir_server.search.phrases import Every, Phrase, Some
from fhir_server.search.words import words

Place = Literal["narrative", "content"]

PLACES: dict[str, Place] = {"_text": "narrative", "_content": "content"}
"""Where each parameter looks."""

MOST_WORDS = 100
"""How many words, operators and parentheses one parameter may have."""

_SYMBOL = re.compile(r"""\s*(?:"([^"]*)"|([()])|([^\s()"]+))""")
_OPERATORS = frozenset(("AND", "OR", "NOT"))
_EXPECTED = (
    'words, which may be joined by AND, OR and NOT, with parentheses and "phrases in quotes": '
    '`(bone OR liver) and "lymph node"`'
)


@dataclass(frozen=True, slots=True)
class _Symbol:
    """An operator or a parenthesis, or the words that stand for nothing else."""

    mark: str = ""
    words: tuple[str, ...] = ()


def parse(criterion: Criterion) -> Predicate:
    """Return what a search in texts asks; commas are alternatives."""
    if criterion.modifier is not None:
        raise BadRequest(f"{criterion}: {criterion.parameter.code} has no modifiers")
    return asked(criterion, PLACES[criterion.parameter.code])


def asked(
    criterion: Criterion, place: Place, words_of: Callable[[str], list[str]] = words
) -> Predicate:
    """Return what is asked of the words of a place; `words_of` tells those of a text."""
    queries = [
        _symbols(criterion, unescape(each), words_of) for each in split(criterion.value, ",")
    ]
    if sum(max(1, len(each.words)) for query in queries for each in query) > MOST_WORDS:
        raise criterion.malformed(f"{MOST_WORDS} words at most")
    return _joined(
        place, [_Query(criterion, place, query).whole() for query in queries], Some, AnyOf
    )


def _symbols(
    criterion: Criterion, text: str, words_of: Callable[[str], list[str]]
) -> list[_Symbol]:
    symbols: list[_Symbol] = []
    position, text = 0, text.rstrip()
    while position < len(text):
        found = _SYMBOL.match(text, position)
        if found is None:
            raise criterion.malformed(f"{_EXPECTED}; here a quote is not closed")
        position = found.end()
        quoted, mark, plain = found.groups()
        if mark:
            symbols.append(_Symbol(mark))
        elif quoted is not None:
            symbols.append(_phrase(criterion, quoted, words_of(quoted)))
        elif plain.upper() in _OPERATORS:
            symbols.append(_Symbol(plain.upper()))
        elif found_words := words_of(plain):
            symbols.append(_plain(criterion, plain, found_words))
    return symbols


def _phrase(criterion: Criterion, quoted: str, found: list[str]) -> _Symbol:
    if not found:
        raise criterion.malformed(f'{_EXPECTED}; "{quoted}" has no word')
    return _Symbol(words=tuple(found))


def _plain(criterion: Criterion, text: str, found: list[str]) -> _Symbol:
    if "*" in text:
        raise criterion.malformed(f"whole words; {text} would be a part of one")
    if text.startswith("-"):
        raise criterion.malformed(f"{_EXPECTED}; {text} is written NOT {text[1:]}")
    # What is one for its writer, like x-ray, is a phrase.
    return _Symbol(words=tuple(found))


@dataclass(slots=True)
class _Query:
    """One query on its way to its end."""

    criterion: Criterion
    place: Place
    symbols: Sequence[_Symbol]
    position: int = 0

    def whole(self) -> Predicate:
        """Return what the whole query asks."""
        found = self._any()
        if self.position < len(self.symbols):
            raise self.criterion.malformed(f"{_EXPECTED}; here a parenthesis was not opened")
        return found

    def _any(self) -> Predicate:
        parts = [self._all()]
        while self._take("OR"):
            parts.append(self._all())
        return _joined(self.place, parts, Some, AnyOf)

    def _all(self) -> Predicate:
        parts = [self._one()]
        while self._take("AND") or self._next() not in {"OR", ")", None}:
            parts.append(self._one())
        return _joined(self.place, parts, Every, AllOf)

    def _one(self) -> Predicate:
        if self._take("NOT"):
            return Not(self._one())
        if self._take("("):
            found = self._any()
            if not self._take(")"):
                raise self.criterion.malformed(f"{_EXPECTED}; here a parenthesis is not closed")
            return found
        if self._next() != "":
            after = "at the end" if self._next() is None else f"before {self._next()}"
            raise self.criterion.malformed(f"{_EXPECTED}; a word is missing {after}")
        self.position += 1
        return HasWords(self.place, Phrase(self.symbols[self.position - 1].words))

    def _next(self) -> str | None:
        """Return the next mark, "" for words, None at the end."""
        if self.position == len(self.symbols):
            return None
        return self.symbols[self.position].mark

    def _take(self, mark: str) -> bool:
        if self._next() != mark:
            return False
        self.position += 1
        return True


def _joined(
    place: Place,
    parts: list[Predicate],
    within: type[Every | Some],
    beside: type[AllOf | AnyOf],
) -> Predicate:
    """Return parts joined: what asks for words as one predicate, which an index can answer, beside the others."""
    asked = tuple(each.words for each in parts if isinstance(each, HasWords))
    found: list[Predicate] = [each for each in parts if not isinstance(each, HasWords)]
    if asked:
        found.insert(0, HasWords(place, asked[0] if len(asked) == 1 else within(asked)))
    return found[0] if len(found) == 1 else beside(tuple(found))
