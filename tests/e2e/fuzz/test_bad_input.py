"""Thousands of requests that are wrong somewhere; the same ones each time, unless FHIR_TEST_SEED says otherwise."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from tests.e2e.fuzz.asking import JSON, KINDS, Making, asking
from tests.e2e.fuzz.judging import faults_of
from tests.support.commands import typed
from tests.support.data import shared_data
from tests.support.nodes import Node, running_node
from tests.support.raw_http import Ask, line_to

SEED = int(os.environ.get("FHIR_TEST_SEED", "1"))
ASKED = 20_000 if os.environ.get("FHIR_TEST_LONG") else 800
"""Requests of each kind."""

KNOWN = Ask(
    b"PUT",
    b"/fhir/Patient/known",
    (JSON,),
    b'{"resourceType":"Patient","id":"known","name":[{"family":"Known"}]}',
)


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    """Return some records of each type that others published."""
    found: list[dict[str, Any]] = []
    for path in sorted((shared_data() / "records").glob("*.ndjson")):
        with path.open(encoding="utf-8") as file:
            found += [json.loads(line) for _, line in zip(range(20), file, strict=False)]
    return found


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Serve a store that is sound after all that."""
    store = tmp_path_factory.mktemp("fuzz") / "node.db"
    with running_node(store, "--max-body", "200000") as running, line_to(running.port) as line:
        yield running
        assert line.ask(Ask(b"GET", b"/fhir/metadata")).status == 200
        assert running.failures() == []
        checked = typed("check", "--store", f"sqlite:{store}")
        assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("making", KINDS, ids=lambda making: making.__name__)
def test_each_answer_is_no_failure_and_refusals_explain_themselves(
    making: Making, node: Node, records: list[dict[str, Any]]
) -> None:
    random = Random(f"{making.__name__} {SEED}")
    print(f"seed {SEED}")  # noqa: T201 - shown where it fails

    faulty = []
    statuses = set()
    with line_to(node.port) as line:
        for number in range(ASKED):
            ask = asking(making, random, records)
            told = line.ask(ask)
            statuses.add(told.status // 100)
            if told.status in {404, 410}:
                # It may have deleted the one patient whose id the others know.
                line.ask(KNOWN)
            faulty += [(number, fault, ask.message()[:2000]) for fault in faults_of(ask, told)]

    assert faulty[:5] == []
    # Where nothing is refused, nothing was bad.
    assert 4 in statuses


def test_a_body_that_claims_to_be_compressed_is_refused_or_understood(node: Node) -> None:
    body = gzip.compress(b'{"resourceType":"Patient"}')
    headers = (JSON, (b"Content-Encoding", b"gzip"))

    with line_to(node.port) as line:
        told = line.ask(Ask(b"POST", b"/fhir/Patient", headers, body))

    assert told.status in {201, 400, 415}
