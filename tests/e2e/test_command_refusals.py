"""What the commands say where they cannot do what was asked: one line that tells why, and an exit code."""

from __future__ import annotations

import gzip
import socket
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.support.commands import typed
from tests.support.nodes import command

SERVE = ("serve", "--port", "0", "--store")
PATIENT = b'{"resourceType":"Patient","id":"a"}\n'

NOBODY = "mongodb://user:secret@127.0.0.1:9/x?serverSelectionTimeoutMS=200"
"""Where no MongoDB is."""

CASES = [
    # What is loaded
    (("load", "missing.ndjson"), "missing.ndjson: no such file"),
    (("load", "empty"), "empty: the folder has no"),
    (("load", "notes.txt"), "notes.txt: not a"),
    (("load", "broken.ndjson.gz"), "broken.ndjson.gz: the gzip is broken"),
    (("load", "cut.ndjson.gz"), "cut.ndjson.gz: the gzip is broken"),
    (("load", "no.ndjson.gz"), "no.ndjson.gz: the gzip is broken"),
    (("load", "wrong.ndjson"), "1 rejected; load-errors.ndjson tells"),
    (
        ("load", "good.ndjson", "--url", "http://127.0.0.1:9/fhir"),
        "http://127.0.0.1:9/fhir does not",
    ),
    (("load", "good.ndjson", "--processes", "none"), "--processes"),
    # Where it is kept
    (("load", "good.ndjson", "--store", "sqlite:empty"), "empty"),
    (("load", "good.ndjson", "--store", "sqlite:notes.txt"), "notes.txt"),
    ((*SERVE, "sqlite:empty"), "empty is a folder"),
    ((*SERVE, "mongo://localhost"), "sqlite:PATH"),
    (("check", "--store", NOBODY), "MongoDB cannot be reached: 127.0.0.1:9: "),
    (("reset", "--store", NOBODY), "everything in mongodb://127.0.0.1:9/x; add --yes"),
    (("copy", "--from", NOBODY, "--to", "sqlite:x.db"), "MongoDB cannot be reached"),
    ((*SERVE, "sqlite:notes.txt/node.db"), "notes.txt"),
    (("check", "--store", "sqlite:missing.db"), "missing.db does not exist"),
    (("check", "--store", "sqlite:notes.txt"), "notes.txt"),
    (("reset", "--store", "sqlite:missing.db"), "add --yes"),
    (("copy", "--from", "sqlite:missing.db", "--to", "sqlite:x.db"), "missing.db does not exist"),
    (("copy", "--from", "sqlite:notes.txt", "--to", "sqlite:x.db"), "notes.txt"),
    (("copy", "--from", "sqlite:notes.txt"), "--to: store: a store is sqlite:PATH"),
    (("copy", "--from", "mongo://u:secret@h", "--to", "sqlite:x.db"), "--from: store: a store is"),
    # How it is served
    (("serve", "--port", "70000"), "port"),
    (("serve", "--port", "http"), "port"),
    (("serve", "--workers", "0"), "workers"),
    (("serve", "--auth", "none", "--host", "192.0.2.1"), "loopback"),
    (("serve", "--types", "Patient,Nonsense"), "Nonsense"),
    (("serve", "--base-url", "ftp://node"), "http"),
    (("serve", "--tls-cert", "missing.pem"), "tls_key"),
    (("serve", "--tls-cert", "notes.txt", "--tls-key", "notes.txt"), "TLS certificate"),
    (("serve", "--log-level", "chatty"), "log_level"),
    # What is no command
    ((), "COMMAND"),
    (("nonsense",), "nonsense"),
    (("serve", "--nonsense"), "--nonsense"),
    (("serve", "--stor", "sqlite:x.db"), "--stor"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with files of all sorts."""
    made = tmp_path_factory.mktemp("files")
    (made / "empty").mkdir()
    (made / "notes.txt").write_text("no database, no certificate, no resources\n" * 100)
    (made / "good.ndjson").write_bytes(PATIENT)
    (made / "wrong.ndjson").write_bytes(b'{"resourceType":"Patient","nonsense":1}\n')
    packed = gzip.compress(PATIENT * 5000)
    (made / "cut.ndjson.gz").write_bytes(packed[: len(packed) // 2])
    (made / "broken.ndjson.gz").write_bytes(packed[:40] + b"xxxx" + packed[44:])
    (made / "no.ndjson.gz").write_bytes(PATIENT)
    return made


@pytest.mark.parametrize(("arguments", "told"), CASES, ids=str)
def test_it_says_why_and_ends_with_a_code(
    arguments: tuple[str, ...], told: str, folder: Path
) -> None:
    check(typed(*arguments, cwd=folder), told)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "COMMAND"),
        (("load", "missing.ndjson"), "missing.ndjson: no such file"),
    ],
    ids=str,
)
def test_so_it_does_as_a_process_of_its_own(
    arguments: tuple[str, ...], told: str, folder: Path
) -> None:
    check(command(*arguments, cwd=folder), told)


def check(ran: CompletedProcess[str], told: str) -> None:
    """Check that a command says why in one line, and ends with a code."""
    # How a command is used may stand before it.
    others = ("usage: ", " ")
    (line,) = (each for each in ran.stderr.splitlines() if not each.startswith(others))
    assert line.startswith("fhir-server")
    assert told in line
    assert "secret" not in ran.stderr + ran.stdout
    assert ran.returncode in {1, 2}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_in_use_is_named(workers: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        store = f"sqlite:{tmp_path / 'node.db'}"
        ran = typed("serve", "--port", port, "--store", store, "--workers", workers)

    assert ran.returncode == 1
    (line,) = ran.stderr.splitlines()
    assert line.startswith(f"fhir-server: port {port} of 127.0.0.1 cannot be used")


@pytest.mark.parametrize("name", ["serve", "load", "check", "reset"])
def test_each_command_has_help(name: str) -> None:
    ran = typed(name, "--help")

    assert ran.returncode == 0
    assert "--store" in ran.stdout
