"""Text into tokens: https://hl7.org/fhirpath/N1/#lexical-elements."""

from __future__ import annotations

import re
from typing import NamedTuple

from fhir_server.fhir.fhirpath.errors import FhirPathError

_TOKEN = re.compile(
    r"""
    (?P<blank>   (?: \s+ | //[^\r\n]* | /\*.*?\*/ )+ )
  | (?P<date>    @\d{4}(?:-\d\d(?:-\d\d)?)?
                 (?P<at>T(?:\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|[+-]\d\d:\d\d)?)?)? )
  | (?P<time>    @T\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)? )
  | (?P<number>  \d+(?:\.\d+)? )
  | (?P<string>  '(?:[^'\\]|\\.)*' )
  | (?P<name>    `(?:[^`\\]|\\.)*` )
  | (?P<word>    [A-Za-z_][A-Za-z0-9_]* )
  | (?P<special> \$[a-z]+ )
  | (?P<constant> %(?: [A-Za-z_][A-Za-z0-9_]* | `(?:[^`\\]|\\.)*` | '(?:[^'\\]|\\.)*' ) )
  | (?P<symbol>  <= | >= | != | !~ | [-+*/&|<>=~.,()\[\]{}] )
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_CONTROL = {"f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Token(NamedTuple):
    """A piece of text; `column` counts from 1."""

    kind: str
    text: str
    column: int


def tokens(text: str) -> list[Token]:
    """Return the tokens, the last one of the kind `end`; raise FhirPathError with the column."""
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise FhirPathError(f"cannot read {text[at : at + 20]!r} at column {at + 1}")
        kind = _kind(match)
        if kind != "blank":
            found.append(Token(kind, _text(kind, match.group()), at + 1))
        at = match.end()
    found.append(Token("end", "the end", len(text) + 1))
    return found


def _kind(match: re.Match[str]) -> str:
    if match.lastgroup in {"date", "at"}:
        return "date" if match["at"] is None else "datetime"
    return match.lastgroup or "symbol"


def _text(kind: str, raw: str) -> str:
    match kind:
        case "string" | "name":
            return unescaped(raw[1:-1])
        case "constant":
            return unescaped(raw[2:-1]) if raw[1] in "`'" else raw[1:]
        case "special" | "date" | "datetime" | "time":
            return raw[1:]
        case _:
            return raw


def unescaped(text: str) -> str:
    r"""Return text with its escapes resolved: `\n`, `\u0065`; of another one the character itself."""
    return _ESCAPE.sub(_character, text)


def _character(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    return _CONTROL.get(match[2], match[2])
