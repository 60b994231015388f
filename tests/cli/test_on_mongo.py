"""The commands on a store in a MongoDB."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient

from fhir_server.cli.frame import main
from tests.offline.records import a_consent
from tests.support import mongo

PATIENT = {"resourceType": "Patient", "id": "ada", "name": [{"family": "Lovelace"}]}

Command = Callable[..., list[str]]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Return the address of a MongoDB of this module."""
    process, address = mongo.started()
    yield address
    mongo.ended(process)


@pytest.fixture
def url(server: str, tmp_path: Path) -> str:
    """Return a database of its own."""
    return f"{server}/{tmp_path.name}"


@pytest.fixture
def run(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Command:
    """Return what runs a command on the database in a folder of its own, and returns the lines that it prints."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> list[str]:
        main([*arguments, "--store", url])
        return capsys.readouterr().out.splitlines()

    return run


def loaded(run: Command, folder: Path) -> None:
    source = folder / "in.ndjson"
    source.write_text("".join(json.dumps(each) + "\n" for each in (PATIENT, a_consent("ada"))))
    assert run("load", str(source), "--processes", "1")[0].startswith("2 written, 0 unchanged")


def test_what_is_not_sound_is_told_and_ends_with_a_code(
    run: Command, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded(run, tmp_path)
    with MongoClient[dict[str, object]](url) as client:
        client.get_default_database()["resource"].update_one(
            {"_id": "Patient/ada"}, {"$set": {"k": []}}
        )

    with pytest.raises(SystemExit) as ended:
        run("check")

    told = capsys.readouterr()
    assert ended.value.code == 1
    assert told.out == "Patient/ada: postings other than in the index record\n"
    assert told.err.endswith("1 problems in 2 resources\n")
    assert run("reindex") == ["2 resources indexed"]
    assert run("check") == ["2 resources checked, deletions included: no problem"]


def test_a_register_and_a_log_are_kept_and_told(run: Command, tmp_path: Path) -> None:
    loaded(run, tmp_path)
    register = tmp_path / "register.txt"
    register.write_text("9990000018\n")

    assert run("optout", "load", str(register), "--as-of", "2026-01-01")[0].startswith("1 NHS num")

    assert run("audit", "verify") == ["0 events verified: no problem"]
    assert run("check") == ["2 resources checked, deletions included: no problem"]


def test_it_is_emptied_and_filled_again(
    run: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded(run, tmp_path)
    with pytest.raises(SystemExit):
        run("reset")
    assert "add --yes to do it" in capsys.readouterr().err

    (told,) = run("reset", "--yes")

    assert told.startswith("2 resources deleted from mongodb://")
    loaded(run, tmp_path)
    assert run("check") == ["2 resources checked, deletions included: no problem"]
