"""One node for all of these tests: each signs in anew, and counts on nothing that another did."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.smart import APP, App, smart_node
from tests.support.visitor import Visitor, visiting
from tests.web.authorization.support import CONFIDENTIAL, LAUNCHED


@pytest.fixture(scope="session")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a node; return its origin."""
    store = tmp_path_factory.mktemp("smart") / "fhir.db"
    with smart_node(store, APP, LAUNCHED, CONFIDENTIAL) as served:
        yield served


@pytest.fixture
def visitor(origin: str) -> Iterator[Visitor]:
    """Return a browser that knows nothing yet."""
    with visiting(origin) as opened:
        yield opened


@pytest.fixture
def app(origin: str) -> App:
    """Return an app that asks for something."""
    return App(origin)
