"""Others' records: those of R4 are valid; some still have the form of STU3, and are refused for just that."""

from __future__ import annotations

import pytest

from fhir_server.fhir.json import parse
from tests.conformance.validation.judging import verdict
from tests.support.data import shared_data

STU3 = {
    # STU3 called it context; R4 calls it encounter.
    "DiagnosticReport": ["structure at DiagnosticReport"],
    # Likewise; and STU3 had other code systems for the two statuses.
    "Condition": [
        "code-invalid at Condition.clinicalStatus",
        "code-invalid at Condition.verificationStatus",
        "structure at Condition",
    ],
}


@pytest.mark.parametrize(
    "resource_type",
    [
        *("Condition", "DiagnosticReport", "Encounter", "Immunization", "Location", "Observation"),
        *("Organization", "Patient", "Practitioner"),
    ],
)
def test_records_are_valid_unless_they_have_the_form_of_stu3(resource_type: str) -> None:
    lines = (shared_data() / "records" / f"{resource_type}.ndjson").read_bytes().splitlines()

    verdicts = {tuple(verdict(parse(line))) for line in lines}

    assert verdicts == {tuple(STU3.get(resource_type, ()))}
