"""`_explain=true`: told to who sees everything, and to nobody else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from fhir_server.auth.caller import Caller
from fhir_server.conformance.definitions import definitions_in
from fhir_server.conformance.validation import Validator
from fhir_server.fhir.errors import BadRequest
from fhir_server.policy.access import Access
from fhir_server.policy.rights import rights_of
from fhir_server.policy.scopes import parse_scopes
from fhir_server.policy.visibility import Visibility
from fhir_server.rest.content import Given
from fhir_server.rest.paging import search_page
from fhir_server.rest.request import Request
from fhir_server.settings import Settings, definitions_folder
from fhir_server.storage.sqlite.store import open_store
from fhir_server.wiring import service_of

EVERYTHING = Visibility.everything("test")
UNKNOWN = "has no search parameter '_explain'"


@pytest.fixture(scope="module", autouse=True)
def ada(base: str) -> None:
    """Store a patient."""
    body = {"resourceType": "Patient", "id": "x-ada", "name": [{"family": "Explained"}]}
    httpx.put(f"{base}/Patient/x-ada", json=body).raise_for_status()


def told(answer: httpx.Response) -> dict[str, Any]:
    """Return the parameters of an explanation by name, parts as lists."""
    found: dict[str, Any] = {}
    for each in answer.raise_for_status().json()["parameter"]:
        found.setdefault(each["name"], []).append(each)
    return found


def parts(group: dict[str, Any], name: str) -> list[str]:
    return [each.get("valueString", "") for each in group["part"] if each["name"] == name]


async def refusal(
    path: Path, sight: Visibility, *, nested: bool = False, caller: Caller | None = None
) -> str:
    """Return why a caller with this sight is told nothing."""
    async with open_store(path / "store.db", clock=lambda: 0) as store:
        service = replace(await service_of(Settings(auth="none"), store), sight=sight)
        request = Request(
            "GET", ("Patient",), "_explain=true", {}, "http://x/fhir", Given(None), nested=nested
        )
        request.caller = caller
        with pytest.raises(BadRequest) as caught:
            await search_page(service, request, "Patient", request.pairs)
    return str(caught.value)


@pytest.mark.parametrize(
    "sight",
    [
        EVERYTHING.of_patient("x-ada"),
        EVERYTHING.of_types(frozenset({"Patient"})),
        EVERYTHING.of_types(frozenset()),
    ],
    ids=str,
)
async def test_who_does_not_see_everything_meets_an_unknown_parameter(
    tmp_path: Path, sight: Visibility
) -> None:
    assert UNKNOWN in await refusal(tmp_path, sight)


@pytest.mark.parametrize("scopes", ["patient/*.rs", "user/Patient.rs", "patient/*.rs user/Task.s"])
async def test_whose_scopes_do_not_reach_everything_meets_an_unknown_parameter(
    tmp_path: Path, scopes: str
) -> None:
    access = Access("https://a.example", "someone", parse_scopes(scopes), patient="x-ada")

    assert UNKNOWN in await refusal(tmp_path, EVERYTHING, caller=Caller(access, rights_of(access)))


async def test_an_entry_of_a_batch_is_told_nothing(tmp_path: Path, client: httpx.Client) -> None:
    entry = {"request": {"method": "GET", "url": "Patient?_explain=true"}}
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": [entry]}

    answer = client.post("", json=bundle).json()["entry"][0]["response"]

    assert answer["status"] == "400 Bad Request"
    assert UNKNOWN in answer["outcome"]["issue"][0]["diagnostics"]
    assert UNKNOWN in await refusal(tmp_path, EVERYTHING, nested=True)


@pytest.mark.parametrize(
    ("method", "url", "says"),
    [
        ("GET", "Patient?_explain=yes", "_explain=yes: this is true, or left out"),
        ("GET", "Patient?_explain=true&shoe=1", "no search parameter 'shoe'"),
        ("GET", "Patient/x-ada/$everything?_explain=true", "_explain"),
        ("DELETE", "Patient?_explain=true&name=explained", UNKNOWN),
    ],
)
def test_what_is_no_search_or_none_that_is_served_is_refused(
    client: httpx.Client, method: str, url: str, says: str
) -> None:
    answer = client.request(method, url)

    assert answer.status_code == 400
    assert says in answer.json()["issue"][0]["diagnostics"]


def test_a_search_is_explained_from_its_meaning_to_its_statements(client: httpx.Client) -> None:
    answer = client.get("Patient?name=Explai&active:missing=true&_explain=true")

    found = told(answer)
    (kind,) = found["type"]
    assert found["matches"][0]["valueInteger"] == 1
    assert parts(kind, "name") == ["Patient"]
    assert parts(kind, "ledBy") == ['Patient.name is, folded, "explained"']
    assert parts(kind, "checkedOnRecord") == ["not (Patient.active is there)"]
    texts = [text for each in found["statement"] for text in parts(each, "sql")]
    plans = [text for each in found["statement"] for text in parts(each, "plan")]
    assert any("FROM term" in each for each in texts)
    assert any("USING PRIMARY KEY (term=?)" in each for each in plans)
    assert "xplai" not in "".join(texts + plans).lower()
    assert found["rowsRead"][0]["valueInteger"] > 0
    assert found["steps"][0]["valueInteger"] > 0
    issues = Validator(definitions_in(definitions_folder())).validate(answer.json())
    assert [each for each in issues if each.severity == "error"] == []


def test_all_types_a_compartment_and_a_form_are_explained_too(client: httpx.Client) -> None:
    everywhere = told(client.get("?_type=Patient,Task&_explain=true"))
    within = told(client.get("Patient/x-ada/Observation?_explain=true"))
    form = told(client.post("Patient/_search", data={"_id": "x-ada", "_explain": "true"}))

    assert [parts(each, "name") for each in everywhere["type"]] == [["Patient"], ["Task"]]
    assert parts(within["type"][0], "name") == ["Observation"]
    assert parts(form["type"][0], "ledBy") == ["Patient._id is x-ada"]
