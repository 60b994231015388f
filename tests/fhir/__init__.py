"""Tests of the vocabulary of FHIR."""
