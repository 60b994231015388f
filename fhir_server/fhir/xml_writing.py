"""The writer of FHIR's XML form: https://hl7.org/fhir/R4/xml.html.

It writes text, in the order of the definitions; what has no XML form is refused, never left out.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from fhir_server.fhir.errors import NotAcceptable
from fhir_server.fhir.resource import Resource
from fhir_server.fhir.structure import TypeSource
from fhir_server.fhir.xml_narrative import fault_of
from fhir_server.fhir.xml_shapes import FHIR, Field, Shape, Shapes, shapes_of

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# A reader turns white space other than a blank into blanks, unless it is written as a number.
_ESCAPES = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        '"': "&quot;",
        "\t": "&#9;",
        "\n": "&#10;",
        "\r": "&#13;",
    }
)


def to_xml(resource: Resource, types: TypeSource, *, pretty: bool = False) -> bytes:
    """Return a resource as an XML document; raise NotAcceptable if it has no XML form."""
    writing = _Writing(shapes_of(types))
    writing.parts.append(_DECLARATION)
    # A margin is what comes before a tag: nothing, or a line feed and blanks.
    writing.resource(resource, "\n" if pretty else "", f' xmlns="{FHIR}"')
    return "".join(writing.parts).encode()


class _Writing:
    """One document in the making, as its pieces."""

    def __init__(self, shapes: Shapes) -> None:
        self.parts: list[str] = []
        self._shapes = shapes

    def resource(self, resource: Any, margin: str, attributes: str = "") -> None:
        name = resource.get("resourceType") if isinstance(resource, dict) else None
        try:
            shape = self._shapes.resource(str(name))
        except KeyError:
            raise _no_form("resourceType", f"{name} is not a resource type of R4") from None
        self._open_close(str(name), attributes, resource, shape, margin)

    def _open_close(
        self, name: str, attributes: str, node: Resource, shape: Shape, margin: str
    ) -> None:
        """Write an element with its content."""
        self.parts.append(f"{margin}<{name}{attributes}>")
        empty = len(self.parts)
        self._content(node, shape, f"{margin}  " if margin else "")
        if len(self.parts) == empty:
            self.parts[-1] = f"{margin}<{name}{attributes}/>"
        else:
            self.parts.append(f"{margin}</{name}>")

    def _content(self, node: Resource, shape: Shape, margin: str) -> None:
        for field in _in_order(node, shape):
            value = node.get(field.name)
            if field.kind == "primitive":
                beside = node.get(field.sibling)
                if field.repeats:
                    self._primitives(field, value, beside, shape, margin)
                else:
                    self._primitive(field, value, beside, shape, margin)
            elif not field.repeats:
                self._complex(field, value, shape, margin)
            elif isinstance(value, list):
                for each in value:
                    self._complex(field, each, shape, margin)
            else:
                raise _no_form(f"{shape.path}.{field.name}", "it is not an array")

    def _primitives(
        self, field: Field, values: Any, beside: Any, shape: Shape, margin: str
    ) -> None:
        values, beside = values or [], beside or []
        if not isinstance(values, list) or not isinstance(beside, list):
            raise _no_form(f"{shape.path}.{field.name}", "it is not an array")
        for index in range(max(len(values), len(beside))):
            value = values[index] if index < len(values) else None
            other = beside[index] if index < len(beside) else None
            self._primitive(field, value, other, shape, margin)

    def _primitive(self, field: Field, value: Any, beside: Any, shape: Shape, margin: str) -> None:
        if beside is None:
            if value is None:
                raise _no_form(f"{shape.path}.{field.name}", "it has no value")
            text = value if type(value) is str and _is_plain(value) else _text(value, field, shape)
            self.parts.append(f'{margin}<{field.name} value="{text}"/>')
            return
        if not isinstance(beside, dict):
            raise _no_form(f"{shape.path}.{field.sibling}", "it is not an object")
        element = self._shapes.element()
        attributes = _attributes(beside, element)
        if value is not None:
            attributes += f' value="{_text(value, field, shape)}"'
        self._open_close(field.name, attributes, beside, element, margin)

    def _complex(self, field: Field, value: Any, shape: Shape, margin: str) -> None:
        if field.kind == "resource":
            self.parts.append(f"{margin}<{field.name}>")
            self.resource(value, f"{margin}  " if margin else "")
            self.parts.append(f"{margin}</{field.name}>")
        elif field.kind == "xhtml":
            fault = fault_of(value) if isinstance(value, str) else "it is not text"
            if fault:
                raise _no_form(f"{shape.path}.{field.name}", fault)
            self.parts.append(margin + value)
        elif isinstance(value, dict):
            inner = field.inner()
            attributes = _attributes(value, inner)
            self._open_close(field.name, attributes, value, inner, margin)
        else:
            raise _no_form(f"{shape.path}.{field.name}", "it is not an object")


def _in_order(node: Resource, shape: Shape) -> list[Field]:
    """Return the fields that an object has, in the order of the specification."""
    found: list[Field] = []
    rank, sorted_already = -1, True
    for key in node:
        field = shape.by_name.get(key)
        if field is None:
            field = _field_beside(key, node, shape)
            if field is None:
                continue
        if field.rank < rank:
            sorted_already = False
        rank = field.rank
        found.append(field)
    return found if sorted_already else sorted(found, key=lambda each: each.rank)


def _field_beside(key: str, node: Resource, shape: Shape) -> Field | None:
    """Return the field of a member that is no element: of `_birthDate` where there is no birthDate."""
    if key in shape.attributes or key == "resourceType":
        return None
    field = shape.by_name.get(key[1:]) if key[0:1] == "_" else None
    if field is None or field.kind != "primitive":
        raise _no_form(f"{shape.path}.{key}", "R4 has no such element")
    return None if field.name in node else field


def _attributes(node: Resource, shape: Shape) -> str:
    """Return the attributes of a start tag: id, and the url of an extension."""
    found = ""
    for name in shape.attributes:
        if name in node:
            value = node[name]
            if not isinstance(value, str):
                raise _no_form(f"{shape.path}.{name}", "it is not text")
            found += f' {name}="{_escaped(value, f"{shape.path}.{name}")}"'
    return found


def _is_plain(text: str) -> bool:
    """Tell whether a text stands for itself within an attribute; some that do are told otherwise."""
    return text.isprintable() and "&" not in text and "<" not in text and '"' not in text


def _text(value: Any, field: Field, shape: Shape) -> str:
    match value:
        case str():
            return _escaped(value, f"{shape.path}.{field.name}")
        case bool():
            return "true" if value else "false"
        case int() | Decimal():
            return str(value)
        case _:
            raise _no_form(f"{shape.path}.{field.name}", "it is not a primitive value")


def _escaped(text: str, path: str) -> str:
    if _is_plain(text):
        return text
    found = _NOT_XML.search(text)
    if found:
        raise _no_form(path, f"XML cannot hold the character U+{ord(found[0]):04X}")
    return text.translate(_ESCAPES)


def _no_form(path: str, reason: str) -> NotAcceptable:
    return NotAcceptable(
        f"the resource has no XML form: {path}: {reason}; application/fhir+json is served",
        expression=path,
    )
