"""Whom the counters are told."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2 as httpx
import pytest
from prometheus_client import CollectorRegistry

from fhir_server.cli import main
from fhir_server.web.metrics import Metrics
from tests.support.server import running_server

TOKEN = "correct-horse-battery-staple"  # noqa: S105 - of a test


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of the counters of a node with tokens, and with one for them."""
    store = tmp_path_factory.mktemp("guarded") / "fhir.db"
    with running_server(store, auth="smart", metrics_token=TOKEN) as base:
        yield base.removesuffix("/fhir") + "/metrics"


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return that of a node with tokens, and none for them."""
    store = tmp_path_factory.mktemp("silent") / "fhir.db"
    with running_server(store, auth="smart") as base:
        yield base.removesuffix("/fhir") + "/metrics"


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer None", "Bearer \u00e9"],
)
def test_who_has_no_token_of_theirs_is_told_nothing_by_any_node(
    guarded: str, silent: str, authorization: str
) -> None:
    headers = {b"authorization": authorization.encode("latin-1")} if authorization else {}

    answers = [httpx.get(each, headers=headers) for each in (guarded, silent)]

    assert [each.status_code for each in answers] == [401, 401]
    assert answers[0].content == answers[1].content
    assert "fhir_request_seconds" not in answers[0].text
    assert {each.headers["www-authenticate"] for each in answers} == {"Bearer"}


def test_a_node_without_a_token_for_them_tells_nobody(silent: str) -> None:
    headers = {"authorization": f"Bearer {TOKEN}"}

    assert httpx.get(silent, headers=headers).status_code == 401


def test_a_node_with_tokens_does_not_lead_there(silent: str) -> None:
    assert "metrics" not in httpx.get(silent.removesuffix("metrics")).text


@pytest.mark.parametrize("token", ["short", "with a space in the middle", "é" * 30, "a" * 19])
def test_a_token_that_could_be_guessed_or_not_be_sent_is_refused_and_not_repeated(
    token: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--metrics-token", token])

    told = capsys.readouterr().err
    assert "metrics_token: this is 20 letters and digits or more" in told
    assert token not in told


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_who_sends_their_token_is_told(guarded: str, scheme: str) -> None:
    answer = httpx.get(guarded, headers={"authorization": f"{scheme} {TOKEN}"})

    assert answer.status_code == 200
    assert "fhir_request_seconds" in answer.text


@pytest.mark.parametrize(
    ("token", "is_open", "sent", "permitted"),
    [
        (None, False, "", False),
        (None, False, "Bearer ", False),
        (None, True, "", True),
        ("secret", True, "", False),
        ("secret", True, "Bearer secret", True),
    ],
)
def test_where_everyone_is_let_in_everyone_is_told_unless_there_is_a_token(
    token: str | None, *, is_open: bool, sent: str, permitted: bool
) -> None:
    assert Metrics(CollectorRegistry(), token, open=is_open).permits(sent) == permitted
