"""Tests of the whole house; the folders mirror fhir_server."""
