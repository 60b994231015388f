"""The first thing that people run: three trusts and a hub, shown in words that are true, and all gone at Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2 as httpx

from tests.support.data import ROOT
from tests.support.nodes import command, environment
from tests.support.patience import DEADLINE, PATIENCE

READY = "Ctrl-C stops"


def group(leader: int) -> set[int]:
    """Return the processes of a process group that have not ended."""
    found = set()
    for each in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, members = each.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(members) == leader and state != "Z":
            found.add(int(each.parent.name))
    return found


def started(folder: Path) -> subprocess.Popen[str]:
    """Start the platform as the leader of a process group, its folders in one of the test's."""
    return subprocess.Popen(
        (sys.executable, "-m", "fhir_server", "demo", "--platform", "--port", "0"),
        cwd=ROOT,
        env=environment() | {"TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def screen(process: subprocess.Popen[str]) -> str:
    """Return what is shown until it is ready."""
    assert process.stdout is not None
    shown: list[str] = []
    for line in process.stdout:
        shown.append(line)
        if READY in line:
            return "".join(shown)
    assert process.stderr is not None
    raise AssertionError(f"it did not start: {process.stderr.read()}")


def test_the_platform_cannot_be_shown_with_tokens() -> None:
    refused = command("demo", "--platform", "--auth", "smart")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "--auth none" in refused.stderr


def test_the_platform_takes_no_store_that_it_would_not_use() -> None:
    refused = command("demo", "--platform", "--store", "mongodb://127.0.0.1:1/demo")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "--trust 2 --store mongodb://" in refused.stderr


def test_three_trusts_answer_as_one_and_all_of_it_ends_at_a_signal(tmp_path: Path) -> None:
    process = started(tmp_path)
    try:
        told = screen(process)
        assert "MongoDB's protocol" in told
        urls = re.findall(r"'(http://[^']+/federated/[^']+)'", told)
        page = httpx.get(urls[0], headers=DEADLINE).json()
        check_beds(told, page)
        check_booking(told)
        assert len(group(process.pid)) >= 5
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        assert group(process.pid) == set()
        assert list(tmp_path.iterdir()) == []
    finally:
        if group(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def check_beds(told: str, page: dict[str, Any]) -> None:
    """What the screen says of beds is what the hub answers."""
    found = [each for each in page["entry"] if each["search"]["mode"] == "match"]
    assert f"{len(found)} free beds: Northmoor" in told
    assert {each["extension"][0]["valueString"] for each in found} == {
        "northmoor",
        "eastvale",
        "southmere",
    }
    assert "missing: " in told
    assert "Southmere (timeout)" in told


def check_booking(told: str) -> None:
    """The line that books a session books it, once."""
    (tag, change, url) = re.findall(r"'If-Match: ([^']+)' -d '([^']+)' '([^']+)'", told)[0]
    headers = {"if-match": tag, "content-type": "application/json-patch+json", **DEADLINE}
    answers = [httpx.patch(url, content=change, headers=headers) for _ in range(2)]
    assert [each.status_code for each in answers] == [200, 412]
    assert answers[0].json()["status"] == "busy"
