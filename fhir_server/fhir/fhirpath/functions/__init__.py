"""The functions of FHIRPath and those that FHIR adds, by name."""

from __future__ import annotations

from collections.abc import Mapping

from fhir_server.fhir.fhirpath.functions import (
    boundaries,
    collections,
    conversion,
    existence,
    fhir,
    filtering,
    mathematics,
    strings,
)
from fhir_server.fhir.fhirpath.scope import Function

FUNCTIONS: Mapping[str, Function] = {
    **existence.FUNCTIONS,
    **filtering.FUNCTIONS,
    **collections.FUNCTIONS,
    **conversion.FUNCTIONS,
    **strings.FUNCTIONS,
    **mathematics.FUNCTIONS,
    **boundaries.FUNCTIONS,
    **fhir.FUNCTIONS,
}
