"""A store that two processes have open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.catalogue.nodes import Node, a_node


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the file of the store."""
    return tmp_path / "store.db"


@pytest.fixture
async def node(path: Path) -> AsyncIterator[Node]:
    """Return the first process."""
    async with a_node(path) as opened:
        yield opened


@pytest.fixture
async def other(path: Path) -> AsyncIterator[Node]:
    """Return the second process."""
    async with a_node(path) as opened:
        yield opened
