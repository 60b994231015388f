"""Tokens into a syntax tree, by operator precedence: https://hl7.org/fhirpath/N1/#operator-precedence."""

from __future__ import annotations

from decimal import Decimal

from fhir_server.fhir.fhirpath.errors import FhirPathError
from fhir_server.fhir.fhirpath.lexer import Token, tokens
from fhir_server.fhir.fhirpath.node import Node
from fhir_server.fhir.fhirpath.quantity import CALENDAR_UNITS, Quantity
from fhir_server.fhir.fhirpath.syntax import (
    Binary,
    Call,
    Constant,
    Expression,
    Indexer,
    Literal,
    Member,
    Polarity,
    Special,
    TypeName,
    TypeOperation,
)
from fhir_server.fhir.fhirpath.temporal import Temporal

LONGEST_EXPRESSION = 20_000
DEEPEST_NESTING = 100
_LARGEST = "2147483647"

_LEVELS: tuple[frozenset[str], ...] = (
    frozenset({"implies"}),
    frozenset({"or", "xor"}),
    frozenset({"and"}),
    frozenset({"in", "contains"}),
    frozenset({"=", "~", "!=", "!~"}),
    frozenset({"<", ">", "<=", ">="}),
    frozenset({"|"}),
    frozenset({"is", "as"}),
    frozenset({"+", "-", "&"}),
    frozenset({"*", "/", "div", "mod"}),
)
_PRECEDENCE = {operator: level for level, some in enumerate(_LEVELS) for operator in some}
_ALSO_NAMES = frozenset({"as", "is", "in", "contains"})
"""Operators that may also begin a path."""


def parse(text: str) -> Expression:
    """Return the syntax tree; raise FhirPathError with the column of what does not fit."""
    if len(text) > LONGEST_EXPRESSION:
        raise FhirPathError(f"an expression has at most {LONGEST_EXPRESSION} characters")
    reader = _Reader(tokens(text))
    expression = reader.expression(0)
    reader.expect("end")
    return expression


class _Reader:
    """A place in the tokens."""

    __slots__ = ("_at", "_depth", "_tokens")

    def __init__(self, found: list[Token]) -> None:
        self._tokens = found
        self._at = 0
        self._depth = 0

    def next(self) -> Token:
        return self._tokens[self._at]

    def take(self) -> Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def takes(self, symbol: str) -> bool:
        """Take a symbol if it comes next."""
        token = self.next()
        if token.kind != "symbol" or token.text != symbol:
            return False
        self._at += 1
        return True

    def expect(self, kind: str, text: str | None = None) -> Token:
        token = self.take()
        if token.kind != kind or (text is not None and token.text != text):
            raise _unexpected(token, repr(text) if text else kind)
        return token

    def expression(self, level: int) -> Expression:
        self._depth += 1
        if self._depth > DEEPEST_NESTING:
            raise FhirPathError(
                f"more than {DEEPEST_NESTING} levels at column {self.next().column}"
            )
        left = self._signed()
        while (found := self._operator()) is not None and found[1] >= level:
            operator, above = found
            self.take()
            if operator in {"is", "as"}:
                left = TypeOperation(operator, left, self._type_name())
            else:
                left = Binary(operator, left, self.expression(above + 1))
        self._depth -= 1
        return left

    def _operator(self) -> tuple[str, int] | None:
        token = self.next()
        if token.kind not in {"symbol", "word"}:
            return None
        level = _PRECEDENCE.get(token.text)
        return None if level is None else (token.text, level)

    def _signed(self) -> Expression:
        if self.takes("-"):
            return Polarity(negative=True, operand=self._nested_sign())
        if self.takes("+"):
            return Polarity(negative=False, operand=self._nested_sign())
        return self._invocations(self._term())

    def _nested_sign(self) -> Expression:
        self._depth += 1
        if self._depth > DEEPEST_NESTING:
            raise FhirPathError(f"more than {DEEPEST_NESTING} signs at column {self.next().column}")
        operand = self._signed()
        self._depth -= 1
        return operand

    def _invocations(self, target: Expression) -> Expression:
        while True:
            if self.takes("."):
                target = self._invocation(target)
            elif self.takes("["):
                target = Indexer(target, self.expression(0))
                self.expect("symbol", "]")
            else:
                return target

    def _invocation(self, target: Expression | None) -> Expression:
        token = self.take()
        if token.kind not in {"word", "name"}:
            raise _unexpected(token, "a name")
        if not self.takes("("):
            return Member(target, token.text)
        return Call(target, token.text, self._arguments(), token.column)

    def _arguments(self) -> tuple[Expression, ...]:
        if self.takes(")"):
            return ()
        found = [self.expression(0)]
        while self.takes(","):
            found.append(self.expression(0))
        self.expect("symbol", ")")
        return tuple(found)

    def _term(self) -> Expression:
        token = self.next()
        match token.kind:
            case "word" | "name":
                return self._named(token)
            case "special":
                return _special(self.take())
            case "constant":
                return Constant(self.take().text)
            case "symbol":
                return self._bracketed()
            case _:
                return Literal(self._literal())

    def _named(self, token: Token) -> Expression:
        if token.kind == "word":
            if token.text in {"true", "false"}:
                self.take()
                return Literal(Node("System.Boolean", token.text == "true"))
            if token.text in _PRECEDENCE and token.text not in _ALSO_NAMES:
                raise _unexpected(token, "a value")
        return self._invocation(None)

    def _bracketed(self) -> Expression:
        token = self.take()
        if token.text == "(":
            inner = self.expression(0)
            self.expect("symbol", ")")
            return inner
        if token.text == "{":
            self.expect("symbol", "}")
            return Literal(None)
        raise _unexpected(token, "a value")

    def _literal(self) -> Node:
        token = self.take()
        match token.kind:
            case "string":
                return Node("System.String", token.text)
            case "number":
                return self._number(token)
            case "date" | "datetime" | "time":
                return _moment(token)
            case _:
                raise _unexpected(token, "a value")

    def _number(self, token: Token) -> Node:
        following = self.next()
        if following.kind == "string":
            self.take()
            return Node("System.Quantity", Quantity(Decimal(token.text), following.text))
        if following.kind == "word" and following.text in CALENDAR_UNITS:
            self.take()
            quantity = Quantity(Decimal(token.text), following.text, calendar=True)
            return Node("System.Quantity", quantity)
        if "." in token.text:
            return Node("System.Decimal", Decimal(token.text))
        if len(token.text) > len(_LARGEST) or int(token.text) > int(_LARGEST):
            raise FhirPathError(f"{token.text[:20]} at column {token.column} is above {_LARGEST}")
        return Node("System.Integer", int(token.text))

    def _type_name(self) -> TypeName:
        first = self._name()
        if self.takes("."):
            return TypeName(first, self._name())
        return TypeName(None, first)

    def _name(self) -> str:
        token = self.take()
        if token.kind not in {"word", "name"}:
            raise _unexpected(token, "the name of a type")
        return token.text


def _special(token: Token) -> Special:
    if token.text not in {"this", "index", "total"}:
        raise FhirPathError(
            f"${token.text} is none of $this, $index, $total (column {token.column})"
        )
    return Special(token.text)


def _moment(token: Token) -> Node:
    kind = {"date": "Date", "datetime": "DateTime", "time": "Time"}[token.kind]
    moment = Temporal.parse(kind, token.text)
    if moment is None:
        raise FhirPathError(f"@{token.text} at column {token.column} is no {kind}")
    return Node(f"System.{kind}", moment)


def _unexpected(token: Token, wanted: str) -> FhirPathError:
    return FhirPathError(f"expected {wanted}, not {token.text!r}, at column {token.column}")
