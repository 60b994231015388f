"""`SearchParameter/$status`: how far each parameter is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fhir_server.conformance.validation import Validator
from fhir_server.fhir.resource import Resource
from fhir_server.operations.operation import Invocation
from fhir_server.operations.status import status
from tests.catalogue.nodes import DEFINITIONS, LANGUAGE, NOW, SHIPPED, Node, a_node, a_parameter

PHYSICAL_TYPE = "https://example.org/fdp/SearchParameter/location-physical-type"


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    """Return a process on a store that has the parameters that are shipped."""
    async with a_node(tmp_path / "store.db", SHIPPED) as opened:
        await opened.settle()
        yield opened


async def told(node: Node, **asked: str) -> list[dict[str, object]]:
    """Return what the operation tells of each parameter, by name."""
    await node.register.refresh()
    found = await status(
        node.call(), Invocation("SearchParameter", None, tuple(asked.items()), None, NOW)
    )
    assert Validator(DEFINITIONS).validate(found.resource) == ()
    return [_values(each) for each in found.resource.get("parameter", ())]


def _values(parameter: Resource) -> dict[str, object]:
    return {
        part["name"]: value
        for part in parameter["part"]
        for name, value in part.items()
        if name.startswith("value")
    }


async def test_of_what_there_is_not_nothing_is_told(node: Node) -> None:
    assert await told(node, code="nonsense") == []


async def test_those_that_are_shipped_are_told_as_enabled(node: Node) -> None:
    found = await told(node)

    assert len(found) == len(SHIPPED)
    assert {each["state"] for each in found} == {"enabled"}
    assert {each["percent"] for each in found} == {100}


async def test_one_is_told_with_its_way_from_pending_to_enabled(node: Node) -> None:
    await node.put(LANGUAGE)
    (pending,) = await told(node, url=LANGUAGE["url"])
    await node.settle()
    (enabled,) = await told(node, code="spoken")

    assert pending == {
        "url": LANGUAGE["url"],
        "code": "spoken",
        "base": "Patient",
        "source": "SearchParameter/spoken",
        "state": "pending",
        "percent": 0,
    }
    assert enabled == {**pending, "state": "enabled", "percent": 100}


async def test_what_is_not_used_is_told_with_the_reason(node: Node) -> None:
    await node.put(a_parameter("physical-type", "Location.status"))
    await node.put(a_parameter("gender", "Patient.gender"))
    await node.put({**LANGUAGE, "status": "draft"})

    found = {str(each["source"]): each for each in await told(node)}

    assert [
        (found[f"SearchParameter/{name}"]["state"], found[f"SearchParameter/{name}"]["reason"])
        for name in ("physical-type", "gender", "spoken")
    ] == [
        (
            "conflicting",
            f"on Location the code belongs to {PHYSICAL_TYPE}, which goes on",
        ),
        ("conflicting", "on Patient the code belongs to R4, which goes on"),
        ("unused", "its status is draft, and only an active one is used"),
    ]
