"""Structural validation against the base definitions of R4."""

from fhir_server.conformance.validation.validator import Validator

__all__ = ["Validator"]
