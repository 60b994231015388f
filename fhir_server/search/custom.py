"""Search parameters besides R4's: from a SearchParameter resource to definitions, one for each base. Pure.

https://hl7.org/fhir/R4/searchparameter.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from fhir_server.conformance.definitions import Component, Definitions, SearchParameter
from fhir_server.fhir.errors import InvalidResource
from fhir_server.fhir.fhirpath import FhirPathError, compile_path
from fhir_server.fhir.outcome import Issue
from fhir_server.fhir.resource import Resource
from fhir_server.search.parameter_types import composite
from fhir_server.search.parameter_types.fitting import FITTING
from fhir_server.search.paths import alternatives
from fhir_server.search.yields import types_of

LONGEST_EXPRESSION = 2_000

COSTLY = re.compile(r"\b(?:matches|matchesFull|replaceMatches|repeat|descendants)\s*\(")
"""Functions that could take very long at each write, and that no parameter of R4 needs."""

_LEAST_COMPONENTS = 2
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9\-]{0,63}\Z")
_HEAD = re.compile(r"\(*\s*(\w+)(?:\.|\Z)")
_ABSTRACT = {"Resource": ("Resource",), "DomainResource": ("DomainResource", "Resource")}
_NO_DOMAIN_RESOURCES = frozenset(("Binary", "Bundle", "Parameters"))


def covered_types(base: str, definitions: Definitions) -> frozenset[str]:
    """Return the resource types that a base stands for; an abstract one for all that specialise it."""
    if base == "Resource":
        return definitions.resource_types
    if base == "DomainResource":
        return definitions.resource_types - _NO_DOMAIN_RESOURCES
    return frozenset((base,)) & definitions.resource_types


def reason_not_used(resource: Resource) -> str:
    """Return why a SearchParameter is kept and not searched by; nothing if it is to be used."""
    status = resource.get("status")
    if status != "active":
        return f"its status is {status}, and only an active one is used"
    if "expression" not in resource:
        return "it has no FHIRPath expression; an XPath is not evaluated"
    return ""


class _Written(msgspec.Struct):
    """What is used of a SearchParameter."""

    code: str
    type: str
    base: tuple[str, ...]
    expression: str
    url: str = ""
    target: tuple[str, ...] = ()
    component: tuple[Component, ...] = ()


def parameters_of(resource: Resource, definitions: Definitions) -> Mapping[str, SearchParameter]:
    """Return the parameter by base; raise InvalidResource with the place and reason of each problem."""
    try:
        written = msgspec.convert(resource, _Written)
    except msgspec.ValidationError as error:
        raise InvalidResource([_issue("", str(error))]) from error
    issues = [_issue(*each) for each in _problems(written, definitions.origin)]
    if issues:
        raise InvalidResource(issues)
    return {base: _narrowed(written, base) for base in written.base}


def check(resource: Resource, definitions: Definitions) -> None:
    """Raise InvalidResource for a SearchParameter that is to be used and cannot be."""
    if not reason_not_used(resource):
        parameters_of(resource, definitions)


def _issue(place: str, message: str) -> Issue:
    return Issue("error", "invalid", message, f"SearchParameter.{place}".rstrip("."))


def _problems(written: _Written, definitions: Definitions) -> Iterator[tuple[str, str]]:
    """Yield what is wrong, as place and message."""
    if not _CODE.match(written.code):
        told = "a code is up to 64 letters, digits and hyphens, a letter first"
        yield "code", f"{written.code!r}: {told}"
    if written.type not in FITTING and written.type != "composite":
        served = f"{', '.join(FITTING)} and composite are"
        yield "type", f"the type {written.type} is not served; {served}"
    elif len(written.expression) > LONGEST_EXPRESSION:
        yield "expression", f"an expression has up to {LONGEST_EXPRESSION} characters"
    else:
        for number, base in enumerate(written.base):
            yield from _problems_of_base(written, number, base, definitions)


def _problems_of_base(
    written: _Written, number: int, base: str, definitions: Definitions
) -> Iterator[tuple[str, str]]:
    if not covered_types(base, definitions):
        yield f"base[{number}]", f"there is no resource type {base!r}"
        return
    operands = _operands(written.expression, base)
    if not operands:
        told = f"no path of {written.expression[:100]!r} begins with {base}."
        yield "expression", f"{told}, as one for that base does"
    for operand in operands:
        if problem := _problem_of(operand, written.type, definitions):
            yield "expression", problem
            return
    if written.type == "composite":
        yield from _problems_of_components(written, base, definitions)


def _problem_of(path: str, kind: str, definitions: Definitions) -> str:
    """Return what is wrong with one path, nothing if it can be used."""
    if costly := COSTLY.search(path):
        return f"{costly[0]}…) may take too long; where, ofType and extension choose elements"
    try:
        compile_path(path, definitions)
        found = types_of(path, definitions)
    except FhirPathError as error:
        return f"{path[:100]!r}: {error}"
    fitting = FITTING.get(kind)
    if found is None or fitting is None or found & fitting:
        return ""
    named = ", ".join(sorted(found)[:5])
    return f"{path[:100]!r} yields {named}, which no parameter of type {kind} is made of"


def _problems_of_components(
    written: _Written, base: str, definitions: Definitions
) -> Iterator[tuple[str, str]]:
    if len(written.component) < _LEAST_COMPONENTS:
        yield "component", "a composite has two components at least"
        return
    known = _parameters_on(base, definitions)
    urls = {each.url for each in known.values()}
    for number, part in enumerate(written.component):
        place = f"component[{number}]"
        if part.definition not in urls:
            yield f"{place}.definition", f"{part.definition!r} is no parameter of R4 on {base}"
            return
        path = part.expression.removeprefix("%resource.")
        if problem := _problem_of(path, written.type, definitions):
            yield f"{place}.expression", problem
            return
    if not composite.components(_narrowed(written, base), known):
        yield "component", "these parts cannot be indexed together: codes first, one value last"


def _parameters_on(base: str, definitions: Definitions) -> Mapping[str, SearchParameter]:
    return definitions.search_parameters("Resource" if base in _ABSTRACT else base)


def _operands(expression: str, base: str) -> Sequence[str]:
    """Return the paths of an expression that begin with this base or what it specialises."""
    heads = _ABSTRACT.get(base, (base, "DomainResource", "Resource"))
    return [
        each
        for each in alternatives(expression)
        if (head := _HEAD.match(each)) is not None and head[1] in heads
    ]


def _narrowed(written: _Written, base: str) -> SearchParameter:
    return SearchParameter(
        code=written.code,
        type=written.type,
        url=written.url,
        expression=" | ".join(_operands(written.expression, base)),
        targets=written.target,
        components=written.component,
        added=True,
    )
