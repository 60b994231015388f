"""An app that may see laboratory results alone: through every door, and as if there were nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from tests.rest.access import Guarded, guarded

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
LABORATORY = f"Observation.cruds?category={CATEGORY}|laboratory"


def an_observation(name: str, category: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "category": [{"coding": [{"system": CATEGORY, "code": category}]}],
        "code": {"text": "x"},
        "subject": {"reference": "Patient/ada"},
        **more,
    }


VITAL = an_observation("vital", "vital-signs")
RESOURCES = [
    {"resourceType": "Patient", "id": "ada", "name": [{"family": "Lovelace"}]},
    VITAL,
    an_observation("lab", "vital-signs"),
    an_observation("lab", "laboratory", hasMember=[{"reference": "Observation/vital"}]),
    an_observation("changed", "laboratory"),
    an_observation("changed", "vital-signs"),
    an_observation("gone", "laboratory"),
]
HIDDEN = ["vital", "changed", "gone"]


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Serve one patient with results of two kinds."""
    with guarded(tmp_path_factory.mktemp("granular") / "fhir.db") as served:
        with served.client() as client:
            for each in RESOURCES:
                path = f"{each['resourceType']}/{each['id']}"
                client.put(path, json=each).raise_for_status()
            client.delete("Observation/gone").raise_for_status()
        yield served


@pytest.fixture(scope="module", params=["user", "patient"])
def app(there: Guarded, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """Return the client of an app with one such scope, of either context."""
    scopes = f"{request.param}/{LABORATORY} user/Patient.rs"
    with there.client(scopes, patient="ada") as client:
        yield client


def names(bundle: dict[str, Any]) -> list[str]:
    return sorted(each["fullUrl"].rpartition("/")[2] for each in bundle.get("entry", ()))


@pytest.mark.parametrize("name", HIDDEN)
@pytest.mark.parametrize("rest", ["", "/_history", "/_history/1"])
def test_what_is_of_another_kind_now_is_answered_as_absent(
    app: httpx.Client, name: str, rest: str
) -> None:
    hidden, absent = app.get(f"Observation/{name}{rest}"), app.get(f"Observation/none{rest}")

    assert hidden.status_code == absent.status_code == 404
    assert hidden.text.replace(name, "none") == absent.text


def test_a_past_version_is_seen_by_what_it_was(app: httpx.Client) -> None:
    assert app.get("Observation/lab/_history/2").status_code == 200
    assert app.get("Observation/lab/_history/1").status_code == 404
    assert len(app.get("Observation/lab/_history").json()["entry"]) == 1
    assert names(app.get("Observation/_history").json()) == ["lab"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("Observation", ["lab"]),
        ("Observation?category=vital-signs", []),
        ("Observation?_id=vital,lab", ["lab"]),
        ("Observation?_sort=-date", ["lab"]),
        ("Observation?status=final&_sort=status", ["lab"]),
        ("Observation?has-member:Observation.status=final", []),
        ("Observation?_include=Observation:has-member", ["lab"]),
        ("Patient?_revinclude=Observation:subject", ["ada", "lab"]),
        ("Patient?_has:Observation:patient:category=vital-signs", []),
        ("Patient?_has:Observation:patient:category=laboratory", ["ada"]),
        ("Patient/ada/Observation", ["lab"]),
        ("Patient/ada/$everything", ["ada", "lab"]),
        ("Observation/$lastn?patient=ada&max=9", ["lab"]),
        ("Observation?_content=x", ["lab"]),
    ],
)
def test_a_search_finds_what_is_of_its_kind(
    app: httpx.Client, query: str, found: list[str]
) -> None:
    assert names(app.get(query).raise_for_status().json()) == found


def test_a_count_counts_what_is_of_its_kind(app: httpx.Client) -> None:
    assert app.get("Observation?_summary=count").json()["total"] == 1
    assert app.get("Observation?category=vital-signs&_count=0").json()["total"] == 0


def test_nothing_is_made_or_changed_that_is_of_another_kind(
    there: Guarded, app: httpx.Client
) -> None:
    new = {name: value for name, value in VITAL.items() if name != "id"}
    change = [{"op": "replace", "path": "/category/0/coding/0/code", "value": "vital-signs"}]
    kind = {"content-type": "application/json-patch+json"}

    assert app.post("Observation", json=new).status_code == 403
    assert app.put("Observation/lab", json=VITAL | {"id": "lab"}).status_code == 403
    assert app.patch("Observation/lab", json=change, headers=kind).status_code == 403
    for name in (*HIDDEN, "none"):
        mine = an_observation(name, "laboratory")
        assert app.put(f"Observation/{name}", json=mine).status_code == 405
        assert app.patch(f"Observation/{name}", json=change, headers=kind).status_code == 404
        assert app.delete(f"Observation/{name}").status_code == 204
    with there.client() as all_of_it:
        assert all_of_it.get("Observation/vital").status_code == 200


def test_what_is_of_its_kind_is_made_changed_and_deleted(tmp_path: Path) -> None:
    new = {name: value for name, value in an_observation("", "laboratory").items() if name != "id"}
    with guarded(tmp_path / "fhir.db") as there, there.client(f"user/{LABORATORY}") as app:
        made = app.post("Observation", json=new)
        place = f"Observation/{made.json()['id']}"
        changed = app.put(place, json=made.json() | {"status": "amended"})
        deleted = app.delete(place)
        after = app.get(place)

    assert (made.status_code, changed.status_code, deleted.status_code) == (201, 200, 204)
    assert after.status_code == 404


def test_a_scope_whose_parameters_are_unknown_gives_no_right(there: Guarded) -> None:
    with there.client("user/Observation.rs?unheard-of=1") as client:
        refused = client.get("Observation")

    assert refused.status_code == 403
    assert "search parameters" in refused.text
