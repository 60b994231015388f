"""What this validator takes, fhir.resources (R4B, types that R4 has as well) takes too."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from fhir_server.conformance.definitions import definitions_in
from fhir_server.conformance.validation import Validator
from fhir_server.demonstration.generation import platform
from fhir_server.fhir.json import dump
from tests.support.data import ROOT

VALIDATOR = Validator(definitions_in(ROOT / "profiles" / "r4"))
RESOURCES = {
    f"{each['resourceType']}/{each['id']}": each
    for each in platform(seed=1, trusts=1, patients=12, today=date(2026, 11, 1))
}
SPOILT: list[tuple[str, Any]] = [
    ("birthDate", "2020-13-01"),
    ("birthDate", 7),
    # Not "yes": it takes that for true.
    ("active", "perhaps"),
    ("name", {"family": "no list"}),
    ("name", [{"family": ["a list"]}]),
    ("address", [{"period": {"start": "never"}}]),
    ("maritalStatus", "M"),
    ("nam", [{"family": "unknown element"}]),
    ("deceasedString", "no such choice"),
]


@pytest.mark.parametrize(("element", "value"), SPOILT, ids=[str(each) for each in SPOILT])
def test_both_refuse_what_is_spoilt(element: str, value: Any) -> None:
    patient = next(each for each in RESOURCES.values() if each["resourceType"] == "Patient")
    spoilt = patient | {element: value}

    assert VALIDATOR.validate(spoilt)
    with pytest.raises(ValidationError):
        get_fhir_model_class("Patient").model_validate_json(dump(spoilt))


def test_both_take_the_demonstrations_resources_of_each_type() -> None:
    first_of_type = {each["resourceType"]: each for each in RESOURCES.values()}

    for kind, resource in first_of_type.items():
        assert VALIDATOR.validate(resource) == ()
        model = get_fhir_model_class(kind)
        assert isinstance(model.model_validate_json(dump(resource)), model)
