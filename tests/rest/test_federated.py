"""The hub's FHIR base over HTTP: a FHIR server like any other, that tells what became of each member."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2 as httpx
import pytest

from fhir_server.demonstration.identifiers import nhs_number
from fhir_server.federation.accounts import AT_LEAST
from fhir_server.federation.members import Member
from fhir_server.offline.enrolling import add_member, remove_member, set_member_status
from fhir_server.policy.personal import NHS_NUMBER
from fhir_server.rest.federated.pages import DUPLICATE
from fhir_server.settings import Settings
from tests.rest.access import a_client, guarded
from tests.support.patience import DEADLINE, MEMBER_SECONDS
from tests.support.server import running_server

NETWORKS = ("127.0.0.0/8",)


class Hub(NamedTuple):
    """A hub, the settings of its store, its members, and where their stores are."""

    client: httpx.Client
    settings: Settings
    members: tuple[str, str]
    folder: Path


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """Return a hub with two members; tests share it, and leave it as it was."""
    folder = tmp_path_factory.mktemp("federated")
    settings = Settings(store=f"sqlite:{folder / 'hub.db'}", member_networks=NETWORKS)
    with (
        running_server(folder / "a.db") as first,
        running_server(folder / "b.db") as second,
        running_server(folder / "hub.db", member_networks=NETWORKS) as base,
        httpx.Client(base_url=base.replace("/fhir", "/federated/"), headers=DEADLINE) as client,
    ):
        for name, url in (("a", first), ("b", second)):
            fill(url)
            asyncio.run(
                add_member(settings, Member(name, name.upper(), url, seconds=MEMBER_SECONDS))
            )
        yield Hub(client, settings, (first, second), folder)


def fill(base: str) -> None:
    """Write what both members hold under the same ids, each as its own."""
    with httpx.Client(base_url=base + "/") as client:
        organisation = {"resourceType": "Organization", "id": "o", "name": "Trust"}
        assert client.put("Organization/o", json=organisation).status_code == 201
        for each in range(5):
            patient = {
                "resourceType": "Patient",
                "id": f"p{each}",
                "birthDate": f"1990-0{each + 1}-01",
                "managingOrganization": {"reference": "Organization/o"},
            }
            assert client.put(f"Patient/p{each}", json=patient).status_code == 201


def matches(bundle: dict[str, Any], mode: str = "match") -> list[dict[str, Any]]:
    return [each for each in bundle["entry"] if each["search"]["mode"] == mode]


def next_of(bundle: dict[str, Any]) -> str:
    (url,) = [each["url"] for each in bundle["link"] if each["relation"] == "next"]
    return str(url)


@pytest.mark.parametrize(
    "asked",
    ["Patiemt", "Patient?colour=red", "Patient?birthdate=tuesday", "Patient?_contained=true"],
)
def test_what_no_server_could_answer_is_refused_before_anybody_is_asked(
    hub: Hub, asked: str
) -> None:
    refused = hub.client.get(asked)
    assert refused.status_code in {400, 404}
    assert refused.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize("seconds", ["", "soon", "0", "-1", "1e9", "nan"])
def test_a_deadline_that_is_none_is_refused(hub: Hub, seconds: str) -> None:
    refused = hub.client.get("Patient", headers={"X-Request-Deadline": seconds})
    assert refused.status_code == 400
    assert "X-Request-Deadline" in refused.text


def test_a_cursor_is_good_for_its_own_query_alone(hub: Hub) -> None:
    url = next_of(hub.client.get("Patient?_count=2").json())
    altered = url[:-1] + ("A" if url[-1] != "A" else "B")
    for wrong in (
        altered,
        url.replace("_count=2", "_count=3"),
        url.replace("/Patient", "/Organization"),
    ):
        refused = hub.client.get(wrong)
        assert refused.status_code == 400, wrong
        assert "_cursor" in refused.text
    assert hub.client.get(url).status_code == 200


@pytest.mark.parametrize(
    ("member", "told"), [("a/Patient/nobody", 404), ("c/Patient/p0", 404), ("a/Patient/$x", 400)]
)
def test_a_member_is_read_only_for_what_it_has(hub: Hub, member: str, told: int) -> None:
    assert hub.client.get(member).status_code == told
    assert hub.client.delete(member).status_code == 405


@pytest.mark.parametrize(
    "path", ["", "Patient/p0", "Patient/_history", "a/Patiemt", "a/nothing/p0/x"]
)
def test_an_address_that_is_not_served_has_no_methods_either(hub: Hub, path: str) -> None:
    for method in ("OPTIONS", "GET"):
        refused = hub.client.request(method, path)
        assert refused.status_code == 404, refused.text
        assert refused.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("a/Slot/s", {"GET", "HEAD", "PATCH", "PUT"}),
        ("a/Patient", {"GET", "HEAD"}),
        ("a/Patient/_search", {"POST"}),
        ("a/Patient/p0/_history/1", {"GET", "HEAD"}),
        ("a/metadata", {"GET", "HEAD"}),
        ("jwks", {"GET", "HEAD"}),
        ("$members", {"GET", "HEAD"}),
    ],
)
def test_options_tell_the_methods_of_each_address_that_is_served(
    hub: Hub, path: str, methods: set[str]
) -> None:
    answer = hub.client.options(path)
    assert answer.status_code == 204, answer.text
    assert set(answer.headers["allow"].split(", ")) - {"OPTIONS"} == methods


def test_without_a_required_member_there_is_no_answer_and_it_is_told_which(hub: Hub) -> None:
    with running_server(hub.folder / "c.db") as third:
        required = Member("c", "C", third, required=True, seconds=MEMBER_SECONDS)
        asyncio.run(add_member(hub.settings, required))
        assert hub.client.get("Patient").status_code == 200
    try:
        refused = hub.client.get("Patient")
        assert refused.status_code == 503
        assert "no answer without c" in refused.text
        assert len(refused.json()["extension"]) == 3
    finally:
        asyncio.run(remove_member(hub.settings, "c"))


def test_a_strict_caller_gets_all_or_nothing(hub: Hub) -> None:
    with running_server(hub.folder / "d.db") as third:
        asyncio.run(add_member(hub.settings, Member("d", "D", third, seconds=MEMBER_SECONDS)))
    try:
        lenient = hub.client.get("Patient?_count=20")
        assert lenient.status_code == 200
        assert len(matches(lenient.json())) == 10
        assert "total" not in lenient.json()
        strict = hub.client.get("Patient", headers={"Prefer": "handling=strict"})
        assert strict.status_code == 503
    finally:
        asyncio.run(remove_member(hub.settings, "d"))


def test_a_member_that_is_suspended_is_not_asked_and_is_told_on_each_page(hub: Hub) -> None:
    whole = hub.client.get("Patient?_count=2").json()
    asyncio.run(set_member_status(hub.settings, "b", "suspended"))
    try:
        for url in ("Patient?_count=20", next_of(whole)):
            page = hub.client.get(url).json()
            assert {each["extension"][0]["valueString"] for each in matches(page)} == {"a"}
            assert "total" not in page
            (outcome,) = matches(page, "outcome")
            issue, bound = outcome["resource"]["issue"]
            assert issue["code"] == "suppressed"
            shown = len(matches(page)) + (0 if url == "Patient?_count=20" else 2)
            assert bound["extension"] == [{"url": AT_LEAST, "valueUnsignedInt": shown}]
            assert "The member b is not asked for now" in issue["diagnostics"]
        refused = hub.client.get("b/Patient/p0")
        assert refused.status_code == 503
        assert "suspended" in refused.text
    finally:
        asyncio.run(set_member_status(hub.settings, "b", "active"))
    assert hub.client.get("Patient?_summary=count").json()["total"] == 10


@pytest.mark.parametrize("query", ["", "&_sort=birthdate", "&_sort=-birthdate&_count=3"])
def test_all_members_are_asked_and_told(hub: Hub, query: str) -> None:
    bundle = hub.client.get(f"Patient?birthdate=ge1990{query}").json()
    assert {each["fullUrl"].rpartition("/Patient/")[0] for each in matches(bundle)} == {
        *hub.members
    }
    (outcome,) = matches(bundle, "outcome")
    assert "2 of 2 members" in outcome["resource"]["issue"][0]["diagnostics"]


def test_the_same_id_at_two_members_is_two_resources(hub: Hub) -> None:
    bundle = hub.client.get("Patient?_id=p1").json()
    assert bundle["total"] == 2
    assert sorted(each["fullUrl"] for each in matches(bundle)) == sorted(
        f"{each}/Patient/p1" for each in hub.members
    )
    assert {each["extension"][0]["valueString"] for each in matches(bundle)} == {"a", "b"}


def test_what_is_the_same_is_shown_once_where_that_is_preferred_on_all_pages(hub: Hub) -> None:
    for each in hub.members:
        with httpx.Client(base_url=each + "/") as member:
            for number in range(3):
                identifier = [{"system": NHS_NUMBER, "value": nhs_number(number)}]
                body = {"resourceType": "Patient", "id": f"same{number}", "identifier": identifier}
                assert member.put(f"Patient/same{number}", json=body).status_code in {200, 201}
    try:
        query = f"Patient?identifier={NHS_NUMBER}|&_count=2"
        answer = hub.client.get(query, headers={"Prefer": "deduplicate=identifier"})
        assert answer.headers["preference-applied"] == "deduplicate=identifier"
        first = answer.json()
        second = hub.client.get(next_of(first)).json()
        shown = [*matches(first), *matches(second)]
        assert len({each["resource"]["id"] for each in shown}) == len(shown) == 3
        parts = [part for each in shown for part in each["extension"][1:]]
        named = [part for part in parts if part["url"] == DUPLICATE]
        left_out = second["entry"][-1]["resource"]["issue"]
        told = [each for each in left_out if each["code"] == "duplicate"]
        assert len(named) + len(told) == 3
        assert {part["extension"][0]["valueString"] for part in named} <= {"a", "b"}
        whole = query.replace("_count=2", "_count=20")
        plain = hub.client.get(whole, headers={"Prefer": "deduplicate=always"})
        assert plain.json()["total"] == 6
        counted = hub.client.get(
            "Patient?_summary=count", headers={"Prefer": "deduplicate=identical"}
        )
        assert counted.status_code == 400
        assert "deduplicate=off" in counted.text
    finally:
        for each in hub.members:
            for number in range(3):
                httpx.delete(f"{each}/Patient/same{number}")


def test_a_form_asks_the_same(hub: Hub) -> None:
    asked = {"birthdate": "1990-02-01"}
    by_form = hub.client.post("Patient/_search", data=asked).json()
    by_url = hub.client.get("Patient", params=asked).json()
    assert [each["fullUrl"] for each in matches(by_form)] == [
        each["fullUrl"] for each in matches(by_url)
    ]


def test_one_member_is_searched_alone_below_its_name(hub: Hub) -> None:
    assert hub.client.get("c/Patient").status_code == 404
    page = hub.client.get("b/Patient?_count=3&_total=accurate").json()
    assert page["total"] == 5
    (account,) = page["entry"][-1]["resource"]["extension"]
    assert account["extension"][0] == {"url": "member", "valueString": "b"}
    following = next_of(page)
    assert following.startswith(f"{hub.client.base_url}b/Patient?")
    # A place in one member's matches is none in those of all.
    assert hub.client.get(following.replace("/b/", "/")).status_code == 400
    assert hub.client.get(following.replace("/b/", "/a/")).status_code == 400

    shown = [*matches(page), *matches(hub.client.get(following).json())]
    assert [each["fullUrl"] for each in shown] == [
        f"{hub.members[1]}/Patient/p{each}" for each in range(4, -1, -1)
    ]
    by_form = hub.client.post("b/Patient/_search", data={"_count": "3", "_total": "accurate"})
    assert matches(by_form.json()) == matches(page)


def test_what_a_member_includes_comes_with_the_matches_that_are_shown(hub: Hub) -> None:
    bundle = hub.client.get("Patient?_sort=birthdate&_count=1&_include=Patient:organization").json()
    (shown,) = matches(bundle)
    base = shown["fullUrl"].rpartition("/Patient/")[0]
    assert [each["fullUrl"] for each in matches(bundle, "include")] == [f"{base}/Organization/o"]


def test_elements_and_summaries_are_the_hubs_own_work(hub: Hub) -> None:
    bundle = hub.client.get("Patient?_elements=id&_sort=birthdate").json()
    assert len(matches(bundle)) == 10
    assert not any("birthDate" in each["resource"] for each in matches(bundle))
    assert hub.client.get("Patient?_summary=count").json()["total"] == 10


def test_a_resource_of_a_member_is_read_as_the_member_has_it(hub: Hub) -> None:
    read = hub.client.get("b/Patient/p2")
    assert read.content == httpx.get(f"{hub.members[1]}/Patient/p2").content


@pytest.mark.parametrize("query", ["?_elements=birthDate", "?_summary=true"])
def test_a_part_of_a_members_resource_is_read_as_anywhere(hub: Hub, query: str) -> None:
    read = hub.client.get(f"b/Patient/p2{query}").json()
    assert read["birthDate"] == "1990-03-01"
    assert read["meta"]["tag"][0]["code"] == "SUBSETTED"


def test_a_members_resource_keeps_its_version_and_is_not_sent_again_to_who_has_it(
    hub: Hub,
) -> None:
    own = httpx.get(f"{hub.members[1]}/Patient/p2")
    read = hub.client.get("b/Patient/p2")
    assert [read.headers[each] for each in ("etag", "last-modified")] == [
        own.headers[each] for each in ("etag", "last-modified")
    ]
    again = hub.client.get("b/Patient/p2", headers={"If-None-Match": read.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = hub.client.get("b/Patient/p2", headers={"If-None-Match": 'W/"7"'})
    assert other.content == read.content


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("b/Organization/w/_history/9", 404, "The member b has no Organization/w/_history/9"),
        ("b/Organization/w/_history/$x", 400, "no logical id"),
        ("b/Organization/nobody/_history", 404, "The member b has no"),
        ("b/Organization/w/_history?_sort=x", 400, "_count"),
        ("b/Organization/w/_history?_count=ten", 400, "The member b refused"),
        ("b/Organization/w/_history?_cursor=x", 400, "_cursor"),
        ("c/metadata", 404, "no member 'c'"),
        ("b/Organization/gone", 410, "has deleted"),
    ],
)
def test_what_a_member_has_not_is_told_as_what_it_is(
    hub: Hub, path: str, status: int, told: str
) -> None:
    with httpx.Client(base_url=hub.members[1] + "/") as member:
        organisation = {"resourceType": "Organization", "id": "gone", "name": "Gone"}
        member.put("Organization/gone", json=organisation)
        member.delete("Organization/gone")
    refused = hub.client.get(path)
    assert refused.status_code == status, refused.text
    assert told in refused.text


def test_the_history_at_a_member_is_its_own_bundle_with_its_pages_led_through_the_hub(
    hub: Hub,
) -> None:
    with httpx.Client(base_url=hub.members[1] + "/") as member:
        for each in range(5):
            body = {"resourceType": "Organization", "id": "w", "name": f"Name {each}"}
            assert member.put("Organization/w", json=body).status_code in {200, 201}
        whole = member.get("Organization/w/_history?_count=50").json()
        second = member.get("Organization/w/_history/2")
    page = hub.client.get("b/Organization/w/_history?_count=2").json()
    entries = list(page["entry"])
    assert str(hub.client.base_url) in next_of(page)
    altered = next_of(page).replace("/w/", "/o/")
    assert hub.client.get(altered).status_code == 400
    while any(each["relation"] == "next" for each in page["link"]):
        page = hub.client.get(next_of(page)).json()
        entries += page["entry"]
    assert entries == whole["entry"]
    assert {each["relation"] for each in page["link"]} == {"self"}

    assert hub.client.get("b/Organization/w/_history/2").content == second.content


def test_a_members_own_statement_is_given_as_it_is(hub: Hub) -> None:
    own = hub.client.get("b/metadata").json()
    assert own == httpx.get(f"{hub.members[1]}/metadata").json()


def test_the_statement_claims_what_is_served_and_no_more(hub: Hub) -> None:
    statement = hub.client.get("metadata").json()
    codes = {
        interaction["code"]
        for each in statement["rest"][0]["resource"]
        for interaction in each["interaction"]
    }
    assert codes == {"search-type"}
    assert statement["rest"][0].get("interaction", []) == []
    assert {each["name"] for each in statement["rest"][0]["operation"]} >= {"members", "member-add"}
    assert "[base]/[member]/[type]/[id]" in statement["rest"][0]["documentation"]
    (patient,) = [each for each in statement["rest"][0]["resource"] if each["type"] == "Patient"]
    assert patient["documentation"] == "Searched at a, b."


def test_a_member_that_is_taken_out_is_asked_no_more(hub: Hub) -> None:
    asyncio.run(remove_member(hub.settings, "b"))
    try:
        assert hub.client.get("Patient?_summary=count").json()["total"] == 5
    finally:
        asyncio.run(
            add_member(hub.settings, Member("b", "B", hub.members[1], seconds=MEMBER_SECONDS))
        )
    assert hub.client.get("Patient?_summary=count").json()["total"] == 10


def test_who_asks_with_a_token_is_refused_until_members_can_be_told_who_that_is(
    tmp_path: Path,
) -> None:
    with guarded(tmp_path / "hub.db") as node:
        base = node.base.replace("/fhir", "/federated")
        with a_client(base) as client:
            assert client.get("/Patient").status_code == 401
            token = node.token(scope="system/*.cruds")
            refused = client.get("/Patient", headers={"authorization": f"Bearer {token}"})
    assert refused.status_code == 403
