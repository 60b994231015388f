"""What the tests of FHIRPath share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fhir_server.conformance.definitions import Definitions, definitions_in
from fhir_server.fhir.fhirpath import Environment, Node, compile_path, root
from fhir_server.fhir.resource import Resource
from tests.support.data import ROOT

Evaluator = Callable[..., list[Node]]
"""`evaluate(expression, resource)`; without a resource on an empty one."""


@pytest.fixture(scope="session")
def definitions() -> Definitions:
    """Return the definitions of R4."""
    return definitions_in(ROOT / "profiles" / "r4")


@pytest.fixture(scope="session")
def evaluate(definitions: Definitions) -> Evaluator:
    """Return a function that compiles an expression and evaluates it on a resource."""

    def run(
        expression: str, resource: Resource | None = None, environment: Environment | None = None
    ) -> list[Node]:
        compiled = compile_path(expression, definitions, environment=environment or Environment())
        return compiled(root(resource or {"resourceType": "Basic"}))

    return run
