"""A hub over real members, in processes of their own: what one asks, all answer; one that dies is told, and comes back."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest

from fhir_server.cli.frame import main
from tests.support.commands import typed
from tests.support.mongo import free_port
from tests.support.nodes import Node, running_node
from tests.support.patience import DEADLINE, MEMBER_SECONDS, PATIENCE

LOOPBACK = ("--member-networks", "127.0.0.0/8")
PATIENT = ("--seconds", f"{MEMBER_SECONDS:.0f}")
RETRY = "https://example.org/fdp/link/missing"


def patients(base: str, numbers: Sequence[int]) -> None:
    """Create patients whose birth dates are days apart."""
    with httpx.Client(base_url=base + "/") as client:
        for each in numbers:
            body = {"resourceType": "Patient", "id": f"p{each}", "birthDate": f"1980-01-{each:02}"}
            assert client.put(f"Patient/p{each}", json=body).status_code == 201


def add(hub: Node, name: str, base: str, *flags: str) -> subprocess.CompletedProcess[str]:
    store = ("--store", hub.store)
    return typed("member", "add", name, "--base", base, *flags, *store, *LOOPBACK, *PATIENT)


def numbers(bundle: dict[str, Any]) -> list[int]:
    """Return the numbers of the patients on a page, in its order."""
    entries = [each for each in bundle["entry"] if each["search"]["mode"] == "match"]
    return [int(each["resource"]["id"][1:]) for each in entries]


def link(bundle: dict[str, Any], relation: str) -> str | None:
    return next((each["url"] for each in bundle["link"] if each["relation"] == relation), None)


def statuses(bundle: dict[str, Any]) -> dict[str, str]:
    """Return what became of each member, by the outcome that is on every page."""
    (outcome,) = [each for each in bundle["entry"] if each["search"]["mode"] == "outcome"]
    found = {}
    for each in outcome["resource"]["extension"]:
        told = {part["url"]: part for part in each["extension"]}
        found[told["member"]["valueString"]] = told["status"]["valueCode"]
    return found


@contextmanager
def federation(folder: Path) -> Iterator[tuple[Node, list[Node]]]:
    """Yield a hub and three members with ten patients each."""
    with ExitStack() as stack:
        members = [
            # One comes back at the port that it had.
            stack.enter_context(running_node(folder / f"m{each}.db", "--port", str(free_port())))
            for each in range(3)
        ]
        hub = stack.enter_context(running_node(folder / "hub.db", "--auth", "none", *LOOPBACK))
        for number, member in enumerate(members):
            patients(member.url, range(number + 1, 31, 3))
            added = add(hub, f"trust-{number}", member.url, "--ods", f"RX{number}")
            assert added.returncode == 0, added.stderr
        yield hub, members


def test_three_members_answer_as_one_and_one_that_is_killed_is_told_and_comes_back(
    tmp_path: Path,
) -> None:
    with federation(tmp_path) as (hub, members), httpx.Client(headers=DEADLINE) as client:
        first = client.get(f"{hub.origin}/federated/Patient?_sort=birthdate&_count=8").json()
        assert numbers(first) == list(range(1, 9))
        assert set(statuses(first).values()) == {"ok"}

        port = members[1].port
        members[1].kill()
        pages, url = [first], link(first, "next")
        while url is not None:
            pages.append(client.get(url).json())
            url = link(pages[-1], "next")
        found = [each for page in pages for each in numbers(page)]
        assert found == [each for each in range(1, 31) if each < 9 or each % 3 != 2]
        for page in pages[1:]:
            assert statuses(page) == {"trust-0": "ok", "trust-1": "error", "trust-2": "ok"}

        again = link(pages[-1], RETRY)
        assert again is not None
        with running_node(members[1].store, "--auth", "none", "--port", str(port)):
            missing: list[int] = []
            while again is not None:
                page = client.get(again).json()
                assert statuses(page) == {"trust-1": "ok"}
                missing += numbers(page)
                again = link(page, "next")
        assert sorted(found + missing) == list(range(1, 31))
        assert hub.failures() == []


def test_a_server_that_is_not_ours_takes_part(tmp_path: Path) -> None:
    port = free_port()
    with foreign(tmp_path, port) as base, ExitStack() as stack:
        own = stack.enter_context(running_node(tmp_path / "own.db", "--auth", "none"))
        hub = stack.enter_context(running_node(tmp_path / "hub.db", "--auth", "none", *LOOPBACK))
        for each in range(3):
            body = {"resourceType": "Patient", "birthDate": f"195{each}-01-01"}
            httpx.post(f"{own.url}/Patient", json=body)
        assert add(hub, "own", own.url).returncode == 0
        added = add(hub, "sekmet", base)
        assert added.returncode == 0, added.stderr

        found, url = [], f"{hub.origin}/federated/Patient?_sort=birthdate&_count=2"
        while url:
            page = httpx.get(url, headers=DEADLINE).json()
            assert set(statuses(page).values()) == {"ok"}
            found += [each for each in page["entry"] if each["search"]["mode"] == "match"]
            url = link(page, "next") or ""
    dates = [each["resource"]["birthDate"] for each in found]
    assert dates == sorted(dates)
    assert sorted(urlsplit(each["fullUrl"]).port or 0 for each in found) == sorted(
        [own.port] * 3 + [port] * 6
    )


def wait_for(port: int) -> None:
    """Return once something listens at a port of this machine."""
    until = monotonic() + PATIENCE
    while monotonic() < until:
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
    raise AssertionError("nothing listens there")


@contextmanager
def foreign(folder: Path, port: int) -> Iterator[str]:
    """Serve another program's FHIR server with six patients of its own."""
    settings = folder / "settings.yaml"
    base = f"http://127.0.0.1:{port}/fhir"
    # YAML takes JSON.
    settings.write_text(json.dumps({"data_dir": str(folder / "sekmet"), "base_url": base}))
    sekmet = (sys.executable, "-m", "sekmet.cli")
    configured = ("--config", str(settings))
    environment = os.environ | {"NO_PROXY": "*"}
    seeding = (*sekmet, "seed", "--count", "6", *configured)
    subprocess.run(
        seeding, cwd=folder, env=environment, capture_output=True, timeout=PATIENCE, check=True
    )
    server = subprocess.Popen(
        (*sekmet, "serve", "--host", "127.0.0.1", "--port", str(port), *configured),
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(port)
        yield base
    finally:
        server.kill()
        server.wait(PATIENCE)


def test_one_request_goes_by_the_same_names_in_both_logs_and_is_counted_by_member(
    tmp_path: Path,
) -> None:
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    sent = {
        "traceparent": f"00-{trace}-{parent}-01",
        "X-Request-ID": "asked-by-ada",
        "X-Correlation-ID": "case-7",
    }
    with (
        running_node(tmp_path / "m.db") as member,
        running_node(tmp_path / "hub.db", *LOOPBACK) as hub,
        httpx.Client(headers=DEADLINE) as client,
    ):
        assert add(hub, "trust-0", member.url).returncode == 0
        assert client.get(f"{hub.origin}/federated/Patient", headers=sent).status_code == 200
        client.get(f"{hub.origin}/federated/Slot")
        metrics = client.get(f"{hub.origin}/metrics").text
        # What a log holds is written out at the end, if not before.
        assert [each.terminate() for each in (hub, member)] == [0, 0]
        logs = [each.events() for each in (hub, member)]
    counted = 'fhir_member_request_seconds_count{member="trust-0",status="2xx"}'
    assert counted in metrics
    for log in logs:
        (event,) = [each for each in log if each.get("request_id") == "asked-by-ada"]
        assert (event["trace_id"], event["correlation_id"]) == (trace, "case-7")
    (begun,) = [each for each in logs[0] if each.get("trace_id") not in {None, trace}]
    assert [
        each["request_id"] for each in logs[1] if each.get("trace_id") == begun["trace_id"]
    ] == [begun["request_id"]]


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--token-url", "https://a.example/token"), "--client-id"),
        (("--untold",), "--client-id"),
        (("--client-id", "hub", "--open"), "not both"),
        (("--client-id", "hub", "--token-url", "http://a.example/token"), "https://"),
        (("--client-id", "hub", "--scopes", "user/*.rs"), "system/ scopes"),
        (("--client-id", "hub", "--scopes", ""), "system/ scopes"),
    ],
)
def test_a_way_to_ask_that_is_none_is_refused_before_anybody_is_asked(
    flags: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["member", "add", "x", "--base", "https://a.example/fhir", *flags])
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("base", "told"),
    [
        ("http://169.254.169.254/fhir", "not public"),
        ("ftp://a.example/fhir", "HTTPS"),
        ("http://127.0.0.1:9/fhir", "the connection failed"),
    ],
)
def test_what_cannot_be_a_member_is_refused_in_one_line(
    base: str, told: str, tmp_path: Path
) -> None:
    store = ("--store", f"sqlite:{tmp_path / 'hub.db'}")
    added = typed("member", "add", "x", "--base", base, *store, *LOOPBACK)
    assert (added.returncode, added.stdout) == (1, "")
    assert told in added.stderr
    assert added.stderr.count("\n") == 1
