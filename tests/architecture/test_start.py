"""A node loads what its first answers need, and nothing else: it has to start within 1.5 seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.data import ROOT

LATER = (
    "fhir_server.auth.signatures",
    "fhir_server.demonstration",
    "fhir_server.federating",
    "fhir_server.storage.mongo",
    "fhir_server.web.authorization.pages",
    "fhir_server.web.oauth",
    "cryptography.x509",
    "fastapi",
    "httpx2",
    "jinja2",
    "joserfc",
    "pymongo",
)
"""What is loaded when it is first asked for."""

PROGRAM = """
import asyncio, json, sys
from fhir_server.settings import Settings
from fhir_server.wiring import application

async def answered(store, auth):
    node = application(Settings(store=store, auth=auth))
    said, heard, answer = asyncio.Queue(), asyncio.Queue(), []
    living = asyncio.create_task(node({"type": "lifespan"}, said.get, heard.put))
    await said.put({})
    assert (await heard.get())["type"] == "lifespan.startup.complete"
    scope = {
        "type": "http", "method": "GET", "path": "/fhir/metadata", "query_string": b"",
        "headers": [(b"host", b"node.example")], "scheme": "http", "client": ("127.0.0.1", 1),
    }

    async def send(message):
        answer.append(message)

    await node(scope, None, send)
    loaded = sorted(sys.modules)
    await said.put({})
    await living
    return answer[0]["status"], loaded

print(json.dumps(asyncio.run(answered(*sys.argv[1:]))))
"""


@pytest.mark.parametrize("auth", ["none", "smart"])
def test_until_the_first_answer_nothing_is_loaded_that_it_does_not_need(
    tmp_path: Path, auth: str
) -> None:
    arguments = [sys.executable, "-c", PROGRAM, f"sqlite:{tmp_path / 'store.db'}", auth]

    told = subprocess.run(arguments, cwd=ROOT, capture_output=True, check=True, text=True)
    status, loaded = json.loads(told.stdout.splitlines()[-1])

    assert status == 200
    assert [each for each in LATER if each in loaded] == []
