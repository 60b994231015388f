"""The invariants of R4, as HL7 wrote them, on HL7's own examples."""

from __future__ import annotations

import itertools
import json
import tarfile
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from fhir_server.conformance.definitions import Definitions
from fhir_server.fhir.fhirpath import FhirPathError, Node, compile_path, root
from fhir_server.fhir.resource import Resource
from tests.support.data import package

NEEDS_A_VALIDATOR = "htmlChecks()"


def definitions_of_types() -> Iterator[Resource]:
    """Yield the StructureDefinitions of all types, those of profiles left out."""
    for document in documents("hl7.fhir.r4.core.tgz", "StructureDefinition-"):
        if document.get("derivation") != "constraint":
            yield document


def documents(name: str, prefix: str = "") -> Iterator[Any]:
    """Yield the JSON documents of a package."""
    with tarfile.open(package(name)) as archive:
        for member in archive:
            file = member.name.rpartition("/")[2]
            if (
                file.startswith(prefix)
                and file.endswith(".json")
                and (body := archive.extractfile(member))
            ):
                yield json.loads(body.read(), parse_float=Decimal)


def test_the_invariants_of_r4_hold_on_the_examples_of_r4(definitions: Definitions) -> None:
    invariants: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for definition in definitions_of_types():
        for constraint in definition["snapshot"]["element"][0].get("constraint", ()):
            if constraint["severity"] == "error" and constraint.get("expression"):
                invariants[definition["type"]].add((constraint["key"], constraint["expression"]))
    evaluated, broken = 0, set()

    examples = documents("hl7.fhir.r4.examples-4.0.1.tgz")
    for resource in itertools.islice(examples, 0, 800, 4):
        for key, expression in invariants.get(resource.get("resourceType", ""), ()):
            evaluated += 1
            if compile_path(expression, definitions)(root(resource)) != [
                Node("System.Boolean", value=True)
            ]:
                broken.add((resource["resourceType"], resource["id"], key))

    assert evaluated > 500
    # HL7's own bundle has several entries of one fullUrl.
    assert broken == {("Bundle", "dataelements", "bdl-7")}


def test_every_invariant_of_r4_compiles_unless_it_needs_a_validator(
    definitions: Definitions,
) -> None:
    expressions = {
        constraint["expression"]
        for definition in definitions_of_types()
        for element in definition["snapshot"]["element"]
        for constraint in element.get("constraint", ())
        if constraint.get("expression")
    }
    refused = set()

    for expression in expressions:
        try:
            compile_path(expression, definitions)
        except FhirPathError:
            refused.add(expression)

    assert len(expressions) > 190
    assert refused == {NEEDS_A_VALIDATOR}
