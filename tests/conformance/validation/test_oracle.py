"""Another validator, fhirkit-rs, agrees on the structure of valid resources that were spoilt in one place."""

from __future__ import annotations

import json
import os
import re
import tarfile
from collections.abc import Iterator
from copy import deepcopy
from decimal import Decimal
from functools import cache
from typing import Any

import fhirkit
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.fhir.json import dump, parse
from fhir_server.fhir.outcome import Issue
from fhir_server.fhir.resource import Resource
from tests.conformance.validation.judging import VALIDATOR
from tests.support.data import package

EXAMPLES = 5_000 if os.environ.get("FHIR_TEST_LONG") else 300

THEIRS_TO_LEARN = (
    "the element is empty",
    "the list is empty",
    "has no day",
    "is no absolute URL of a definition",
    "is no reference",
    "names no resource type",
    "cannot be referred to here",
    "a Reference needs",
    "the reference is to",
    "a contained resource needs an id",
)
"""What fhirkit-rs 0.1.0 lets pass: empty elements, 30 February, whatever a reference says; also bindings and invariants."""

STRINGS_TO_THEM = re.compile(r"(\.id|xtension\[\d+\]\.url)$")
"""The definitions type these as System.String, and name the FHIR type in an extension that it does not read."""

REPLACEMENTS: tuple[Any, ...] = (
    *(7, Decimal("1.50"), -1, "x", "", " ", "2020-02-30", "2020-01-01T10:00:00Z", True, None),
    *([], {}, {"a": 1}, [None], [[]], {"extension": [{"url": "urn:x", "valueCode": "a"}]}),
)


@cache
def _bases() -> list[bytes]:
    """Return some small valid examples of different types."""
    chosen: dict[str, bytes] = {}
    with tarfile.open(package("hl7.fhir.r4.examples-4.0.1.tgz")) as archive:
        for number, member in enumerate(archive):
            kind = member.name.rpartition("/")[2].partition("-")[0]
            if number % 7 or member.size > 6_000 or kind in chosen or not kind[0].isupper():
                continue
            content = archive.extractfile(member)
            assert content is not None
            body = content.read()
            if not VALIDATOR.validate(parse(body)):
                chosen[kind] = body
    return list(chosen.values())


def _spots(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each container in a resource with each of its keys or indexes."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        if key != "resourceType":
            yield value, key
        if isinstance(value[key], dict | list):
            yield from _spots(value[key])


@st.composite
def spoilt(draw: st.DrawFn) -> Resource:
    """Draw a valid resource and drop, rename, retype, wrap, unwrap or double one thing in it."""
    resource: Resource = parse(draw(st.sampled_from(_bases())))
    container, key = draw(st.sampled_from(list(_spots(resource))))
    match draw(st.sampled_from(("drop", "rename", "retype", "wrap", "unwrap", "double"))):
        case "drop":
            del container[key]
        case "rename" if isinstance(container, dict):
            container[key + draw(st.sampled_from("xs"))] = container.pop(key)
        case "wrap":
            container[key] = [container[key]]
        case "unwrap" if isinstance(container[key], list):
            container[key] = container[key][0]
        case "double":
            container[key] = [container[key], deepcopy(container[key])]
        case _:
            container[key] = draw(st.sampled_from(REPLACEMENTS))
    return resource


def _theirs_to_judge(issue: Issue) -> bool:
    if issue.code in {"code-invalid", "invariant"}:
        return False
    if issue.code == "value" and STRINGS_TO_THEM.search(issue.expression or ""):
        return False
    return not any(text in issue.diagnostics for text in THEIRS_TO_LEARN)


@settings(max_examples=EXAMPLES, deadline=None)
@given(spoilt())
def test_both_validators_give_the_same_verdict_on_structure(resource: Resource) -> None:
    ours = VALIDATOR.validate(resource)

    theirs = [each for each in fhirkit.validate(dump(resource)) if each.severity == "error"]

    shown = json.dumps(resource, default=str)
    assert ours or not theirs, f"{theirs[:2]} in {shown}"
    assert theirs or not any(map(_theirs_to_judge, ours)), f"{ours} in {shown}"


def test_the_unspoilt_resources_are_of_many_types_and_valid_for_both() -> None:
    issues = [fhirkit.validate(body) for body in _bases()]

    assert len(issues) > 50
    assert not any(each.severity == "error" for found in issues for each in found)
