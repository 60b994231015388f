"""`fhir-server member`: what cannot be done is told in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import typed


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("suspend",), 2, "member suspend names a member"),
        (("suspend", "a"), 1, "There is no member 'a'"),
        (("remove", "a"), 1, "there is no member a"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(
    arguments: tuple[str, ...], status: int, told: str, tmp_path: Path
) -> None:
    done = typed("member", *arguments, "--store", f"sqlite:{tmp_path / 'hub.db'}")
    assert (done.returncode, done.stdout) == (status, "")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
