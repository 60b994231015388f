"""The words of a resource, and what a search asks of them: https://hl7.org/fhir/R4/search.html#content. Pure.

A word is a run of letters and digits, folded as strings are. `_text` looks at the narrative, `_content` at all strings
of the resource: but for ids, references, URLs, dates and binary data, which are no text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from typing import Any, assert_never

from fhir_server.fhir.resource import Resource
from fhir_server.search.expression import HasWords
from fhir_server.search.phrases import Every, Phrase, Some, Words
from fhir_server.search.record import fold

BOUNDARY = "¶"
"""Stands between two strings, so that no phrase reaches from one into the next; itself no part of any word."""

_WORD = re.compile(r"[^\W_]{1,64}")
"""A longer run is several words, one after the other."""

_NO_TEXT = frozenset(("resourceType", "id", "versionId", "reference", "url", "div", "data", "hash"))
"""Members that are never text, wherever they stand; `div` is the narrative, which has its own rules."""

_NO_TEXT_VALUE = re.compile(
    r"(?:https?://|urn:)\S*\Z"
    r"|\d{4}-\d\d(?:-\d\d(?:T\S*)?)?\Z"
    r"|\d\d:\d\d:\d\d(?:\.\d+)?\Z"
)
_BINARY = "Base64Binary"

_INLINE = (
    "a|abbr|acronym|b|big|cite|code|dfn|em|font|i|kbd|q|s|samp|small|span|strong|sub|sup|tt|u|var"
)
_WITHIN_A_WORD = re.compile(rf"<!--(?:(?!<!--).)*?-->|</?(?:{_INLINE})(?=[\s/>])[^<]*?>", re.DOTALL)
_TAG = re.compile(r"""<(?:[^<>"']|"[^"<]*"|'[^'<]*')*>""")


@dataclass(frozen=True, slots=True)
class Texts:
    """The words of a resource, with blanks between them: of its narrative, and of all else."""

    narrative: str = ""
    others: str = ""


NO_TEXTS = Texts()


def words(text: str) -> list[str]:
    """Return the words of a text, folded."""
    return _WORD.findall(fold(text))


def texts_of(resource: Resource) -> Texts:
    """Return the words of a resource."""
    strings = (" ".join(found) for each in _strings(resource) if (found := words(each)))
    return Texts(" ".join(words(_narrative(resource))), f" {BOUNDARY} ".join(strings))


def _strings(element: dict[str, Any]) -> Iterator[str]:
    """Yield the strings in an element that are text, however deep."""
    for key, value in element.items():
        if key in _NO_TEXT or key.endswith(_BINARY):
            continue
        for each in value if type(value) is list else (value,):
            if type(each) is dict:
                yield from _strings(each)
            elif type(each) is str and not _NO_TEXT_VALUE.match(each):
                yield each


def _narrative(resource: Resource) -> str:
    """Return the narrative without its tags: those that lay out the page separate words."""
    text = resource.get("text")
    div = text.get("div") if type(text) is dict else None
    if type(div) is not str:
        return ""
    return unescape(_TAG.sub(" ", _WITHIN_A_WORD.sub("", div)))


def has_words(texts: Texts, asked: HasWords) -> bool:
    """Tell whether a resource with these texts has the words."""
    places: tuple[str, ...] = (f" {texts.narrative} ",)
    if asked.place == "content":
        places = (*places, f" {texts.others} ")
    return _has(places, asked.words)


def _has(places: tuple[str, ...], asked: Words) -> bool:
    match asked:
        case Phrase(several):
            phrase = f" {' '.join(several)} "
            return any(phrase in each for each in places)
        case Every(parts):
            return all(_has(places, each) for each in parts)
        case Some(parts):
            return any(_has(places, each) for each in parts)
        case _:
            assert_never(asked)
