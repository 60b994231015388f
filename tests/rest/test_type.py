"""[type] over HTTP: creates, conditional interactions, searches and their pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2 as httpx
import pytest

SYSTEM = "http://example.org/type"


def a_patient(value: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": value}], **more}


def links(bundle: dict[str, Any]) -> dict[str, str]:
    return {each["relation"]: each["url"] for each in bundle["link"]}


def pages(client: httpx.Client, url: str) -> Iterator[dict[str, Any]]:
    following: str | None = url
    while following:
        bundle = client.get(following).raise_for_status().json()
        yield bundle
        following = links(bundle).get("next")


@pytest.fixture(scope="module", autouse=True)
def weights(base: str) -> None:
    """Store 25 observations of one patient."""
    with httpx.Client(base_url=base + "/") as client:
        client.put(
            "Patient/t-weighed", json=a_patient("t-weighed", id="t-weighed")
        ).raise_for_status()
        for number in range(25):
            body = {
                "resourceType": "Observation",
                "id": f"t-{number}",
                "status": "final",
                "code": {"coding": [{"system": SYSTEM, "code": "weight"}]},
                "subject": {"reference": "Patient/t-weighed"},
                "effectiveDateTime": f"2026-01-{number + 1:02}",
            }
            client.put(f"Observation/t-{number}", json=body).raise_for_status()


def test_an_altered_or_borrowed_cursor_is_refused(client: httpx.Client) -> None:
    first = client.get("Observation", params={"code": "weight", "_count": "10"}).json()
    following = links(first)["next"]
    cursor = parse_qs(urlsplit(following).query)["_cursor"][0]
    swapped = ("B" if cursor[20] == "A" else "A").join((cursor[:20], cursor[21:]))

    altered = client.get(following.replace(cursor, swapped))
    borrowed = client.get(following.replace("_count=10", "_count=11"))
    elsewhere = client.get(following.replace("/Observation?", "/Condition?"))

    assert [each.status_code for each in (altered, borrowed, elsewhere)] == [400, 400, 400]
    assert client.get(following).status_code == 200


def test_a_chain_that_leads_nowhere_is_refused(client: httpx.Client) -> None:
    answer = client.get("Observation", params={"subject:Patient.nam": "x"})

    assert answer.status_code == 400
    assert "did you mean name?" in answer.json()["issue"][0]["diagnostics"]


def test_the_pages_of_a_chain_follow_each_other(client: httpx.Client) -> None:
    query = f"Observation?subject:Patient.identifier={SYSTEM}%7Ct-weighed&_count=10"

    found = [len(each["entry"]) for each in pages(client, query)]
    (patient,) = client.get("Patient?_has:Observation:patient:code=weight").json()["entry"]

    assert found == [10, 10, 5]
    assert patient["resource"]["id"] == "t-weighed"


def test_the_pages_of_a_list_follow_each_other_over_all_types(client: httpx.Client) -> None:
    references = ["Patient/t-weighed", *(f"Observation/t-{each}" for each in range(4))]
    named = {
        "resourceType": "List",
        "status": "current",
        "mode": "working",
        "entry": [{"item": {"reference": each}} for each in references],
    }
    client.put("List/t-list", json=named | {"id": "t-list"}).raise_for_status()

    found = [
        f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
        for page in pages(client, "?_list=t-list&_count=2")
        for entry in page["entry"]
    ]

    assert sorted(found) == sorted(references)
    assert client.get("Observation?_list=t-list&_summary=count").json()["total"] == 4
    refused = client.get("Observation?_list=$current-allergies")
    assert refused.status_code == 400
    assert "_list=$current-allergies" in refused.json()["issue"][0]["diagnostics"]


def test_the_places_within_a_place_are_found(client: httpx.Client) -> None:
    for name, whole in (("t-site", None), ("t-ward", "t-site"), ("t-bed", "t-ward")):
        place: dict[str, Any] = {"resourceType": "Location", "id": name}
        if whole is not None:
            place["partOf"] = {"reference": f"Location/{whole}"}
        client.put(f"Location/{name}", json=place).raise_for_status()

    bundle = client.get("Location", params={"partof:below": "t-site", "_sort": "_id"}).json()

    assert [each["resource"]["id"] for each in bundle["entry"]] == ["t-bed", "t-ward"]
    assert "partof%3Abelow=t-site" in links(bundle)["self"]


def test_a_create_gets_an_id_and_a_location(client: httpx.Client) -> None:
    answer = client.post("Patient", json=a_patient("t1", id="mine"))

    logical_id = answer.json()["id"]
    assert answer.status_code == 201
    assert logical_id != "mine"
    assert answer.headers["location"] == f"{client.base_url}Patient/{logical_id}/_history/1"


def test_a_conditional_create_finds_what_is_there(client: httpx.Client) -> None:
    headers = {"if-none-exist": f"identifier={SYSTEM}|t2"}

    first, second = (
        client.post("Patient", json=a_patient("t2"), headers=headers) for _ in range(2)
    )

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]


def test_a_conditional_update_creates_then_changes(client: httpx.Client) -> None:
    url = f"Patient?identifier={SYSTEM}|t3&_format=json"

    first = client.put(url, json=a_patient("t3"))
    second = client.put(url, json=a_patient("t3", active=True))

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert second.json()["active"] is True


def test_a_conditional_patch_and_delete_concern_the_match(client: httpx.Client) -> None:
    client.post("Patient", json=a_patient("t4"))
    url = f"Patient?identifier={SYSTEM}|t4"
    change = b'[{"op":"add","path":"/active","value":true}]'

    patched = client.patch(
        url, content=change, headers={"content-type": "application/json-patch+json"}
    )
    deleted, again = client.delete(url), client.delete(url)

    assert patched.json()["active"] is True
    assert (deleted.status_code, again.status_code) == (204, 204)
    assert client.get(url).json()["total"] == 0


def test_the_pages_of_a_search_hold_each_match_once(client: httpx.Client) -> None:
    bundles = list(pages(client, "Observation?code=weight&_sort=date&_count=10"))

    ids = [each["resource"]["id"] for bundle in bundles for each in bundle["entry"]]
    assert ids == [f"t-{number}" for number in range(25)]
    assert [set(links(each)) for each in bundles] == [
        {"self", "next"},
        {"self", "first", "next"},
        {"self", "first"},
    ]


def test_a_page_in_xml_leads_to_a_page_in_xml(client: httpx.Client) -> None:
    first = client.get("Observation?code=weight&_count=24&_format=xml&_pretty=true")
    following = next(
        line.split('"')[1].replace("&amp;", "&")
        for line in first.text.splitlines()
        if "_cursor" in line
    )

    second = client.get(following)

    assert second.headers["content-type"].startswith("application/fhir+xml")
    assert second.text.count("<Observation>") == 1


def test_the_self_link_tells_what_was_applied(client: httpx.Client) -> None:
    params = {"code": "weight", "nmae": "x", "_count": "1"}
    answer = client.get("Observation", params=params, headers={"prefer": "handling=lenient"})

    bundle = answer.json()
    assert links(bundle)["self"] == f"{client.base_url}Observation?code=weight&_count=1"
    modes = [each["search"]["mode"] for each in bundle["entry"]]
    assert modes == ["match", "outcome"]
    assert "nmae" in bundle["entry"][1]["resource"]["issue"][0]["diagnostics"]


def test_a_search_by_form_has_the_links_of_a_get(client: httpx.Client) -> None:
    answer = client.post("Observation/_search?_count=10", data={"code": f"{SYSTEM}|weight"})

    bundle = answer.json()
    assert links(bundle)["self"] == f"{client.base_url}Observation?_count=10&code={SYSTEM}%7Cweight"
    assert len(client.get(links(bundle)["next"]).json()["entry"]) == 10


def test_an_included_resource_is_marked(client: httpx.Client) -> None:
    params = {"_id": "t-1", "_include": "Observation:subject", "_elements": "status"}
    bundle = client.get("Observation", params=params).json()

    match, included = bundle["entry"]
    assert (match["search"]["mode"], included["search"]["mode"]) == ("match", "include")
    assert "subject" not in match["resource"]
    assert included["resource"]["identifier"]
    assert included["fullUrl"] == f"{client.base_url}Patient/t-weighed"
    assert bundle["total"] == 1


def test_a_count_has_no_entries(client: httpx.Client) -> None:
    bundle = client.get("Observation?code=weight&_summary=count").json()

    assert bundle["total"] == 25
    assert "entry" not in bundle


def test_a_total_is_told_where_it_is_asked_for(client: httpx.Client) -> None:
    asked = client.get("Observation?code=weight&_count=1&_total=accurate").json()
    not_asked = client.get("Observation?code=weight&_count=1").json()

    assert asked["total"] == 25
    assert "total" not in not_asked


def test_a_history_is_paged_too(client: httpx.Client) -> None:
    bundles = list(pages(client, "Observation/_history?_count=10"))

    ids = [each["resource"]["id"] for bundle in bundles for each in bundle["entry"]]
    weighed = [each for each in ids if each.startswith("t-")]
    assert weighed == [f"t-{number}" for number in reversed(range(25))]
    assert all(each["type"] == "history" for each in bundles)


def test_a_history_can_be_a_summary(client: httpx.Client) -> None:
    bundle = client.get("Observation/_history?_elements=code&_count=1").json()

    assert "subject" not in bundle["entry"][0]["resource"]
    assert client.get("Observation/_history?_elements=shoe").status_code == 400


def test_a_search_by_form_without_a_form_is_one_by_url(client: httpx.Client) -> None:
    bundle = client.post("Observation/_search?code=weight&_summary=count").json()

    assert bundle["total"] == 25
