"""$person-index: told to whom it may be, whoever is hidden from whom; and nowhere does its key stand."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pytest

from fhir_server.demonstration.identifiers import nhs_number
from fhir_server.policy.person_marks import mark_of
from fhir_server.policy.scopes import PERSON_INDEX
from tests.rest.access import Guarded, guarded
from tests.rest.trusting import a_denial, a_patient, identifier, put

OWN: dict[str, Any] = {"sub": "hub", "purpose": None, "role": None, "organisation": None}


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Return a server with three people: one denied everything, one stands within an Observation."""
    store = tmp_path_factory.mktemp("index") / "store.db"
    with guarded(store, default_purpose=None) as server:
        with server.client("system/*.cruds", purpose="TREAT", role="integration") as client:
            inside = a_patient("p", 3)
            about: dict[str, Any] = {"resourceType": "Observation", "id": "o", "status": "final"}
            about |= {"code": {"text": "x"}, "contained": [inside], "subject": {"reference": "#p"}}
            put(client, a_patient("p1", 1), a_patient("p2", 2), a_denial("p2"), about)
            put(client, {"resourceType": "Person", "id": "x", "identifier": [identifier(4)]})
        yield server


def asked(there: Guarded, scope: str, **claims: Any) -> httpx.Response:
    with there.client(scope, **(OWN | claims)) as client:
        return client.get("$person-index")


def parts(answer: httpx.Response) -> dict[str, bytes]:
    assert answer.status_code == 200, answer.text
    given = answer.json()["parameter"]
    return {each["name"]: b64decode(each["valueBase64Binary"]) for each in given}


def test_without_a_token_nobody_is_told_anything(there: Guarded) -> None:
    assert httpx.get(f"{there.base}/$person-index").status_code == 401


@pytest.mark.parametrize(
    "scope", ["", "system/*.cruds", "user/*.cruds", "system/$person-inde", "user/$person-index"]
)
def test_another_scope_is_not_enough_however_wide(there: Guarded, scope: str) -> None:
    refused = asked(there, scope, purpose="TREAT", role="integration")
    assert refused.status_code == 403
    assert PERSON_INDEX in refused.text


def test_within_a_batch_it_is_refused_as_by_itself(there: Guarded) -> None:
    entry = {"request": {"method": "GET", "url": "$person-index"}}
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": [entry]}
    with there.client("system/*.cruds", purpose="TREAT", role="integration") as client:
        (answer,) = client.post("", json=bundle).json()["entry"]
    assert answer["response"]["status"].startswith("403")


@pytest.mark.parametrize("path", ["Patient", "Patient/p1", "Patient?_summary=count", "_history"])
def test_its_scope_reaches_nothing_else(there: Guarded, path: str) -> None:
    for claims in (OWN, OWN | {"purpose": "TREAT", "role": "integration"}):
        with there.client(PERSON_INDEX, **claims) as client:
            assert client.get(path).status_code == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_it_is_read_and_nothing_else(there: Guarded, method: str) -> None:
    with there.client(PERSON_INDEX, **OWN) as client:
        assert client.request(method, "$person-index", json={}).status_code == 405


def test_all_who_are_known_are_in_it_and_nobody_else(there: Guarded) -> None:
    told = parts(asked(there, PERSON_INDEX))
    known = sorted(mark_of(told["key"], nhs_number(each)) for each in (1, 2, 3))
    assert told["marks"] == b"".join(known)


def test_each_answer_has_a_key_of_its_own_that_no_log_tells(there: Guarded) -> None:
    answers = [asked(there, PERSON_INDEX) for _ in range(2)]
    first, second = (parts(each)["key"] for each in answers)
    assert first != second
    assert len(first) == 32
    with there.client("user/*.rs", role="R5105", purpose="HCOMPL") as client:
        log = client.get("AuditEvent?_count=100&_sort=-date").text
    queries = {b64decode(each).decode() for each in re.findall('"query":"([^"]*)"', log)}
    assert "GET $person-index" in queries
    told = [each["valueBase64Binary"] for one in answers for each in one.json()["parameter"]]
    assert not any(each in text for each in told for text in (log, *queries))


def test_who_answers_everyone_tells_it_to_everyone(base: str) -> None:
    assert parts(httpx.get(f"{base}/$person-index")).keys() == {"key", "marks"}
