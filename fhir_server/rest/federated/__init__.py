"""The hub's FHIR base: the API of one server, answered by all members."""
