"""JSON Patch on a resource: https://www.rfc-editor.org/rfc/rfc6902 and https://hl7.org/fhir/R4/http.html#patch.

The `jsonpatch` library applies each operation; from here are the messages, which name the operation and never
repeat what the resource holds, the bound on copies, and what FHIR adds: identity stays, nothing empty is left.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from jsonpatch import JsonPatch, JsonPatchException, JsonPatchTestFailed
from jsonpointer import JsonPointer, JsonPointerException

from fhir_server.fhir.errors import BadRequest, FhirError
from fhir_server.fhir.resource import Resource

MOST_COPIED = 100_000
"""Values that all `copy` operations together may make: each can double what the one before made."""

_MEMBERS: dict[str, tuple[str, ...]] = {
    "add": ("path", "value"),
    "remove": ("path",),
    "replace": ("path", "value"),
    "move": ("from", "path"),
    "copy": ("from", "path"),
    "test": ("path", "value"),
}


class PatchFailed(FhirError):
    """The patch is sound, and cannot be applied to this resource."""

    status = 422
    code = "processing"


def apply_json_patch(resource: Resource, patch: Any) -> Resource:
    """Return the patched resource, the given one unchanged.

    Raise BadRequest for a malformed patch, and PatchFailed where a `test` fails, a path does not exist,
    or the resource would become another one.
    """
    if not isinstance(patch, list):
        raise BadRequest("a JSON Patch is an array of operations")
    patched: Any = copied(resource)
    budget = MOST_COPIED
    # Objects and arrays that something was taken from; held, so that each keeps its identity.
    touched: list[Any] = []
    for index, operation in enumerate(patch):
        _check(index, operation)
        match operation["op"]:
            case "copy":
                budget -= _size(_at(operation["from"], patched))
                if budget < 0:
                    raise PatchFailed(f"{_named(index, operation)} copies too much")
            case "remove":
                touched.append(_around(operation["path"], patched))
            case "move":
                touched.append(_around(operation["from"], patched))
            case _:
                pass
        patched = _applied(index, operation, patched)
    refuse_another(resource, patched)
    kept: Resource = without_empty(patched, {id(each) for each in touched})
    return kept


def _check(index: int, operation: Any) -> None:
    if not isinstance(operation, dict):
        raise BadRequest(f"operation {index} of the patch is no object")
    name = operation.get("op")
    if not isinstance(name, str) or name not in _MEMBERS:
        raise BadRequest(f"operation {index} of the patch has an `op` that is none of {_listed()}")
    for member in _MEMBERS[name]:
        if member not in operation:
            raise BadRequest(f"operation {index} of the patch, {name}, has no `{member}`")
        if member != "value":
            _check_pointer(index, member, operation[member])


def _check_pointer(index: int, member: str, pointer: Any) -> None:
    try:
        JsonPointer(pointer)
    except (JsonPointerException, TypeError) as error:
        raise BadRequest(
            f"`{member}` of operation {index} of the patch is no JSON Pointer: "
            "it begins with a slash, as in /name/0/family"
        ) from error


def _listed() -> str:
    return ", ".join(_MEMBERS)


def _applied(index: int, operation: dict[str, Any], document: Any) -> Any:
    own = {**operation, "value": copied(operation["value"])} if "value" in operation else operation
    try:
        return JsonPatch([own]).apply(document, in_place=True)
    except JsonPatchTestFailed as error:
        raise PatchFailed(f"{_named(index, operation)} does not hold") from error
    except (JsonPatchException, JsonPointerException, TypeError, ValueError) as error:
        raise PatchFailed(f"{_named(index, operation)} has no place in the resource") from error


def _named(index: int, operation: dict[str, Any]) -> str:
    return f"operation {index} of the patch, {operation['op']} {operation['path'][:200]!r},"


def _at(pointer: str, document: Any) -> Any:
    return JsonPointer(pointer).resolve(document, None)


def _around(pointer: str, document: Any) -> Any:
    """Return what holds the value of a pointer; None where there is none, which the operation will tell."""
    return _at(pointer.rpartition("/")[0], document) if pointer else None


def _size(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(_size, value.values()))
    return 1 + sum(map(_size, value)) if isinstance(value, list) else 1


def copied(value: Any) -> Any:
    """Return a JSON value of which nothing is shared with the given one."""
    if isinstance(value, dict):
        return {key: copied(each) for key, each in value.items()}
    return [copied(each) for each in value] if isinstance(value, list) else value


def refuse_another(before: Resource, after: Any) -> None:
    """Raise PatchFailed if a patch made another resource of it."""
    if not isinstance(after, dict):
        raise PatchFailed("the patch leaves no resource")
    for member in ("resourceType", "id"):
        if after.get(member) != before.get(member):
            raise PatchFailed(f"a patch cannot change the {member} of a resource")


def without_empty(value: Any, touched: Container[int] | None = None) -> Any:
    """Return a value without empty objects and arrays: FHIR has no form for them.

    With `touched`, only those of these identities, and what has become empty without them, are left out: one that
    the patch set empty is for the validator to refuse.
    """
    if isinstance(value, dict):
        members = ((key, _member(key, each, touched)) for key, each in value.items())
        kept: Any = {key: each for key, each in members if each is not _DROPPED}
    elif isinstance(value, list):
        kept = [
            each
            for each in (without_empty(each, touched) for each in value)
            if each is not _DROPPED
        ]
    else:
        return value
    emptied = touched is None or id(value) in touched or bool(value)
    return _DROPPED if emptied and not kept else kept


_DROPPED = object()


def _member(key: str, value: Any, touched: Container[int] | None) -> Any:
    if not (key.startswith("_") and isinstance(value, list)):
        return without_empty(value, touched)
    # The extensions of a list of primitives: each keeps its place.
    kept = [without_empty(each, touched) for each in value]
    if all(each is _DROPPED or each is None for each in kept):
        return _DROPPED
    return [None if each is _DROPPED else each for each in kept]
