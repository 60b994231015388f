"""No kill loses an acknowledged write; `scripts/crash --rounds 200` tries longer."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

from tests.e2e.crash.rounds import Crashes

MANY = 5 if os.environ.get("FHIR_TEST_LONG") else 1
SEED = 20_260_401


@pytest.mark.parametrize(("workers", "rounds"), [(1, 17), (3, 4)])
def test_what_was_acknowledged_survives_every_kill(
    workers: int, rounds: int, tmp_path: Path
) -> None:
    crashes = Crashes(tmp_path / "node.db", workers, Random(SEED + workers))

    shown = list(crashes.rounds(rounds * MANY))

    assert [each for each in shown if each.problems] == []
    # Kills that hit nothing would prove nothing.
    assert len(crashes.ledger.writes) > 20 * rounds
