"""FHIRPath Patch on a resource: https://hl7.org/fhir/R4/fhirpatch.html.

Each operation is applied to what those before it made. A path has to choose exactly one element, for `insert`
and `move` one whole list; only a `delete` may find nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, TypeAlias, assert_never

from fhir_server.fhir.errors import BadRequest
from fhir_server.fhir.fhirpath.compiler import schema_of
from fhir_server.fhir.fhirpath.errors import FhirPathError
from fhir_server.fhir.fhirpath.location import Place, compile_location
from fhir_server.fhir.fhirpath.node import root
from fhir_server.fhir.fhirpath.patch_operation import (
    Add,
    Delete,
    Given,
    Insert,
    Move,
    Operation,
    Parts,
    Replace,
    Typed,
    Whole,
    read_operations,
)
from fhir_server.fhir.fhirpath.schema import Schema
from fhir_server.fhir.json_patch import PatchFailed, copied, refuse_another, without_empty
from fhir_server.fhir.resource import Resource
from fhir_server.fhir.structure import Element, TypeSource

_Pair: TypeAlias = tuple[Any, dict[str, Any] | None]
"""A value, and what is beside it under `_` and its key."""


def apply_fhirpath_patch(resource: Resource, parameters: Resource, types: TypeSource) -> Resource:
    """Return the patched resource, the given one unchanged.

    Raise BadRequest for a malformed patch, and PatchFailed where a path does not choose one element of this
    resource, or the resource would become another one.
    """
    patched = copied(resource)
    patching = _Patching(schema_of(types), types, patched)
    for index, operation in enumerate(read_operations(parameters)):
        try:
            patching.apply(operation)
        except FhirPathError as error:
            raise BadRequest(
                f"operation {index}, path {operation.path[:200]!r}: {error}"
            ) from error
        except PatchFailed as error:
            raise PatchFailed(
                f"operation {index}, path {operation.path[:200]!r}: {error}"
            ) from error
    refuse_another(resource, patched)
    kept: Resource = without_empty(patched)
    return kept


@dataclass(frozen=True, slots=True)
class _Patching:
    """A resource that is being patched, in place."""

    schema: Schema
    types: TypeSource
    resource: Resource

    def apply(self, operation: Operation) -> None:
        match operation:
            case Add(path, name, value):
                self._add(self._one(path), name, value)
            case Insert(path, index, value):
                self._insert(self._list(path), index, value)
            case Delete(path):
                self._delete(path)
            case Replace(path, value):
                self._replace(self._one(path), value)
            case Move(path, source, destination):
                _move(self._list(path), source, destination)
            case _:
                assert_never(operation)

    def _places(self, path: str) -> list[Place]:
        return compile_location(path, self.types)(root(self.resource))

    def _one(self, path: str) -> Place:
        found = self._places(path)
        if len(found) != 1:
            raise PatchFailed(f"{len(found)} elements match, and it has to be one")
        return found[0]

    def _list(self, path: str) -> Place:
        """Return the first place of a list that the path chooses whole."""
        found = self._places(path)
        if not found:
            raise PatchFailed("there is no such list: `add` makes one")
        first = found[0]
        if first.at is None or first.holder is None:
            raise PatchFailed("this element is no list")
        same = all(each.holder is first.holder and each.key == first.key for each in found)
        if not same or len(found) != len(_pairs(first.holder, first.key)):
            raise PatchFailed("the path has to choose one whole list")
        return first

    def _add(self, place: Place, name: str, value: Given) -> None:
        self._put(place.node.type, _inside(self.schema, place), name, value)

    def _put(self, code: str, holder: dict[str, Any], name: str, given: Given) -> None:
        """Set an element that is absent, or append to a list."""
        element = self._element(code, name)
        key, pair = self._made(code, element, given)
        if element.repeats:
            _write(holder, key, [*_pairs(holder, key), pair])
            return
        for taken, _ in self.schema.alternatives(code, element):
            if taken in holder or "_" + taken in holder:
                raise PatchFailed(f"{name} is there already: use `replace`")
        _set(holder, key, pair)

    def _insert(self, place: Place, index: int, value: Given) -> None:
        holder = _holder(place)
        _, pair = self._made(place.owner, self._element(place.owner, place.name), value)
        pairs = _pairs(holder, place.key)
        if index > len(pairs):
            raise PatchFailed(f"the index {index} is beyond the {len(pairs)} items of the list")
        pairs.insert(index, pair)
        _write(holder, place.key, pairs)

    def _delete(self, path: str) -> None:
        found = self._places(path)
        if len(found) > 1:
            raise PatchFailed(f"{len(found)} elements match, and only one can be deleted")
        for place in found:
            _remove(place)

    def _replace(self, place: Place, value: Given) -> None:
        holder = _holder(place)
        key, pair = self._made(place.owner, self._element(place.owner, place.name), value)
        if place.at is not None:
            pairs = _pairs(holder, place.key)
            pairs[place.at] = pair
            _write(holder, place.key, pairs)
            return
        if key != place.key:
            _remove(place)
        _set(holder, key, pair)

    def _element(self, code: str, name: str) -> Element:
        element = self.schema.elements(code).get(name)
        if element is None:
            raise PatchFailed(f"{code} has no element {name!r}")
        return element

    def _made(self, code: str, element: Element, given: Given) -> tuple[str, _Pair]:
        """Return the key and the value of an element as JSON has them."""
        key, target = self._alternative(code, element, given)
        match given:
            case Typed(kind, value, beside):
                if isinstance(value, dict) == self.schema.is_primitive(target):
                    raise PatchFailed(f"{code}.{element.name} is a {target}, not a {kind}")
                return key, (copied(value), copied(beside))
            case Whole(resource):
                return key, (copied(resource), None)
            case Parts(parts):
                holder: dict[str, Any] = {}
                for name, part in parts:
                    self._put(target, holder, name, part)
                return key, (holder, None)
            case _:
                assert_never(given)

    def _alternative(self, code: str, element: Element, given: Given) -> tuple[str, str]:
        alternatives = self.schema.alternatives(code, element)
        if not element.is_choice:
            return alternatives[0]
        kind = given.type if isinstance(given, Typed) else ""
        stem = element.name.removesuffix("[x]")
        for key, target in alternatives:
            if key == stem + kind:
                return key, target
        raise PatchFailed(f"{code}.{element.name} cannot be a {kind or 'value without a type'}")


def _inside(schema: Schema, place: Place) -> dict[str, Any]:
    """Return the JSON object that has the children of an element; make it for a primitive."""
    if not schema.is_primitive(place.node.type):
        inside = place.node.value
        assert isinstance(inside, dict)
        return inside
    beside = place.node.element if place.node.element is not None else {}
    holder = _holder(place)
    if place.at is None:
        holder["_" + place.key] = beside
    else:
        pairs = _pairs(holder, place.key)
        pairs[place.at] = (place.node.value, beside)
        _write(holder, place.key, pairs)
    return beside


def _holder(place: Place) -> dict[str, Any]:
    if place.holder is None:
        raise PatchFailed("the resource itself can only be added to")
    return place.holder


def _remove(place: Place) -> None:
    holder = _holder(place)
    if place.at is None:
        holder.pop(place.key, None)
        holder.pop("_" + place.key, None)
        return
    pairs = _pairs(holder, place.key)
    del pairs[place.at]
    _write(holder, place.key, pairs)


def _move(place: Place, source: int, destination: int) -> None:
    holder = _holder(place)
    pairs = _pairs(holder, place.key)
    if max(source, destination) >= len(pairs):
        raise PatchFailed(
            f"the list has {len(pairs)} items: no move from {source} to {destination}"
        )
    pairs.insert(destination, pairs.pop(source))
    _write(holder, place.key, pairs)


def _pairs(holder: dict[str, Any], key: str) -> list[_Pair]:
    return list(zip_longest(holder.get(key, ()), holder.get("_" + key, ())))


def _write(holder: dict[str, Any], key: str, pairs: list[_Pair]) -> None:
    """Set a list; of primitives the values and what is beside them."""
    for name, each in ((key, [v for v, _ in pairs]), ("_" + key, [b for _, b in pairs])):
        if any(item is not None for item in each):
            holder[name] = each
        else:
            holder.pop(name, None)


def _set(holder: dict[str, Any], key: str, pair: _Pair) -> None:
    for name, each in zip((key, "_" + key), pair, strict=True):
        if each is not None:
            holder[name] = each
        else:
            holder.pop(name, None)
