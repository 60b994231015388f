"""FHIR's own vocabulary as pure values and functions: no I/O, no clock, no definitions."""
