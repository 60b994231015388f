"""Tests of `fhir_server.catalogue`."""
