"""Tests of what is not FHIR: the start page, health and metrics."""
