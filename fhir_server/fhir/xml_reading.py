"""The reader of FHIR's XML form: https://hl7.org/fhir/R4/xml.html.

The text is read once, front to back, and refused at the first fault: no tree is built of what will not
be kept. A DOCTYPE is refused where it begins, so that there are no entities to expand or to fetch.
Expat and not lxml: libxml2 keeps each name that it ever met for as long as the thread lives, and does not
tell where an element stands in the text, so that a narrative could not be kept as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pyexpat import ExpatError, ParserCreate
from typing import Any, NoReturn

from fhir_server.fhir.errors import BadSyntax
from fhir_server.fhir.json import DEFAULT, Limits, refuse_depth
from fhir_server.fhir.resource import Resource
from fhir_server.fhir.structure import TypeSource
from fhir_server.fhir.xml_narrative import fault_of
from fhir_server.fhir.xml_shapes import FHIR, Field, Shape, Shapes, shapes_of

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_ENCODINGS = frozenset({"utf-8", "us-ascii"})
_BLANKS = " \t\r\n"
_TAG = re.compile(rb"""<[^"'>]*(?:(?:"[^"]*"|'[^']*')[^"'>]*)*>""")
_SCHEMA_LOCATION = "http://www.w3.org/2001/XMLSchema-instance schemaLocation"


def parse_xml(body: bytes | bytearray, types: TypeSource, *, limits: Limits = DEFAULT) -> Resource:
    """Return the resource of an XML document in its JSON form; raise BadSyntax, with the place."""
    body = bytes(body)
    if not body.strip():
        raise BadSyntax("the body is empty; an XML document was expected")
    if body.startswith(_UTF_16):
        raise BadSyntax("the body is UTF-16; FHIR is exchanged in UTF-8")
    resource = _Reading(body, shapes_of(types), limits).resource()
    refuse_depth(resource, limits)
    return resource


class _Frame:
    """An element whose end was not met yet.

    `node` is what its children are added to, `last` the child before; a container of a resource
    (`contained`) has no shape, and no node of its own.
    """

    __slots__ = ("field", "last", "node", "shape", "tags")

    def __init__(self, field: Field, shape: Shape | None, node: Resource) -> None:
        self.field = field
        self.shape = shape
        self.tags: Mapping[str, Field] = shape.by_tag if shape else {}
        self.node = node
        self.last = _BEFORE


_NOTHING = partial(Shape, "", {}, {}, ())
_BEFORE = Field("", -1, False, "complex", str, _NOTHING, "")  # noqa: FBT003  a row of the table
_ROOT = Field("resource", 0, False, "resource", str, _NOTHING, "")  # noqa: FBT003  a row of the table


class _Reading:
    """One pass over a document; `_leaf` is a primitive that has only a value so far."""

    def __init__(self, body: bytes, shapes: Shapes, limits: Limits) -> None:
        self._body = body
        self._shapes = shapes
        self._depth = limits.depth
        self._document: Resource = {}
        self._frames = [_Frame(_ROOT, None, self._document)]
        self._leaf: Field | None = None
        self._bare = False
        self._div = (0, 0)
        self._parser = ParserCreate("utf-8", " ")
        self._parser.buffer_text = True
        self._parser.XmlDeclHandler = self._declaration
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._read_elements()

    def resource(self) -> Resource:
        try:
            self._parser.Parse(self._body, True)  # noqa: FBT003  Expat's own: this is all of it
        except ExpatError as error:
            raise BadSyntax(f"the XML is malformed: {error}") from None
        resource: Resource = self._document[_ROOT.name]
        return resource

    def _read_elements(self) -> None:
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding and encoding.lower() not in _ENCODINGS:
            raise BadSyntax(f"the body declares {encoding}; FHIR is exchanged in UTF-8")

    def _doctype(self, *_: object) -> NoReturn:
        raise BadSyntax("a document type declaration (DOCTYPE) is not allowed in FHIR's XML")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if self._leaf is not None:
            self._open_leaf(self._leaf)
        parent = self._frames[-1]
        field = parent.tags.get(tag)
        if field is None:
            self._start_resource(parent, tag, attributes)
            return
        if field.rank <= parent.last.rank and not (field is parent.last and field.repeats):
            self._refuse_order(parent, field)
        parent.last = field
        if field.kind == "primitive":
            self._leaf = field
            if field.read is str and "value" in attributes and len(attributes) == 1:
                _attach(parent.node, field, attributes["value"])
            else:
                self._start_primitive(parent.node, field, attributes)
        elif field.kind == "complex":
            self._start_complex(parent.node, field, attributes)
        elif field.kind == "resource":
            self._push(_Frame(field, None, parent.node))
            self._add_attributes({}, (), attributes)
        else:
            self._start_narrative()

    def _end(self, _: str) -> None:
        leaf = self._leaf
        if leaf is None:
            frame = self._frames.pop()
            if frame.shape is None and frame.last is _BEFORE:
                self._refuse(f"{frame.field.name} holds no resource", frame.field)
        elif self._bare:
            self._refuse(f"{leaf.name} has neither a value nor an extension", leaf)
        self._leaf = None

    def _text(self, text: str) -> None:
        if text.strip(_BLANKS):
            field = self._leaf or self._frames[-1].field
            self._refuse(
                "there is text between the elements; FHIR writes values as attributes:"
                f' <{field.name} value="…"/>',
                self._leaf,
            )

    def _push(self, frame: _Frame) -> None:
        self._frames.append(frame)
        if len(self._frames) > self._depth:
            raise BadSyntax(f"the body nests deeper than {self._depth} levels")

    def _start_complex(self, node: Resource, field: Field, attributes: dict[str, str]) -> None:
        child: Resource = {}
        shape = field.inner()
        _attach(node, field, child)
        self._push(_Frame(field, shape, child))
        if attributes:
            self._add_attributes(child, shape.attributes, attributes)

    def _start_primitive(self, node: Resource, field: Field, attributes: dict[str, str]) -> None:
        text = attributes.pop("value", None)
        self._bare = text is None and not attributes
        _attach(node, field, None if text is None else self._value(field, text))
        if attributes:
            self._add_attributes(
                _beside(node, field), self._shapes.element().attributes, attributes
            )

    def _value(self, field: Field, text: str) -> Any:
        try:
            return field.read(text)
        except (ValueError, BadSyntax) as error:
            said = str(error) if isinstance(error, BadSyntax) else f"{text[:40]!r} is not {error}"
            self._refuse(said, field)

    def _open_leaf(self, leaf: Field) -> None:
        """Make a frame of a primitive, now that it has a child."""
        node = _beside(self._frames[-1].node, leaf)
        self._push(_Frame(leaf, self._shapes.element(), node))
        self._leaf, self._bare = None, False

    def _start_resource(self, parent: _Frame, tag: str, attributes: dict[str, str]) -> None:
        if parent.shape is not None:
            self._refuse_unknown(parent.shape, tag)
        if parent.last is not _BEFORE:
            self._refuse(f"{parent.field.name} holds more than one resource")
        parent.last = parent.field
        namespace, _, name = tag.rpartition(" ")
        shape = self._resource_shape(namespace, name)
        resource: Resource = {"resourceType": name}
        _attach(parent.node, parent.field, resource)
        self._push(_Frame(_BEFORE, shape, resource))
        attributes.pop(_SCHEMA_LOCATION, None)
        self._add_attributes(resource, (), attributes)

    def _resource_shape(self, namespace: str, name: str) -> Shape:
        if namespace != FHIR:
            raise BadSyntax(
                f'the element {name} is in the namespace "{namespace}"; FHIR\'s is xmlns="{FHIR}"'
            )
        try:
            return self._shapes.resource(name)
        except KeyError:
            raise BadSyntax(f"{name} is not a resource type of R4") from None

    def _add_attributes(
        self, node: Resource, allowed: tuple[str, ...], attributes: dict[str, str]
    ) -> None:
        for name, value in attributes.items():
            if name not in allowed:
                self._refuse(f'the attribute "{name}" is not known here', self._leaf)
            node[name] = value

    def _start_narrative(self) -> None:
        self._div = (self._parser.CurrentByteIndex, 1)
        self._parser.StartElementHandler = self._start_in_narrative
        self._parser.EndElementHandler = self._end_in_narrative
        self._parser.CharacterDataHandler = None

    def _start_in_narrative(self, _tag: str, _attributes: dict[str, str]) -> None:
        start, depth = self._div
        self._div = (start, depth + 1)

    def _end_in_narrative(self, _: str) -> None:
        start, depth = self._div
        self._div = (start, depth - 1)
        if depth > 1:
            return
        frame = self._frames[-1]
        text = self._text_of_element(start, self._parser.CurrentByteIndex)
        fault = fault_of(text)
        if fault:
            self._refuse(f"the narrative is not XHTML that stands by itself: {fault}", frame.last)
        frame.node[frame.last.name] = text
        self._read_elements()

    def _text_of_element(self, start: int, end_tag: int) -> str:
        """Return an element as it was written; `end_tag` is where Expat saw its end."""
        opening = _TAG.match(self._body, start)
        assert opening
        alone = opening[0].endswith(b"/>")
        end = opening.end() if alone else self._body.index(b">", end_tag) + 1
        return self._body[start:end].decode()

    def _refuse_order(self, parent: _Frame, field: Field) -> NoReturn:
        last = parent.last
        if field.rank == last.rank:
            said = f"{field.name} appears twice" if field is last else f"{last.name} excludes it"
        else:
            said = (
                f"{field.name} comes before {last.name} in FHIR's XML, and all of one name together"
            )
        self._refuse(said, field)

    def _refuse_unknown(self, shape: Shape, tag: str) -> NoReturn:
        namespace, _, name = tag.rpartition(" ")
        where = "" if namespace == FHIR else f' in the namespace "{namespace}"'
        raise BadSyntax(
            f"{name}{where} is not an element of {shape.path}",
            expression=f"{self._place(None)}.{name}",
        )

    def _refuse(self, message: str, field: Field | None = None) -> NoReturn:
        raise BadSyntax(message, expression=self._place(field))

    def _place(self, field: Field | None) -> str:
        """Return where the reader is, or the named child of it, as a FHIRPath expression."""
        steps = [str(self._document.get(_ROOT.name, {}).get("resourceType", "$this"))]
        fields = [frame.field for frame in self._frames[1:]] + ([field] if field else [])
        node: Any = self._document.get(_ROOT.name, {})
        for each in fields:
            if each is _BEFORE:
                continue
            found = node.get(each.name) if isinstance(node, dict) else None
            if isinstance(found, list):
                steps.append(f"{each.name}[{len(found) - 1}]")
                node = found[-1]
            else:
                steps.append(each.name)
                node = found
        return ".".join(steps)


def _attach(node: Resource, field: Field, value: Any) -> None:
    """Add an element to its parent; None is a primitive without a value."""
    if field.repeats:
        _append(node, field, value)
    elif value is not None:
        node[field.name] = value


def _append(node: Resource, field: Field, value: Any) -> None:
    """Add an item; the two arrays of a primitive stay in step, and one without values is left out."""
    values, siblings = node.get(field.name), node.get(field.sibling)
    if values is None and value is not None:
        values = node[field.name] = [None] * len(siblings or ())
    if values is None and siblings is None:
        siblings = node[field.sibling] = []
    if values is not None:
        values.append(value)
    if siblings is not None:
        siblings.append(None)


def _beside(node: Resource, field: Field) -> Resource:
    """Return the object for what a primitive has besides its value, made when first asked for."""
    if not field.repeats:
        single: Resource = node.setdefault(field.sibling, {})
        return single
    siblings = node.setdefault(field.sibling, [])
    siblings.extend([None] * (len(node.get(field.name, ())) - len(siblings)))
    if siblings[-1] is None:
        siblings[-1] = {}
    last: Resource = siblings[-1]
    return last
