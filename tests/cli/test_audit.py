"""`fhir-server audit`: verify the log, and export it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import apsw
import pytest

from fhir_server.audit.event import Agent, Event, encoded
from fhir_server.cli.frame import main
from fhir_server.offline.checking import Finding, scrubbing
from fhir_server.offline.opting_out import load_opt_outs
from tests.offline.test_loading import BED, load, settings_at
from tests.storage.conftest import open_sqlite
from tests.support.steps import all_steps

EVENT = Event(1_795_000_000_000_000, "read", agent=Agent("https://issuer.example", "dr-jones"))


def record(folder: Path, number: int = 1) -> None:
    async def run() -> None:
        async with open_sqlite(folder) as store:
            for _ in range(number):
                await store.audit_log.append(encoded(EVENT), durable=False)

    asyncio.run(run())


def audit(folder: Path, *arguments: str) -> None:
    main(["audit", *arguments, "--store", f"sqlite:{folder / 'store.db'}"])


def test_a_broken_log_is_an_error_that_names_the_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path)
    connection = apsw.Connection(str(tmp_path / "store.db"))
    connection.execute("UPDATE audit SET moment=0")
    connection.close()

    with pytest.raises(SystemExit) as ended:
        audit(tmp_path, "verify")

    assert ended.value.code == 1
    assert "the audit log is broken: entries 1 to 1" in capsys.readouterr().err
    found = [
        each for each in all_steps(scrubbing(settings_at(tmp_path))) if isinstance(each, Finding)
    ]
    assert [each.subject for each in found] == ["audit log"]


def test_a_store_that_is_not_there_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        audit(tmp_path, "verify")

    assert "does not exist" in capsys.readouterr().err


def test_a_digest_that_was_told_is_held_later_and_another_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path)
    audit(tmp_path, "verify")
    told, digest = capsys.readouterr().out.splitlines()
    record(tmp_path, 3)

    audit(tmp_path, "verify", "--digest", digest.removeprefix("digest "))
    with pytest.raises(SystemExit):
        audit(tmp_path, "verify", "--digest", "00" * 32)

    assert told == "1 events verified: no problem"
    shown = capsys.readouterr()
    assert shown.out.startswith("4 events verified: no problem\n")
    assert "does not hold the digest 0000" in shown.err


def test_the_events_after_a_number_are_exported_a_line_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path, 3)

    audit(tmp_path, "export", "--after", "1")

    lines = [json.loads(each) for each in capsys.readouterr().out.splitlines()]
    assert [each["number"] for each in lines] == [2, 3]
    assert lines[0]["kind"] == "read"
    assert lines[0]["agent"]["subject"] == "dr-jones"


def test_a_load_is_told_where_the_log_has_begun_and_nowhere_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load(tmp_path, BED)
    audit(tmp_path, "export")
    assert capsys.readouterr().out == ""

    record(tmp_path)
    load(tmp_path, BED | {"id": "other"})
    asyncio.run(load_opt_outs(settings_at(tmp_path), (), as_of=1))
    audit(tmp_path, "export", "--after", "1")

    lines = [json.loads(each) for each in capsys.readouterr().out.splitlines()]
    assert [each["note"] for each in lines] == [
        "1 files are being loaded",
        "1 resources were loaded",
        "a register of 0 opt-outs was loaded",
    ]
    assert {each["kind"] for each in lines} == {"load"}
