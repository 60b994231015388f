"""[compartment]/[id]/[type] over HTTP."""

from __future__ import annotations

from typing import Any

import httpx2 as httpx
import pytest

from tests.rest.test_type import links, pages

LOINC = "http://loinc.org"


def an_observation(number: int, subject: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"c-{number}",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "8867-4" if number % 2 else "8480-6"}]},
        "subject": {"reference": subject},
        "effectiveDateTime": f"2026-02-{number + 1:02}",
    } | more


@pytest.fixture(scope="module", autouse=True)
def records(base: str) -> None:
    """Store two patients, and what is known of them."""
    by_her = {"performer": [{"reference": "Patient/c-ada"}]}
    by_staff = {"performer": [{"reference": "Practitioner/c-staff"}]}
    bodies: list[dict[str, Any]] = [
        {"resourceType": "Patient", "id": "c-ada"},
        {"resourceType": "Patient", "id": "c-grace"},
        {"resourceType": "Practitioner", "id": "c-staff"},
        *(an_observation(number, "Patient/c-ada") for number in range(6)),
        an_observation(6, "Patient/c-grace", **by_her),
        an_observation(7, "Patient/c-grace", **by_staff),
        {
            "resourceType": "Flag",
            "id": "c-flag",
            "status": "active",
            "code": {"text": "falls"},
            "subject": {"reference": "Patient/c-ada"},
        },
    ]
    with httpx.Client(base_url=base + "/") as client:
        for each in bodies:
            client.put(f"{each['resourceType']}/{each['id']}", json=each).raise_for_status()


def found(client: httpx.Client, url: str) -> list[str]:
    return [each["fullUrl"].rpartition("/")[2] for each in matches(client, url)]


def matches(client: httpx.Client, url: str) -> list[dict[str, Any]]:
    bundle = client.get(url).raise_for_status().json()
    return [each for each in bundle.get("entry", ()) if each["search"]["mode"] == "match"]


def test_a_cursor_of_another_compartment_is_refused(client: httpx.Client) -> None:
    following = links(client.get("Patient/c-ada/Observation?_count=2").json())["next"]

    for other in ("Patient/c-grace/Observation", "Observation", "Patient/c-ada/*"):
        assert client.get(following.replace("Patient/c-ada/Observation", other)).status_code == 400


@pytest.mark.parametrize(
    "url", ["Patient/c-nobody/Observation", "Patient/c-nobody/*", "Device/c-nobody/*"]
)
def test_nothing_is_in_the_compartment_of_what_is_not_there(client: httpx.Client, url: str) -> None:
    bundle = client.get(url).json()

    assert (bundle["type"], bundle["total"]) == ("searchset", 0)


@pytest.mark.parametrize(
    ("url", "ids"),
    [
        ("Patient/c-ada/Observation", [f"c-{each}" for each in (6, 5, 4, 3, 2, 1, 0)]),
        ("Patient/c-ada/Observation?code=8867-4", ["c-5", "c-3", "c-1"]),
        ("Patient/c-ada/Observation?code=8867-4&_sort=date", ["c-1", "c-3", "c-5"]),
        ("Patient/c-ada/Patient", ["c-ada"]),
        ("Patient/c-grace/Observation", ["c-7", "c-6"]),
        ("Practitioner/c-staff/Observation", ["c-7"]),
        ("Practitioner/c-staff/*", ["c-7", "c-staff"]),
        ("Patient/c-ada/*?_type=Flag,Patient", ["c-flag", "c-ada"]),
    ],
)
def test_a_compartment_holds_what_refers_to_its_owner(
    client: httpx.Client, url: str, ids: list[str]
) -> None:
    assert found(client, url) == ids


def test_the_pages_of_a_compartment_hold_each_match_once(client: httpx.Client) -> None:
    bundles = list(pages(client, "Patient/c-ada/*?_count=4"))

    ids = [each["resource"]["id"] for bundle in bundles for each in bundle["entry"]]
    assert sorted(ids) == sorted([*(f"c-{each}" for each in range(7)), "c-flag", "c-ada"])
    assert links(bundles[0])["self"] == f"{client.base_url}Patient/c-ada/*?_count=4"


def test_a_compartment_is_searched_by_form_too(client: httpx.Client) -> None:
    answer = client.post("Patient/c-ada/Observation/_search", data={"code": "8867-4"})

    bundle = answer.raise_for_status().json()
    assert bundle["total"] == 3
    assert links(bundle)["self"] == f"{client.base_url}Patient/c-ada/Observation?code=8867-4"


def test_what_matches_in_a_compartment_includes_as_elsewhere(client: httpx.Client) -> None:
    bundle = client.get(
        "Patient/c-ada/Observation?performer=Patient/c-ada&_include=Observation:subject"
    ).json()

    modes = {each["resource"]["id"]: each["search"]["mode"] for each in bundle["entry"]}
    assert modes == {"c-6": "match", "c-grace": "include"}


def test_an_entry_of_a_batch_may_search_a_compartment(client: httpx.Client) -> None:
    entry = {"request": {"method": "GET", "url": "Patient/c-ada/Flag"}}
    bundle = client.post("", json={"resourceType": "Bundle", "type": "batch", "entry": [entry]})

    assert bundle.json()["entry"][0]["resource"]["total"] == 1


def test_the_capability_statement_names_the_compartments(client: httpx.Client) -> None:
    (rest,) = client.get("metadata").json()["rest"]

    assert rest["compartment"] == [
        f"http://hl7.org/fhir/CompartmentDefinition/{each}"
        for each in ("device", "encounter", "patient", "practitioner", "relatedperson")
    ]
