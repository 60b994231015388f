"""A large synthetic population for measurements."""

from fhir_server.demonstration.bulk.stream import population

__all__ = ["population"]
