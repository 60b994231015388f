"""Tests of fhir_server.operations."""
