"""Tests of the rules on purposes of use."""

from __future__ import annotations

import pytest

from fhir_server.policy.purposes import read_purposes
from tests.policy.support import PURPOSES

SYSTEM = b'{"system":"s","children":{},"rules":'


def test_a_purpose_with_two_rules_is_refused() -> None:
    rule = b'{"id":"a","codes":["TREAT"],"use":"care","optOut":false,"says":""}'

    with pytest.raises(ValueError, match="TREAT has two rules"):
        read_purposes(SYSTEM + b"[" + rule + b"," + rule + b"]}")


def test_a_use_that_nobody_defined_is_refused() -> None:
    with pytest.raises(ValueError, match="use"):
        read_purposes(SYSTEM + b'[{"id":"a","codes":["X"],"use":"fun","optOut":false,"says":""}]}')


@pytest.mark.parametrize("code", ["", "treat", "NOSUCH", "HMARKT ", "TREAT,HRESCH"])
def test_an_unknown_purpose_has_no_rule(code: str) -> None:
    assert PURPOSES.rule(code) is None


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("HMARKT", "marketing"),
        ("COVAUTH", "insurance"),
        ("ELIGDTRM", "insurance"),
        ("CLMATTCH", "insurance"),
        ("REMITADV", "insurance"),
        ("HTEST", "system-work"),
        ("MLTRAINING", "system-work"),
        ("LABELING", "system-work"),
        ("TREAT", "direct-care"),
        ("COC", "direct-care"),
        ("ERTREAT", "direct-care"),
        ("BTG", "break-glass"),
        ("PATADMIN", "administration-of-care"),
        ("POPHLTH", "population-health"),
        ("CLINTRL", "clinical-trial"),
        ("HOPERAT", "planning"),
        ("PERFMSR", "planning"),
        ("HRESCH", "research"),
        ("CLINTRCHPC", "research"),
        ("THREAT", "public-health"),
        ("PMTDS", "payment"),
        ("FAMRQT", "own-request"),
    ],
)
def test_the_nearest_rule_above_a_purpose_holds(code: str, rule: str) -> None:
    found = PURPOSES.rule(code)

    assert found is not None
    assert found.id == rule


def test_every_code_of_the_hierarchy_has_a_rule() -> None:
    codes = {each for parent, below in PURPOSES.children.items() for each in (parent, *below)}

    assert [each for each in sorted(codes) if PURPOSES.rule(each) is None] == []
