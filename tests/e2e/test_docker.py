"""The files of `docker/`, as far as they can be tried without a daemon: read by docker-compose, and run by hand.

No image is built here: what an image would run is run on this machine, in the same order and with the same variables.
Decision 57 tells how the images were built and run for once, and what that showed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path
from time import monotonic
from typing import Any

import httpx2
import msgspec
import pytest

from tests.support.mongo import free_port
from tests.support.nodes import environment, running_node
from tests.support.patience import DEADLINE, PATIENCE

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
FILES = sorted(each.name for each in DOCKER.glob("compose*.yaml"))


def owed(message: str) -> None:
    """Fail where CI owes the tests what is missing; elsewhere skip."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(message)


def composed(name: str, **variables: object) -> Mapping[str, Any]:
    """Return a file as docker-compose understands it; fail where it does not."""
    program = shutil.which("docker-compose")
    if program is None:
        owed("no docker-compose is here (run scripts/fetch_test_packages)")
    assert program is not None
    read = subprocess.run(
        [program, "--file", str(DOCKER / name), "config"],
        env=environment() | {each: str(value) for each, value in variables.items()},
        capture_output=True,
        check=False,
    )
    assert read.returncode == 0, read.stderr.decode()
    found: Mapping[str, Any] = msgspec.yaml.decode(read.stdout)
    return found


@pytest.mark.parametrize("name", FILES)
def test_each_service_is_bounded_and_serves_this_machine_alone(name: str) -> None:
    for service in composed(name)["services"].values():
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert all(each.startswith("127.0.0.1:") for each in service.get("ports", ()))
        if service["image"] == "fhir-server":
            assert service["cap_drop"] == ["ALL"]
            assert service["read_only"] is True
            assert "/tmp" in service["tmpfs"]  # noqa: S108 - a path in a container


@pytest.mark.parametrize("name", FILES)
def test_a_node_may_write_where_it_is_told_to(name: str) -> None:
    for service in composed(name)["services"].values():
        if service["image"] == "fhir-server":
            places = [each for each in service["tmpfs"] if each.startswith("/data")]
            # A tmpfs is root's, with the mode of the image's folder, which is its user's alone.
            assert all("uid=10001" in each for each in places)
            assert len(places) + len(service.get("volumes", ())) <= 1


@pytest.mark.parametrize("name", FILES)
def test_what_is_not_built_here_is_pinned_to_its_bytes(name: str) -> None:
    images = {each["image"] for each in composed(name)["services"].values()} - {"fhir-server"}
    bases = re.findall(r"^ARG PYTHON=(.+)$", (DOCKER / "Dockerfile").read_text(), re.MULTILINE)

    assert bases
    assert all(re.search(r":[\w.-]+@sha256:[0-9a-f]{64}$", each) for each in {*images, *bases})


@pytest.mark.parametrize("name", FILES)
def test_the_port_is_the_one_that_was_asked_for(name: str) -> None:
    services = composed(name, FHIR_PORT=9321)["services"]

    assert "9321" in {each.get("environment", {}).get("FHIR_PORT") for each in services.values()}


class Stack:
    """Services of a compose file, run on this machine; each has the folder of its volume."""

    def __init__(self, services: Mapping[str, Any], folder: Path) -> None:
        self._services = services
        self._folder = folder
        program = folder / "bin" / "fhir-server"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m fhir_server "$@"\n')
        program.chmod(0o755)

    def _how(self, name: str) -> dict[str, Any]:
        service = self._services[name]
        volumes = [each.partition(":")[0] for each in service.get("volumes", ())]
        place = self._folder / (volumes[0] if volumes else name)
        place.mkdir(exist_ok=True)
        path = f"{self._folder / 'bin'}:{os.environ['PATH']}"
        return {"cwd": place, "env": environment() | service["environment"] | {"PATH": path}}

    def _command(self, name: str) -> Sequence[str]:
        # A dollar that is not docker-compose's is written twice, in what it prints too.
        return [each.replace("$$", "$") for each in self._services[name]["command"]]

    def ended(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run a service to its end."""
        return subprocess.run(
            self._command(name), **self._how(name), capture_output=True, text=True, check=False
        )

    @contextmanager
    def running(self, name: str) -> Iterator[Callable[[], None]]:
        """Run a service during the block; yield what waits for it."""
        how = self._how(name)
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen(self._command(name), **how, stdout=log, stderr=log)
            try:
                yield lambda: await_ready(process, how["env"]["FHIR_PORT"])
            finally:
                process.terminate()
                process.wait(PATIENCE)


def await_ready(process: subprocess.Popen[bytes], port: str) -> None:
    """Return when a service is ready; fail where it ends or takes too long."""
    until = monotonic() + 2 * PATIENCE
    while True:
        assert process.poll() is None, f"it ended with {process.returncode}"
        assert monotonic() < until, "it does not become ready"
        try:
            urllib.request.urlopen(
                f"http://127.0.0.1:{port}/health/ready", timeout=PATIENCE
            ).close()
        except OSError:
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.1)
        else:
            return


def healthy(variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the image's health check."""
    return subprocess.run(
        [sys.executable, str(DOCKER / "healthcheck.py")],
        env=dict(variables),
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_health_check_fails_where_nobody_serves_and_passes_where_a_node_is_ready(
    tmp_path: Path,
) -> None:
    nobody = healthy({"FHIR_PORT": str(free_port())})
    encrypted = healthy({"FHIR_PORT": str(free_port()), "FHIR_TLS_CERT": "/x.pem"})
    with running_node(tmp_path / "node.db") as node:
        ready = healthy({"FHIR_PORT": str(node.port)})

    assert nobody.returncode == 1
    assert re.match(r"http://127.0.0.1:\d+/health/ready: ", nobody.stderr)
    assert encrypted.stderr.startswith("https://")
    assert ready.returncode == 0


def test_the_federation_takes_its_members_in_and_answers_for_all_of_them(tmp_path: Path) -> None:
    ports = {name: free_port() for name in ("TRUST_1_PORT", "TRUST_2_PORT", "TRUST_3_PORT")}
    port = free_port()
    services = composed("compose.federation.yaml", FHIR_PORT=port, **ports)["services"]
    stack = Stack(services, tmp_path)
    with ExitStack() as running:
        trusts = [
            running.enter_context(stack.running(name)) for name in services["members"]["depends_on"]
        ]
        for is_ready in trusts:
            is_ready()
        taken_in = stack.ended("members")
        running.enter_context(stack.running("hub"))()
        answer = httpx2.get(
            f"http://127.0.0.1:{port}/federated/Slot?status=free&_sort=start&_count=10",
            headers=DEADLINE,
        )

    assert taken_in.returncode == 0, taken_in.stderr
    matches = [each for each in answer.json()["entry"] if each["search"]["mode"] == "match"]
    assert answer.status_code == 200
    assert len(matches) == 10
    assert {each["fullUrl"].split("/")[2] for each in matches} <= {
        f"127.0.0.1:{each}" for each in ports.values()
    }


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    text = (DOCKER / "Dockerfile").read_text().replace("\\\n", " ")
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    ignoring = (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
    kept = [each[1:] for each in ignoring if each.startswith("!")]

    assert ignoring[0] == "*"
    assert copied
    for each in copied:
        assert (ROOT / each).exists(), each
        assert any(each == there or fnmatch(each, f"{there}/*") for there in kept), each


def test_the_image_installs_by_hashes_alone_and_runs_as_nobody_in_particular() -> None:
    text = (DOCKER / "Dockerfile").read_text().replace("\\\n", " ")
    of_the_index = [
        each for each in re.findall(r"pip install [^&\n]+", text) if "dist/*.whl" not in each
    ]

    assert of_the_index
    assert all("--require-hashes" in each for each in of_the_index)
    assert re.findall(r"^USER (.+)$", text, re.MULTILINE) == ["10001"]
    assert "ADD " not in text
