"""No kill loses an acknowledged write; `scripts/crash --rounds 200` tries longer."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from random import Random

import pytest

from tests.e2e.crash.rounds import Crashes

MANY = 5 if os.environ.get("FHIR_TEST_LONG") else 1
SEED = 20_260_401


def test_a_store_that_lost_writes_is_noticed(tmp_path: Path) -> None:
    """An older copy of the store in its place: what the other tests would see."""
    folder, copy = tmp_path / "node", tmp_path / "copy"
    folder.mkdir()
    crashes = Crashes(folder / "node.db", 1, Random(SEED))
    rounds = crashes.rounds(2)
    next(rounds)
    shutil.copytree(folder, copy)

    next(rounds)
    shutil.rmtree(folder)
    shutil.copytree(copy, folder)
    last = next(rounds)

    assert any("acknowledged, read with 404" in each for each in last.problems)


@pytest.mark.parametrize(("workers", "rounds"), [(1, 16), (2, 5)])
def test_what_was_acknowledged_survives_every_kill(
    workers: int, rounds: int, tmp_path: Path
) -> None:
    crashes = Crashes(tmp_path / "node.db", workers, Random(SEED + workers))

    shown = list(crashes.rounds(rounds * MANY))

    print(f"seed {SEED + workers}")  # noqa: T201 - shown where it fails
    assert [each for each in shown if each.problems] == []
    # Kills that hit nothing would prove nothing.
    assert len(crashes.ledger.writes) > 20 * rounds
