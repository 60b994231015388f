"""An open FHIR R4 server for a federated health platform."""

__version__ = "0.1.0"
