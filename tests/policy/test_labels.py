"""Labels that hide by themselves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.policy.labels import label, labels_of, read_labels
from fhir_server.search.record import IndexRecord, token_term
from tests.policy.support import LABELS

ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
CATEGORY = "https://example.org/fdp/CodeSystem/consent-category"


def a_label(**changes: Any) -> dict[str, Any]:
    return {"id": "a", "system": "s", "codes": ["x"], "inEmergency": True, "says": ""} | changes


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ([a_label(), a_label(codes=["y"])], "a is there twice"),
        ([a_label(), a_label(id="b")], "is there twice"),
        ([a_label(parameter="status")], "goes by no parameter"),
        ([a_label(lifted=True)], "unknown field"),
        ([{"id": "a"}], "missing required field"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(
    labels: list[dict[str, Any]], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        read_labels(json.dumps({"labels": labels}).encode())


@pytest.mark.parametrize(
    ("system", "code", "known"),
    [
        (CONFIDENTIALITY, "R", "restricted"),
        (CONFIDENTIALITY, "V", "very-restricted"),
        (ACT_CODE, "PSY", "mental-health"),
        (ACT_CODE, "SDV", "violence"),
        (ACT_CODE, "ETH", "substance-use"),
        (ACT_CODE, "HIV", "sexual-health"),
        ("", "R", "restricted"),
    ],
)
def test_a_code_is_known_by_its_system_or_without_one(system: str, code: str, known: str) -> None:
    assert [each.id for each in LABELS.on({label(system, code)})] == [known]


@pytest.mark.parametrize(("system", "code"), [(CONFIDENTIALITY, "N"), ("urn:other", "R"), ("", "")])
def test_other_labels_hide_nothing(system: str, code: str) -> None:
    assert list(LABELS.on({label(system, code)})) == []


def test_the_strictest_comes_first() -> None:
    borne = {label(ACT_CODE, "PSY"), label(CONFIDENTIALITY, "V"), label(CONFIDENTIALITY, "R")}

    assert [each.id for each in LABELS.on(borne)] == [
        "very-restricted",
        "restricted",
        "mental-health",
    ]


def test_a_national_opt_out_is_told_by_its_category() -> None:
    record = IndexRecord("c", (token_term("category", CATEGORY, "NDOP"),), (), (), 0, (), ())

    assert [each.id for each in LABELS.on(labels_of(record))] == ["opt-out"]


@given(st.sets(st.sampled_from(("_security=R", "_security=V\x1fx", "_security~x", "_securities=R", "_profile@x", "a=b", "category=NDOP\x1fx", "category=NDOPE\x1fx", "zone=1"))))  # fmt: skip
def test_the_labels_are_found_among_all_terms(terms: set[str]) -> None:
    record = IndexRecord("c", tuple(sorted(terms)), (), (), 0, (), ())
    expected = {each for each in terms if each.startswith(("_security=", "category=NDOP\x1f"))}

    assert set(labels_of(record)) == expected
