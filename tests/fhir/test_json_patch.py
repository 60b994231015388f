"""JSON Patch on a resource."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.fhir.errors import BadRequest, FhirError
from fhir_server.fhir.json_patch import PatchFailed, apply_json_patch
from fhir_server.fhir.resource import Resource
from tests.support.data import shared_data

PATIENT: Resource = {
    "resourceType": "Patient",
    "id": "ada",
    "active": True,
    "name": [{"family": "Lovelace", "given": ["Ada", "Augusta"], "_given": [None, {"id": "x"}]}],
    "extension": [{"url": "http://x.test", "valueDecimal": Decimal("1.00")}],
}


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ({"op": "add"}, "an array of operations"),
        ("[]", "an array of operations"),
        ([[]], "operation 0 of the patch is no object"),
        ([{"path": "/active"}], "operation 0 of the patch has an `op` that is none of add"),
        ([{"op": ["add"], "path": "/active"}], "an `op` that is none of"),
        ([{"op": "test", "path": "/active", "value": True}, {"op": "swap"}], "operation 1"),
        ([{"op": "add", "path": "/active"}], "operation 0 of the patch, add, has no `value`"),
        ([{"op": "move", "path": "/active"}], "has no `from`"),
        (
            [{"op": "remove", "path": "active"}],
            "`path` of operation 0 of the patch is no JSON Pointer",
        ),
        ([{"op": "remove", "path": 5}], "no JSON Pointer"),
        ([{"op": "remove", "path": "/a~2"}], "no JSON Pointer"),
    ],
)
def test_a_malformed_patch_is_refused_naming_the_operation(patch: Any, said: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        apply_json_patch(PATIENT, patch)

    assert said in str(refusal.value)


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/active", "value": False},
        {"op": "test", "path": "/active", "value": 1},
        {"op": "test", "path": "/birthDate", "value": None},
        {"op": "remove", "path": "/birthDate"},
        {"op": "replace", "path": "/birthDate", "value": "2020"},
        {"op": "add", "path": "/contact/0/gender", "value": "male"},
        {"op": "add", "path": "/name/7", "value": {}},
        {"op": "add", "path": "/name/01", "value": {}},
        {"op": "remove", "path": "/name/-"},
        {"op": "remove", "path": ""},
        {"op": "move", "from": "/name", "path": "/name/0/given"},
        {"op": "replace", "path": "/active/x", "value": 1},
        {"op": "replace", "path": "/id", "value": "eve"},
        {"op": "remove", "path": "/id"},
        {"op": "replace", "path": "/resourceType", "value": "Person"},
        {"op": "replace", "path": "", "value": 5},
        {"op": "replace", "path": "", "value": {"resourceType": "Patient", "id": "eve"}},
    ],
)
def test_a_patch_that_does_not_fit_the_resource_fails(operation: dict[str, Any]) -> None:
    with pytest.raises(PatchFailed) as failure:
        apply_json_patch(PATIENT, [operation])

    assert failure.value.status == 422
    assert "Lovelace" not in str(failure.value)


def test_copies_that_double_each_time_are_refused() -> None:
    doubling = [{"op": "copy", "from": "/name", "path": "/name/-"}] * 40

    with pytest.raises(PatchFailed, match="copies too much"):
        apply_json_patch(PATIENT, doubling)


def test_decimals_keep_their_digits() -> None:
    patched = apply_json_patch(
        PATIENT,
        [
            {"op": "test", "path": "/extension/0/valueDecimal", "value": Decimal(1)},
            {"op": "copy", "from": "/extension/0", "path": "/extension/-"},
        ],
    )

    assert [str(each["valueDecimal"]) for each in patched["extension"]] == ["1.00", "1.00"]


def test_what_the_patch_emptied_is_left_out_and_what_it_set_empty_is_kept() -> None:
    emptied = apply_json_patch(PATIENT, [{"op": "remove", "path": "/name/0/_given/1/id"}])
    gone = apply_json_patch(PATIENT, [{"op": "remove", "path": "/extension/0"}])
    moved = apply_json_patch(
        {"resourceType": "Patient", "maritalStatus": {"text": "married"}},
        [{"op": "move", "from": "/maritalStatus/text", "path": "/language"}],
    )
    kept = apply_json_patch(PATIENT, [{"op": "add", "path": "/maritalStatus", "value": {}}])

    assert emptied["name"] == [{"family": "Lovelace", "given": ["Ada", "Augusta"]}]
    assert "extension" not in gone
    assert moved == {"resourceType": "Patient", "language": "married"}
    assert kept["maritalStatus"] == {}


def test_a_value_can_be_added_after_the_last_one_was_removed() -> None:
    patched = apply_json_patch(
        PATIENT,
        [
            {"op": "remove", "path": "/name/0"},
            {"op": "add", "path": "/name/-", "value": {"text": "Ada"}},
        ],
    )

    assert patched["name"] == [{"text": "Ada"}]


def test_the_official_cases_pass() -> None:
    cases = json.loads((shared_data() / "patch" / "json-patch-tests.json").read_bytes())

    for case in cases:
        if "error" in case:
            with pytest.raises(FhirError):
                apply_json_patch(case["doc"], case["patch"])
        else:
            assert apply_json_patch(case["doc"], case["patch"]) == case["expected"], case["comment"]
    assert len(cases) == 16


POINTERS = st.sampled_from(
    [
        "",
        "/active",
        "/name",
        "/name/0",
        "/name/-",
        "/name/0/given/1",
        "/name/0/_given/1",
        "/id",
        "/x",
    ]
)
OPERATIONS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]), "path": POINTERS},
    optional={"from": POINTERS, "value": st.none() | st.booleans() | st.just([{}])},
)


@given(st.lists(OPERATIONS, max_size=5))
def test_the_given_resource_and_patch_never_change(patch: list[dict[str, Any]]) -> None:
    before, given_patch = copy.deepcopy(PATIENT), copy.deepcopy(patch)

    try:
        patched = apply_json_patch(PATIENT, patch)
    except FhirError:
        patched = before

    assert before == PATIENT
    assert given_patch == patch
    assert patched["id"] == "ada"
