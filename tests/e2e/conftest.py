"""A server for the tests that need no other than a running one, and its log where one fails."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from tests.support.nodes import Node, running_node


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Serve a store that tests share: they tell their records apart by names of their own."""
    with running_node(tmp_path_factory.mktemp("node") / "shared.db") as running:
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the server's log to the report of a test that failed."""
    report = yield
    node = getattr(item, "funcargs", {}).get("node")
    if report.failed and call.when == "call" and isinstance(node, Node):
        report.sections.append(("log of the server", node.log()[-4000:]))
    return report
