"""Tests of the conformance package: definitions, validation, capability."""
