"""FHIRPath compiled to closures: https://hl7.org/fhirpath/N1/ and https://hl7.org/fhir/R4/fhirpath.html."""

from fhir_server.fhir.fhirpath.compiler import compile_path, compile_path_within
from fhir_server.fhir.fhirpath.errors import FhirPathError
from fhir_server.fhir.fhirpath.node import Evaluate, EvaluateWithin, Node, Nodes, root
from fhir_server.fhir.fhirpath.scope import Environment, Resolver

__all__ = [
    "Environment",
    "Evaluate",
    "EvaluateWithin",
    "FhirPathError",
    "Node",
    "Nodes",
    "Resolver",
    "compile_path",
    "compile_path_within",
    "root",
]
