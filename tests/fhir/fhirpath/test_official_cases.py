"""HL7's cases for FHIRPath on R4: https://github.com/FHIR/fhir-test-cases.

Those that do not pass are listed with the reason, and the list is checked in both directions.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

from fhir_server.conformance.definitions import Definitions
from fhir_server.fhir.fhirpath import Environment, FhirPathError, Node, compile_path, root
from fhir_server.fhir.fhirpath.functions.conversion import as_text
from fhir_server.fhir.fhirpath.system import value_of
from fhir_server.fhir.json import parse_resource
from fhir_server.fhir.resource import Resource
from fhir_server.fhir.xml import parse_xml
from tests.fhir.fhirpath.official import OfficialCase, in_order, official_cases
from tests.support.data import shared_data

EXCEPTIONS = Path(__file__).parent / "official_exceptions.toml"
MOMENT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
NO_INPUT: Resource = {"resourceType": "Basic"}


def test_each_official_case_passes_or_is_listed_with_the_reason(definitions: Definitions) -> None:
    folder = shared_data() / "fhirpath"
    cases = official_cases(folder / "tests-fhir-r4.xml")

    @lru_cache
    def resource(name: str) -> Resource:
        body = (folder / "input" / name).read_bytes()
        return (
            parse_resource(body)
            if name.endswith("json")
            else parse_xml(in_order(body), definitions)
        )

    failed = {case.id for case in cases if not passes(case, resource, definitions)}

    assert len(cases) > 900
    assert failed == set(tomllib.loads(EXCEPTIONS.read_text())["exceptions"])


def passes(
    case: OfficialCase, resource: Callable[[str], Resource], definitions: Definitions
) -> bool:
    """Tell whether a case gives what it should, or the error that it should."""
    subject = resource(case.input) if case.input else NO_INPUT
    environment = Environment(strict=case.strict or bool(case.invalid), now=lambda: MOMENT)
    try:
        found = compile_path(case.expression, definitions, environment=environment)(root(subject))
    except FhirPathError:
        return bool(case.invalid)
    if case.invalid:
        return False
    if case.predicate:
        return case.outputs == (("boolean", "true" if found else "false"),)
    return as_written([described(each) for each in found], case)


def as_written(found: list[tuple[str, str]], case: OfficialCase) -> bool:
    """Tell whether types and texts are those of the case; one that gives no type leaves it open."""
    expected = [(kind, text.removeprefix("@").removeprefix("T")) for kind, text in case.outputs]
    if not case.ordered:
        found, expected = sorted(found), sorted(expected, key=str)
    return len(found) == len(expected) and all(
        wanted in {None, kind} and text == wanted_text
        for (kind, text), (wanted, wanted_text) in zip(found, expected, strict=True)
    )


def described(node: Node) -> tuple[str, str]:
    """Return the type and the text of a node as the cases write them."""
    name = node.type.removeprefix("System.")
    value = value_of(node)
    if isinstance(value, Decimal):
        return name.lower(), f"{value:f}"
    kind = name if name == "Quantity" else name[0].lower() + name[1:]
    return kind, as_text(value) or ""
