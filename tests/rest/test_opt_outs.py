"""$opt-outs: the register is loaded by whom its scope lets, obeyed at once, and never told."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from fhir_server.demonstration.identifiers import nhs_number
from fhir_server.policy.scopes import OPT_OUTS, PERSON_INDEX
from fhir_server.wiring import clock
from tests.rest.access import Guarded, guarded
from tests.rest.test_disclosure import observation, patient

OWN: dict[str, Any] = {"sub": "registrar", "purpose": None, "role": None, "organisation": None}
TEXT = {"content-type": "text/plain"}
MOST = 10_000
LATEST = datetime.fromtimestamp(clock() / 1_000_000, UTC).date() - timedelta(days=2)
"""Two days ago: yesterday, should a midnight come."""
LONG_AGO = "2020-01-01"


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Return a server with three people; each has an observation."""
    with guarded(tmp_path_factory.mktemp("opt-outs") / "store.db", max_body=MOST) as server:
        with server.client() as client:
            for number, each in enumerate(("ada", "grace", "joan"), 1):
                made = client.put(f"Patient/{each}", json=patient(each, number))
                assert made.status_code == 201
                about = observation(f"of-{each}", each)
                assert client.put(f"Observation/of-{each}", json=about).status_code == 201
        yield server


def registrar(there: Guarded) -> httpx.Client:
    return there.client(OPT_OUTS, **OWN)


def register(*people: int) -> bytes:
    return "".join(f"{nhs_number(each)}\n" for each in people).encode()


def load(client: httpx.Client, content: bytes, day: object = LATEST) -> httpx.Response:
    return client.post(f"$opt-outs?as-of={day}", content=content, headers=TEXT)


def told(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return {
        each["name"]: next(value for name, value in each.items() if name != "name")
        for each in answer.json()["parameter"]
    }


def diagnostics(answer: httpx.Response) -> str:
    text: str = answer.json()["issue"][0]["diagnostics"]
    return text


def test_before_the_first_there_is_none_to_tell_of(tmp_path: Path) -> None:
    with guarded(tmp_path / "store.db") as empty, registrar(empty) as client:
        refused = client.get("$opt-outs")
    assert refused.status_code == 404
    assert "ever loaded" in diagnostics(refused)


@pytest.mark.parametrize(
    "scope",
    [
        *("", "system/*.cruds", "user/*.cruds", "user/$opt-outs", "system/$opt-out"),
        f"system/*.cruds {PERSON_INDEX}",
    ],
)
def test_another_scope_is_not_enough_however_wide(there: Guarded, scope: str) -> None:
    with there.client(scope, purpose="TREAT", role="integration") as client:
        answers = [load(client, register(1)), client.get("$opt-outs")]
    assert [each.status_code for each in answers] == [403, 403]
    assert all(OPT_OUTS in each.text for each in answers)


def test_neither_a_patient_nor_who_oversees_access_loads_one(there: Guarded) -> None:
    for scope, claims in (
        ("patient/*.cruds", {"patient": "ada"}),
        ("user/*.cruds", {"role": "R5105", "purpose": "HCOMPL"}),
    ):
        with there.client(scope, **claims) as client:
            assert load(client, register(1)).status_code == 403


@pytest.mark.parametrize("path", ["Patient", "Patient/ada", "_history", "$person-index"])
def test_its_scope_reaches_nothing_else(there: Guarded, path: str) -> None:
    for claims in (OWN, {"purpose": "TREAT", "role": "integration"}):
        with there.client(OPT_OUTS, **claims) as client:
            assert client.get(path).status_code == 403


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_within_a_bundle_nothing_is_loaded(there: Guarded, kind: str) -> None:
    asked = {"method": "POST", "url": f"$opt-outs?as-of={LATEST}"}
    sent = {"resourceType": "Binary", "contentType": "text/plain", "data": "OTk5MDAwMDAxOA=="}
    bundle = {"resourceType": "Bundle", "type": kind}
    bundle["entry"] = [{"request": asked, "resource": sent}]  # type: ignore[assignment]
    with there.client(f"system/*.cruds {OPT_OUTS}", role="integration") as client:
        told(load(client, register(2, 3)))
        answer = client.post("", json=bundle)
        statuses = [each["response"]["status"] for each in answer.json().get("entry", ())]
        assert told(client.get("$opt-outs"))["number"] == 2
    assert answer.status_code == 400 or [each[:3] for each in statuses] == ["400"]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("", "with its day"),
        ("?as_of=2026-01-01", "with its day"),
        (f"?as-of={LATEST}&as-of={LONG_AGO}", "with its day"),
        (f"?as-of={LATEST}&append=true", "with its day"),
        ("?as-of=", "YYYY-MM-DD"),
        ("?as-of=01/11/2026", "YYYY-MM-DD"),
        ("?as-of=2026-02-30", "as-of 2026-02-30"),
        ("?as-of=2999-01-01", "still to come"),
    ],
)
def test_without_one_day_that_was_nothing_is_loaded(there: Guarded, query: str, says: str) -> None:
    with registrar(there) as client:
        told(load(client, register(2, 3)))
        refused = client.post(f"$opt-outs{query}", content=register(1), headers=TEXT)
        assert told(client.get("$opt-outs"))["number"] == 2
    assert refused.status_code == 400
    assert says in diagnostics(refused)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        *(("application/x-www-form-urlencoded", 415), ("application/fhir+json", 415), ("", 415)),
        *(("text/plain; charset=utf-16", 415), ("text/csv; charset=UTF-8", 200)),
    ],
)
def test_a_register_is_a_text(there: Guarded, name: str, status: int) -> None:
    with registrar(there) as client:
        answer = client.post(
            f"$opt-outs?as-of={LATEST}", content=register(1), headers={"content-type": name}
        )
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("content", "status", "says"),
    [
        (b"", 400, "no NHS number"),
        (b"NHS number\n", 400, "no NHS number"),
        (register(1) + b"9990000019\n", 400, "line 2 holds no NHS number"),
        (register(1) + b"\xff\n", 400, "not UTF-8"),
        (register(1) * 1_000, 413, f"{MOST} bytes"),
    ],
)
def test_what_is_no_register_is_refused_and_the_one_before_stays(
    there: Guarded, content: bytes, status: int, says: str
) -> None:
    with registrar(there) as client:
        assert told(load(client, register(1, 2)))["number"] == 2
        refused = load(client, content, LONG_AGO)
        after = told(client.get("$opt-outs"))
    assert refused.status_code == status
    assert says in diagnostics(refused)
    assert "999" not in refused.text
    assert (after["number"], after["as-of"]) == (2, LATEST.isoformat())


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_where_nobody_is_asked_for_a_token_nobody_loads_or_is_told_one(
    base: str, method: str
) -> None:
    refused = httpx.request(
        method, f"{base}/$opt-outs?as-of={LATEST}", content=register(1), headers=TEXT
    )
    assert refused.status_code == 403
    assert "fhir-server optout load" in diagnostics(refused)


def test_the_next_page_of_who_plans_obeys(there: Guarded) -> None:
    with registrar(there) as client, there.client(purpose="HRESCH") as analyst:
        told(load(client, register(99)))
        page = analyst.get("Observation?code=hba1c&_count=1&_sort=_id").json()
        following = next(each["url"] for each in page["link"] if each["relation"] == "next")
        told(load(client, register(2)))
        rest = analyst.get(following).json()

    ids = [each["resource"]["id"] for each in (*page["entry"], *rest["entry"])]
    assert ids == ["of-ada", "of-joan"]


def test_one_that_is_out_of_date_is_told_as_such_and_stops_what_it_is_for(there: Guarded) -> None:
    with registrar(there) as client:
        late = told(load(client, register(1), LONG_AGO))
        assert told(client.get("$opt-outs")) == late
        fresh = told(load(client, register(1)))
    assert late["days"] > 1_000
    assert (late["current"], fresh["current"]) == (False, True)
    assert fresh.keys() == {"number", "as-of", "days", "current"}
    assert fresh["days"] in {2, 3}


def test_each_load_is_recorded_without_the_numbers(there: Guarded) -> None:
    with registrar(there) as client:
        told(load(client, register(1, 2, 3)))
    with there.client("user/*.rs", role="R5105", purpose="HCOMPL") as client:
        log = client.get("AuditEvent?_count=100&_sort=-date").text
    asked = {b64decode(each).decode() for each in re.findall('"query":"([^"]*)"', log)}
    assert f"POST $opt-outs?as-of={LATEST}" in asked
    assert "a register of 3 opt-outs was loaded" in log
    assert "registrar" in log
    assert not any(nhs_number(each) in log for each in (1, 2, 3))
