"""Paths and methods."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from fhir_server.catalogue.register import ATTEMPTS, Register
from fhir_server.fhir.errors import NotFound, OutdatedIndex
from fhir_server.rest.answer import Answer
from fhir_server.rest.request import Request
from fhir_server.rest.routing import NotServed, answer_by, segments_of, template_of
from fhir_server.rest.service import Route, Service
from fhir_server.rest.table import ROUTES
from fhir_server.search.filtering import UnknownParameter
from tests.catalogue.nodes import LANGUAGE, a_node

TYPES = frozenset({"Patient", "Observation"})


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/Patien", "did you mean Patient"),
        ("/patient", "did you mean Patient"),
        ("/patient/1", "did you mean Patient"),
        ("/OBSERVATION/1/_history", "did you mean Observation"),
        ("/Xyz", "case-sensitive"),
        ("/../etc/passwd", "not served"),
        ("/Patient/1/Observatio", "did you mean Observation"),
        ("/Patient/1/observation/_search", "did you mean Observation"),
        ("/Patient//1", "no resource type"),
    ],
)
def test_an_unknown_type_is_not_found_with_a_suggestion(path: str, message: str) -> None:
    with pytest.raises(NotFound, match=message):
        template_of(segments_of(path), TYPES)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/$export", "operation '\\$export'"),
        ("/Patient/$match", "operation"),
        ("/Patient/1/$everithing", r"these are: .*Patient/\[id\]/\$everything"),
        ("/Observation/$everything", r"Encounter/\[id\]/\$everything"),
        ("/Observation/1/$everything", "operation 'Observation/1/\\$everything'"),
        ("/Patient/1/$everything/2", "operation"),
        ("/Patient/1/Observation/$lastn", "operation"),
        ("/Patient/$", "operation"),
        ("/Patient/_foo", "not served"),
        ("/Patient/1/_history/2/3", "not served"),
        ("/_foo", "not served"),
        ("/.well-known/openid-configuration", "not served"),
        ("/Patient/1/_search", "not served"),
        ("/Patient/1/*/_history", "not served"),
    ],
)
def test_what_fhir_has_and_this_server_does_not_is_not_served(path: str, message: str) -> None:
    with pytest.raises(NotServed, match=message):
        template_of(segments_of(path), TYPES)


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("", "/"),
        ("/", "/"),
        ("/metadata", "/metadata"),
        ("/_history", "/_history"),
        ("/_search", "/_search"),
        ("/Patient", "/[type]"),
        ("/Patient/", "/[type]"),
        ("/Patient/_search", "/[type]/_search"),
        ("/Patient/_history", "/[type]/_history"),
        ("/Patient/1", "/[type]/[id]"),
        ("/Patient/metadata", "/[type]/[id]"),
        ("/Patient/1/_history", "/[type]/[id]/_history"),
        ("/Patient/1/_history/2", "/[type]/[id]/_history/[vid]"),
        ("/Patient/1/Observation", "/[type]/[id]/[type]"),
        ("/Patient/1/*", "/[type]/[id]/[type]"),
        ("/Patient/1/$everything", "/Patient/[id]/$everything"),
        ("/Observation/$lastn", "/Observation/$lastn"),
        ("/Patient/1/Observation/_search", "/[type]/[id]/[type]/_search"),
    ],
)
def test_a_path_fits_one_template(path: str, template: str) -> None:
    assert template_of(segments_of(path), TYPES) == template
    assert template in ROUTES


def test_every_get_is_a_head_too() -> None:
    assert all("HEAD" in methods for methods in ROUTES.values() if "GET" in methods)


Change = Callable[[], Awaitable[None]]
"""Writes a search parameter."""


class Answering:
    """A handler whose first attempts find that the search parameters have changed."""

    def __init__(self, outdated: int, register: Register, change: Change) -> None:
        self.attempts = 0
        self._outdated = outdated
        self._register = register
        self._change = change

    async def __call__(self, _service: Service, _request: Request) -> Answer:
        """Answer, or refuse."""
        self.attempts += 1
        if self.attempts <= self._outdated:
            raise OutdatedIndex("outdated")
        if "spoken" not in self._register.current.definitions.withheld.get("Patient", {}):
            await self._change()
            raise UnknownParameter("spoken")
        return Answer(200)


async def answered(handler: Answering, register: Register) -> Answer:
    service = cast("Service", SimpleNamespace(register=register))
    route = Route("GET", "/[type]", handler, ())
    return await answer_by(route, service, cast("Request", None))


async def test_a_request_under_which_the_parameters_keep_changing_is_given_up(
    tmp_path: Path,
) -> None:
    async with a_node(tmp_path / "store.db") as node:
        handler = Answering(99, node.register, lambda: node.put(LANGUAGE))

        with pytest.raises(OutdatedIndex, match="keep changing"):
            await answered(handler, node.register)

    assert handler.attempts == ATTEMPTS


async def test_a_request_is_run_again_under_the_parameters_that_came_meanwhile(
    tmp_path: Path,
) -> None:
    async with a_node(tmp_path / "store.db") as node:
        handler = Answering(2, node.register, lambda: node.put(LANGUAGE))

        answer = await answered(handler, node.register)

    assert (answer.status, handler.attempts) == (200, 4)


async def test_a_refusal_under_parameters_that_did_not_change_is_the_answer(
    tmp_path: Path,
) -> None:
    async def nothing() -> None:
        """Change no parameter."""

    async with a_node(tmp_path / "store.db") as node:
        handler = Answering(0, node.register, nothing)

        with pytest.raises(UnknownParameter):
            await answered(handler, node.register)

    assert handler.attempts == 1
