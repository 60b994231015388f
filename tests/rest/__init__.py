"""Tests of the FHIR API over HTTP."""
