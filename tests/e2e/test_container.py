"""What a container does to a node, by namespaces of this machine: no network, nothing writable, the first process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.e2e.test_docker import owed
from tests.support.nodes import environment

ROOT = Path(__file__).parents[2]
SECONDS = 90

_FIRST_PROCESS = """
import sys, types
from fhir_server.cli.frame import main
command = types.ModuleType("fhir_server.cli.demo")
command.configure = lambda parser: None
command.run = lambda arguments: (print("running", flush=True), sys.stdin.read())
sys.modules[command.__name__] = command
main(["demo"])
"""


def test_the_first_process_of_a_container_obeys_a_stop_before_it_serves() -> None:
    numbered = ["unshare", "--pid", "--fork", "--kill-child"]
    if subprocess.run([*numbered, "true"], capture_output=True, check=False).returncode:
        owed("namespaces are not permitted here")
    with subprocess.Popen(
        [*numbered, sys.executable, "-c", _FIRST_PROCESS],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as outside:
        try:
            assert outside.stdout is not None
            told = outside.stdout.readline()
            child = Path(f"/proc/{outside.pid}/task/{outside.pid}/children").read_text().split()[0]
            os.kill(int(child), signal.SIGTERM)
            status = outside.wait(SECONDS)
        finally:
            outside.kill()

    assert (told, status) == ("running\n", 128 + signal.SIGTERM)


_ISOLATED = """
import subprocess, sys, urllib.request
process = subprocess.Popen([sys.executable, "-m", "fhir_server", "serve", "--auth", "none", "--port", "0",
    "--store", "sqlite:node.db"], stdout=subprocess.PIPE, text=True)
base = process.stdout.readline().split()[-1]
try:
    body = b'{"resourceType":"Patient","name":[{"family":"Lovelace"}]}'
    created = urllib.request.Request(base + "/Patient", body, {"Content-Type": "application/fhir+json"})
    asked = created, base + "/metadata", base + "/Patient?name=lovelace&_format=xml"
    print(*(urllib.request.urlopen(each).status for each in asked))
    try:
        urllib.request.urlopen("http://192.0.2.1", timeout=2)
    except OSError as problem:
        print(problem.reason.strerror)
    try:
        open(sys.argv[1], "w")
    except OSError as problem:
        print(problem.strerror)
finally:
    process.terminate()
    process.wait(120)
"""


def test_a_node_needs_no_network_no_capability_and_no_place_to_write_but_its_own(
    tmp_path: Path,
) -> None:
    # As in the container: a network of its own, nothing writable but its volume, and no capability.
    steps = [
        "ip link set lo up",
        "mount --make-rprivate /",
        f"mount -t tmpfs tmpfs {tmp_path}",
        "mount -o remount,bind,ro /",
        f"cd {tmp_path}",
        (
            "exec setpriv --bounding-set -all --inh-caps -all --no-new-privs "
            f'{sys.executable} -c "$SCRIPT" {ROOT}/written'
        ),
    ]
    isolated = ["unshare", "--net", "--mount", "sh", "-ec"]
    if subprocess.run([*isolated, "true"], capture_output=True, check=False).returncode:
        owed("namespaces are not permitted here")
    run = subprocess.run(
        [*isolated, "\n".join(steps)],
        env=environment() | {"SCRIPT": _ISOLATED, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.stdout.splitlines() == [
        "201 200 200",
        "Network is unreachable",
        "Read-only file system",
    ], run.stderr
