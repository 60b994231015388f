"""People of the synthetic platform who sign in; their passwords are made when it is served."""

from __future__ import annotations

from fhir_server.auth.server.users import User
from fhir_server.demonstration.identifiers import trust_code
from fhir_server.demonstration.trust import patient_id


def accounts() -> tuple[User, ...]:
    """Return a consultant and a receptionist of the first trust, and a patient; each signs in by its subject."""
    trust, patient = trust_code(1), patient_id(1)
    return (
        User("doctor", "The consultant", "Practitioner/practitioner-1", "R8000", trust, ("TREAT",)),
        User("desk", "The receptionist", None, "R8009", trust, ("PATADMIN",)),
        User("patient", "The patient", f"Patient/{patient}", patients=(patient,)),
    )
