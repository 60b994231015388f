"""Files into a store by `fhir-server load`: all of them, once, whatever happens in between."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import pytest

from tests.e2e.fuzz.asking import bad_bundle, wrong_elements
from tests.e2e.fuzz.spoiling import spoiled_bytes
from tests.support.commands import typed
from tests.support.data import ROOT, package, shared_data
from tests.support.nodes import Node, command, environment, running_node
from tests.support.patience import PATIENCE

RECORDS = 6_202
OF_STU3 = 835
"""Conditions and diagnostic reports whose form is that of STU3."""
REFUSED = json.loads(
    (ROOT / "tests/conformance/validation/refused_examples.json").read_text(encoding="utf-8")
)
BEYOND = {
    # They POST to an operation, and to the address of another server.
    "Bundle-bundle-transaction.json",
    "Bundle-ussg-fht.json",
}
EVERY = 1 if os.environ.get("FHIR_TEST_LONG") else 13
"""Of so many official examples one is loaded."""


def load(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Load into the store of a folder."""
    return command(
        "load", *arguments, "--store", "sqlite:node.db", cwd=folder, timeout=2 * PATIENCE
    )


def told(ran: subprocess.CompletedProcess[str]) -> tuple[int, int, int]:
    """Return how many resources were written, unchanged and rejected, as the command tells."""
    figures = re.match(r"(\d+) written, (\d+) unchanged, (\d+) rejected", ran.stdout)
    assert figures, ran.stdout + ran.stderr
    written, unchanged, rejected = map(int, figures.groups())
    return written, unchanged, rejected


def read(text: str | bytes) -> Any:
    """Return JSON with the digits of its numbers, and without what a server writes into it."""
    resource = json.loads(text, parse_float=_digits, parse_int=_digits)
    meta = resource.get("meta", {})
    meta.pop("versionId", None)
    meta.pop("lastUpdated", None)
    if not meta:
        resource.pop("meta", None)
    return resource


def _digits(text: str) -> str:
    return str(Decimal(text))


def differences(node: Node, path: Path) -> list[str]:
    """Return what a node has otherwise than a file, or not at all."""
    sent = {each["id"]: each for each in map(read, path.read_bytes().splitlines())}
    found = {each["id"]: each for each in listed(node, path.stem)}
    extra = sorted(found.keys() - sent.keys())
    return extra + [each for each, resource in sent.items() if found.get(each) != resource]


def listed(node: Node, resource_type: str) -> Iterator[Any]:
    """Yield all resources of a type, page by page."""
    following: str | None = f"{node.url}/{resource_type}?_count=1000"
    with httpx2.Client() as client:
        while following:
            # Not parsed by itself: the digits of decimals would be lost.
            page = json.loads(client.get(following).content, parse_float=_digits, parse_int=_digits)
            yield from (read(json.dumps(each["resource"])) for each in page.get("entry", ()))
            links = {each["relation"]: each["url"] for each in page["link"]}
            following = links.get("next")


def test_what_is_invalid_is_rejected_and_explained(tmp_path: Path) -> None:
    ran = load(tmp_path, str(shared_data() / "records"))

    assert told(ran) == (RECORDS - OF_STU3, 0, OF_STU3)
    lines = (tmp_path / "load-errors.ndjson").read_text(encoding="utf-8").splitlines()
    sources = {Path(json.loads(line)["source"]).name for line in lines}
    assert sources == {"Condition.ndjson", "DiagnosticReport.ndjson"}
    assert {json.loads(line)["outcome"]["resourceType"] for line in lines} == {"OperationOutcome"}


def test_spoiled_files_end_in_rejections(tmp_path: Path) -> None:
    """No line, however odd, ends the load of the others."""
    random = Random("spoiled files")
    with (shared_data() / "records" / "Patient.ndjson").open("rb") as file:
        records = [line.strip() for line in file]
    resources = [json.loads(each) for each in records]
    lines = [spoiled_bytes(random, random.choice(records)) for _ in range(300)]
    lines += [wrong_elements(random, resources).body for _ in range(300)]
    lines += [bad_bundle(random, resources).body for _ in range(300)]
    (tmp_path / "spoiled.ndjson").write_bytes(
        b"\n".join(each.replace(b"\n", b" ").replace(b"\r", b" ") for each in lines)
    )

    ran = load(tmp_path, "spoiled.ndjson")
    with running_node(tmp_path / "node.db") as node:
        sent = load(tmp_path, "spoiled.ndjson", "--url", node.url)
        failures = node.failures()

    assert told(ran)[2] > 400
    assert told(sent)[2] > 400
    assert failures == []
    checked = typed("check", "--store", "sqlite:node.db", cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout


def test_all_records_are_kept_to_the_last_digit_and_once(tmp_path: Path) -> None:
    records = shared_data() / "records"
    first = load(tmp_path, str(records), "--keep-invalid")
    again = load(tmp_path, str(records), "--keep-invalid")

    with running_node(tmp_path / "node.db") as node:
        differing = {path.name: differences(node, path) for path in records.glob("*.ndjson")}
        over_http = load(tmp_path, str(records / "Patient.ndjson"), "--url", node.url)
        history = httpx2.get(f"{node.url}/Patient/_history?_count=1000").json()

    assert told(first) == (RECORDS, 0, 0)
    assert told(again) == (0, RECORDS, 0)
    assert set(map(tuple, differing.values())) == {()}
    assert len(differing) == 9
    assert over_http.returncode == 0, over_http.stderr
    assert {each["resource"]["meta"]["versionId"] for each in history["entry"]} == {"1"}


@pytest.mark.parametrize("files", [1, 5])
def test_a_load_that_is_killed_goes_on_when_it_is_started_again(files: int, tmp_path: Path) -> None:
    records = shared_data() / "records"
    arguments = ("load", str(records), "--keep-invalid", "--store", "sqlite:node.db")
    killed = subprocess.Popen(
        (sys.executable, "-m", "fhir_server", *arguments),
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    state = tmp_path / "node.db.load.json"
    while killed.poll() is None and _files_begun(state) < files:
        with contextlib.suppress(subprocess.TimeoutExpired):
            killed.wait(0.005)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()

    written, unchanged, rejected = told(load(tmp_path, str(records), "--keep-invalid"))
    with running_node(tmp_path / "node.db") as node:
        differing = [each for path in records.glob("*") for each in differences(node, path)]

    assert killed.returncode == -signal.SIGKILL
    assert 0 < written < RECORDS
    assert (rejected, unchanged < RECORDS) == (0, True)
    assert differing == []
    checked = typed("check", "--store", "sqlite:node.db", cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout


def test_the_official_examples_are_loaded_but_for_those_that_break_a_rule(tmp_path: Path) -> None:
    folder = tmp_path / "examples"
    names = extract_examples(folder)

    ran = load(tmp_path, "examples")

    errors = (tmp_path / "load-errors.ndjson").read_text(encoding="utf-8").splitlines()
    refused = {Path(json.loads(each)["source"]).name for each in errors}
    assert refused == names & (REFUSED.keys() | BEYOND)
    assert told(ran)[2] >= len(refused)
    checked = typed("check", "--store", "sqlite:node.db", cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout


def extract_examples(folder: Path) -> set[str]:
    """Extract examples, those that are refused among them; return their names."""
    folder.mkdir()
    with tarfile.open(package("hl7.fhir.r4.examples-4.0.1.tgz")) as archive:
        for number, member in enumerate(archive):
            name = member.name.rpartition("/")[2]
            is_example = name.endswith(".json") and name not in {"package.json", ".index.json"}
            if is_example and (number % EVERY == 0 or name in {*REFUSED, *BEYOND}):
                content = archive.extractfile(member)
                assert content is not None
                (folder / name).write_bytes(content.read())
    return {each.name for each in folder.iterdir()}


def _files_begun(state: Path) -> int:
    """Return how many files have been begun."""
    try:
        return len(json.loads(state.read_bytes()))
    except FileNotFoundError:
        return 0
