"""Parts of resources, for `_summary` and `_elements`: https://hl7.org/fhir/R4/search.html#summary.

The one place on the way out where a stored body is parsed for what it says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, TypeAlias

from fhir_server.fhir.errors import BadRequest
from fhir_server.fhir.json import dump, parse
from fhir_server.fhir.resource import Resource, Stored
from fhir_server.fhir.structure import Element, TypeSource

Named: TypeAlias = Mapping[str, Element]
"""Elements by the names that they have in an instance."""

SUBSETTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
}
_SUMMARIES = ("true", "text", "data")
_HEAD = ("resourceType", "id", "meta")
# A modifier extension may turn around the meaning of what is left in.
_ALWAYS = frozenset({*_HEAD, "modifierExtension"})


@dataclass(frozen=True, slots=True)
class Projection:
    """What to leave in: a summary (`true`, `text`, `data`), or these elements at the top."""

    summary: str = ""
    elements: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Projector:
    """Cuts resources down; remembers per type what is left in."""

    types: TypeSource
    _summaries: dict[tuple[str, str], Named] = field(default_factory=dict, repr=False)

    def projection(
        self, resource_type: str | None, summary: str | None, elements: Sequence[str]
    ) -> Projection | None:
        """Return what is asked for, None for whole resources; raise BadRequest."""
        if elements:
            if resource_type is not None:
                self._check_elements(resource_type, elements)
            return Projection(elements=tuple(map(_bare, elements)))
        return Projection(summary) if summary in _SUMMARIES else None

    def projection_in(
        self, resource_type: str | None, pairs: Iterable[tuple[str, str]]
    ) -> Projection | None:
        """Return what `_summary` and `_elements` of a URL ask for; raise BadRequest."""
        asked = dict(pairs)
        summary = asked.get("_summary", "false")
        if summary not in (*_SUMMARIES, "false"):
            raise BadRequest(f"_summary is true, text, data or false here, not {summary[:50]!r}.")
        elements = [each.strip() for each in asked.get("_elements", "").split(",")]
        return self.projection(resource_type, summary, [each for each in elements if each])

    def project(self, body: bytes, projection: Projection, *, included: bool = False) -> bytes:
        """Return a stored resource cut down, and marked so; `_elements` concerns matches alone."""
        if included and projection.elements:
            return body
        resource: Resource = parse(body)
        return dump(_marked(self._kept(resource, projection)))

    def _kept(self, resource: Resource, projection: Projection) -> Resource:
        kind = resource["resourceType"]
        if projection.summary == "true":
            return self._summary(resource, kind, kind)
        if projection.summary == "data":
            return {name: value for name, value in resource.items() if name != "text"}
        named = projection.elements or ("text",)
        return _only(
            resource,
            self._named(kind, kind, lambda each: each.min > 0 or _bare(each.name) in named),
        )

    def _summary(self, value: Resource, owner: str, path: str) -> Resource:
        """Return the members that are part of a summary, each cut down likewise."""
        wanted = self._summaries.get((owner, path))
        if wanted is None:
            wanted = self._named(owner, path, lambda each: each.summary or each.min > 0)
            self._summaries[owner, path] = wanted
        return {
            name: member if name in _ALWAYS else self._part(member, name, wanted[name], owner, path)
            for name, member in _only(value, wanted).items()
        }

    def _part(self, member: Any, name: str, element: Element, owner: str, path: str) -> Any:
        if isinstance(member, list):
            return [self._part(each, name, element, owner, path) for each in member]
        if not isinstance(member, dict) or name.startswith("_") or "resourceType" in member:
            return member
        child = element.same or f"{path}.{element.name}"
        if child in self.types.type(owner).elements:
            return self._summary(member, owner, child)
        code = _type_of(name, element)
        # The two profiles of Quantity keep its path.
        (root,) = (each for each in self.types.type(code).elements if "." not in each)
        return self._summary(member, code, root)

    def _named(self, owner: str, path: str, wanted: Callable[[Element], bool]) -> Named:
        children = self.types.type(owner).elements[path]
        return {name: each for each in children if wanted(each) for name in _instance_names(each)}

    def _check_elements(self, resource_type: str, elements: Iterable[str]) -> None:
        known = {
            _bare(each.name) for each in self.types.type(resource_type).elements[resource_type]
        }
        for name in elements:
            if _bare(name) not in known:
                near = get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]}?" if near else "only the top level can be named."
                raise BadRequest(f"_elements: {resource_type} has no {name[:60]!r}; {hint}")


def read_body(projector: Projector, stored: Stored, pairs: Sequence[tuple[str, str]]) -> bytes:
    """Return the body of a read with the parameters of its URL applied; raise BadRequest."""
    unknown = sorted({name for name, _ in pairs} - {"_summary", "_elements"})
    if unknown:
        raise BadRequest(
            "A read takes _summary, _elements, _format and _pretty, "
            f"and not {', '.join(unknown)[:200]}."
        )
    projection = projector.projection_in(stored.key.type, pairs)
    body = stored.body or b""
    return body if projection is None else projector.project(body, projection)


def _only(resource: Resource, wanted: Named) -> Resource:
    return {name: value for name, value in resource.items() if name in _ALWAYS or name in wanted}


def _instance_names(element: Element) -> Iterable[str]:
    stem = _bare(element.name)
    names = [stem]
    if element.is_choice:
        names = [stem + each.code[0].upper() + each.code[1:] for each in element.types]
    return (*names, *("_" + each for each in names))


def _type_of(name: str, element: Element) -> str:
    if not element.is_choice:
        return element.types[0].code
    suffix = name.removeprefix(_bare(element.name)).lower()
    return next(each.code for each in element.types if each.code.lower() == suffix)


def _bare(name: str) -> str:
    return name.removesuffix("[x]")


def _marked(resource: Resource) -> Resource:
    """Return the resource with the tag that says that it is no whole one."""
    meta = dict(resource.get("meta", {}))
    tags = [each for each in meta.get("tag", ()) if each.get("code") != SUBSETTED["code"]]
    meta["tag"] = [*tags, SUBSETTED]
    rest = {name: value for name, value in resource.items() if name not in _HEAD}
    head: Resource = {name: resource[name] for name in ("resourceType", "id") if name in resource}
    return {**head, "meta": meta, **rest}
