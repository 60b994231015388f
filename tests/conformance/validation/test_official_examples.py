"""The official examples of R4: all are valid but those in `refused_examples.json`, which break a rule."""

from __future__ import annotations

import json
import os
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fhir_server.fhir.json import parse
from tests.conformance.validation.judging import VALIDATOR
from tests.support.data import package

REFUSED: dict[str, Any] = json.loads((Path(__file__).parent / "refused_examples.json").read_bytes())
EVERY = 1 if os.environ.get("FHIR_TEST_LONG") else 13
"""Of so many examples one is judged; the whole takes half a minute."""

_INDEX = re.compile(r"\[\d+\]")


def _examples() -> Iterator[tuple[str, Any]]:
    with tarfile.open(package("hl7.fhir.r4.examples-4.0.1.tgz")) as archive:
        for number, member in enumerate(archive):
            name = member.name.rpartition("/")[2]
            chosen = number % EVERY == 0 or (name in REFUSED and member.size < 100_000)
            if chosen and name.endswith(".json") and name not in {"package.json", ".index.json"}:
                content = archive.extractfile(member)
                assert content is not None
                yield name, parse(content.read())


def _rules_broken(resource: Any) -> list[str]:
    issues = VALIDATOR.validate(resource)
    return sorted({f"{issue.code} at {_INDEX.sub('', issue.expression or '')}" for issue in issues})


def test_the_examples_are_valid_but_for_those_that_break_a_rule() -> None:
    broken = {name: _rules_broken(resource) for name, resource in _examples()}

    expected = {name: REFUSED[name]["issues"] if name in REFUSED else [] for name in broken}
    assert broken == expected
    assert len(broken) >= 5_306 // EVERY
