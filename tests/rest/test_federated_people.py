"""Records of one person are told to be that, by verified NHS numbers, and stay what they are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from fhir_server.federation.members import Member
from fhir_server.offline.enrolling import add_member
from fhir_server.rest.federated.pages import PERSON
from fhir_server.settings import Settings
from tests.rest.trusting import NETWORKS, a_patient, identifier, put
from tests.support.server import running_server

HELD: dict[str, Sequence[dict[str, Any]]] = {
    "a": (
        a_patient("ada", 0, birthDate="1980-01-01"),
        a_patient("bob", 1, birthDate="1980-01-02"),
        a_patient("cy", birthDate="1980-01-03", identifier=[identifier(2, "03")]),
    ),
    "b": (
        a_patient("x", birthDate="1980-01-04", identifier=[identifier(0, "01")]),
        a_patient("y", 2, birthDate="1980-01-05"),
        a_patient("z", birthDate="1980-01-06", identifier=[identifier(1) | {"use": "old"}]),
        {
            "resourceType": "Account",
            "id": "of-x",
            "status": "active",
            "subject": [{"reference": "Patient/x"}],
        },
    ),
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Return a client of a hub with two members that know some of the same people."""
    folder: Path = tmp_path_factory.mktemp("people")
    settings = Settings(store=f"sqlite:{folder / 'hub.db'}", member_networks=NETWORKS)
    with (
        running_server(folder / "a.db") as first,
        running_server(folder / "b.db") as second,
        running_server(folder / "hub.db", member_networks=NETWORKS) as base,
        httpx.Client(base_url=base.replace("/fhir", "/federated/"), timeout=30) as client,
    ):
        for name, url in (("a", first), ("b", second)):
            with httpx.Client(base_url=url + "/", timeout=30) as member:
                put(member, *HELD[name])
            asyncio.run(add_member(settings, Member(name, name.upper(), url)))
        yield client


def names(hub: httpx.Client, query: str, type_: str = "Patient") -> dict[str, str | None]:
    """Return by what each Patient on all pages is known as somebody, None for nothing, by its id."""
    found: dict[str, str | None] = {}
    url: str | None = f"{type_}?{query}"
    while url is not None:
        page = hub.get(url).json()
        for each in page["entry"]:
            if each["resource"]["resourceType"] == "Patient":
                told = [one for one in each["extension"] if one["url"] == PERSON]
                found[each["resource"]["id"]] = told[0]["valueString"] if told else None
        links = {each["relation"]: each["url"] for each in page["link"]}
        url = links.get("next")
    return found


def test_who_has_no_number_that_is_verified_and_in_force_is_nobody_else(hub: httpx.Client) -> None:
    found = names(hub, "")
    assert (found["cy"], found["z"]) == (None, None)
    assert found["bob"] not in {None, found["ada"], found["y"]}


@pytest.mark.parametrize(
    "query", ["_sort=birthdate&_count=1", "_count=2", "_elements=birthDate&_count=50"]
)
def test_records_of_one_person_have_one_name_on_whatever_page_they_stand(
    hub: httpx.Client, query: str
) -> None:
    found = names(hub, query)
    assert len(found) == 6
    assert found["ada"] == found["x"] is not None


def test_another_search_names_the_same_person_otherwise(hub: httpx.Client) -> None:
    first, second = names(hub, "_count=50"), names(hub, "_count=51")
    assert first == names(hub, "_count=50")
    assert set(first.values()) & set(second.values()) == {None}


def test_who_is_included_has_a_name_too(hub: httpx.Client) -> None:
    assert names(hub, "_include=Account:subject", "Account")["x"] is not None


def test_nothing_is_made_one(hub: httpx.Client) -> None:
    page = hub.get("Patient?identifier=9990000018").json()
    assert page["total"] == 2
    resources = [each["resource"] for each in page["entry"] if each["search"]["mode"] == "match"]
    assert {each["id"]: each.get("birthDate") for each in resources} == {
        "ada": "1980-01-01",
        "x": "1980-01-04",
    }
