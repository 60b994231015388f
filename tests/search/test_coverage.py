"""Whatever the server says that it answers has cases in the truth table, for and against."""

from __future__ import annotations

import pytest

from fhir_server.search.parameter_types import modifiers
from tests.search.coverage import Feature, features, served, uncovered
from tests.search.truth import ROWS

PARAMETERS = [*served().values()]


def test_each_type_modifier_prefix_and_common_parameter_has_a_case_that_finds_and_one_that_does_not() -> (
    None
):
    assert uncovered(features(PARAMETERS), ROWS) == []


def test_a_modifier_without_cases_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modifiers, "MODIFIERS", {**modifiers.MODIFIERS, "date": ("newer",)})

    missing = uncovered(features(PARAMETERS), ROWS)

    assert missing == [Feature("_lastUpdated", "newer"), Feature("date", "newer")]


@pytest.mark.parametrize("answer", [True, False])
def test_a_feature_whose_cases_are_all_of_one_kind_is_named(*, answer: bool) -> None:
    kept = [row for row in ROWS if ":contains=" not in row.query or row.expected is answer]

    assert uncovered(features(PARAMETERS), kept) == [Feature("string", "contains")]
