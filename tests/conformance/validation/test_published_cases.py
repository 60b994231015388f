"""The published R4 cases of the HL7 validator: the same verdict, error or none, in whatever base structure decides.

`published_cases.json` names the cases that other rules decide, by reason; every other case is compared.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fhir_server.fhir.errors import FhirError
from fhir_server.fhir.json import parse
from fhir_server.fhir.resource import Resource
from fhir_server.fhir.xml import parse_xml
from tests.conformance.validation.judging import DEFINITIONS, VALIDATOR
from tests.support.data import shared_data

OTHERWISE_DECIDED: dict[str, list[str]] = json.loads(
    (Path(__file__).parent / "published_cases.json").read_bytes()
)


def _cases() -> dict[str, Resource]:
    manifest = json.loads((shared_data() / "validator" / "manifest.json").read_bytes())
    return {case["name"]: case for case in manifest["test-cases"]}


def _refused_by_hl7(case: Resource) -> bool:
    outcome: Any = case.get("java", {})
    if isinstance(outcome, str):
        path = shared_data() / "validator" / "outcomes" / outcome
        outcome = json.loads(path.read_bytes())
    issues = outcome.get("outcome", outcome).get("issue", ())
    return any(issue["severity"] in {"error", "fatal"} for issue in issues)


def _refused_here(case: Resource) -> bool:
    body = (shared_data() / "validator" / case["file"]).read_bytes()
    try:
        xml = case["file"].endswith(".xml")
        return bool(VALIDATOR.validate(parse_xml(body, DEFINITIONS) if xml else parse(body)))
    except FhirError:
        return True


@pytest.mark.parametrize("names", OTHERWISE_DECIDED.values(), ids=OTHERWISE_DECIDED)
def test_a_case_that_other_rules_decide_is_one_on_which_the_verdicts_differ(
    names: list[str],
) -> None:
    cases = _cases()

    agreed = [name for name in names if _refused_here(cases[name]) == _refused_by_hl7(cases[name])]

    assert agreed == []


def test_on_every_other_case_the_verdicts_agree() -> None:
    out = {name for names in OTHERWISE_DECIDED.values() for name in names}
    compared = {name: case for name, case in _cases().items() if name not in out}

    differing = [
        name for name, case in compared.items() if _refused_here(case) != _refused_by_hl7(case)
    ]

    assert differing == []
    assert len(compared) > 100
