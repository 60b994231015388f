"""Operations on the members of a federation: who may, what is refused, and what they do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2 as httpx
import pytest

from fhir_server.federation.members import Credentials
from fhir_server.offline.enrolling import check_members, members_of
from fhir_server.settings import Settings
from fhir_server.storage.sqlite.store import open_store
from tests.rest.access import a_client, guarded
from tests.support.server import running_server

NETWORKS = ("127.0.0.0/8",)
NOW = 1_750_000_000_000_000
FHIR = {"content-type": "application/fhir+json"}


class Hub(NamedTuple):
    """A hub without members, and a server that could be one."""

    client: httpx.Client
    node: httpx.Client
    server: str
    settings: Settings


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """Return a hub that tests share."""
    folder = tmp_path_factory.mktemp("membership")
    with (
        running_server(folder / "a.db") as server,
        running_server(folder / "hub.db", member_networks=NETWORKS) as base,
        httpx.Client(base_url=base.replace("/fhir", "/federated/")) as client,
        httpx.Client(base_url=base + "/") as node,
    ):
        settings = Settings(store=f"sqlite:{folder / 'hub.db'}", member_networks=NETWORKS)
        yield Hub(client, node, server, settings)


@pytest.fixture
def hub(running: Hub) -> Iterator[Hub]:
    """Return the hub, and take out again who was taken in."""
    yield running
    asked(running, "remove", id="a")


def body(**values: Any) -> dict[str, Any]:
    kinds = {bool: "valueBoolean", str: "valueString", float: "valueDecimal"}
    told = [{"name": name, kinds[type(value)]: value} for name, value in values.items()]
    return {"resourceType": "Parameters", **({"parameter": told} if told else {})}


def asked(hub: Hub, operation: str, **values: Any) -> httpx.Response:
    return hub.client.post(f"$member-{operation}", json=body(**values), headers=FHIR)


def member(answer: httpx.Response) -> dict[str, Any]:
    """Return the one member that an answer tells of, by the names of the parts."""
    assert answer.status_code == 200, answer.text
    (told,) = answer.json()["parameter"]
    return {
        part["name"]: next((value for name, value in part.items() if name != "name"), None)
        for part in told["part"]
    }


@pytest.mark.parametrize(
    ("operation", "values", "told"),
    [
        ("add", {}, "parameter id is missing"),
        ("add", {"id": "a"}, "parameter address is missing"),
        ("add", {"id": "a", "address": "http://127.0.0.1:9/fhir"}, "the connection failed"),
        ("add", {"id": "a", "address": "http://10.0.0.1/fhir"}, "not public"),
        ("add", {"id": "A", "address": "SERVER"}, "is no id of a member"),
        ("add", {"id": "a", "address": "SERVER", "colour": "red"}, "no parameter 'colour'"),
        ("add", {"id": "a", "address": "SERVER", "seconds": "soon"}, "seconds is 'soon'"),
        ("add", {"id": "a", "address": "SERVER", "required": "maybe"}, "required is 'maybe'"),
        (
            "add",
            {"id": "a", "address": "SERVER", "token-url": "https://a.example/token"},
            "parameter client-id is missing",
        ),
        (
            "add",
            {"id": "a", "address": "SERVER", "client-id": "hub", "open": "true"},
            "parameter open: a member is asked with tokens",
        ),
        (
            "add",
            {"id": "a", "address": "SERVER", "client-id": "hub", "token-url": "http://a.example/"},
            "parameter token-url http://a.example/: this is a URL with https://",
        ),
        (
            "add",
            {"id": "a", "address": "SERVER", "client-id": "hub", "scopes": "user/*.rs"},
            "parameter scopes user/*.rs: system/ scopes",
        ),
        (
            "add",
            {"id": "a", "address": "SERVER", "client-id": "hub"},
            "was not added: it answered 404",
        ),
        ("check", {"id": "a"}, "no member 'a'"),
        ("suspend", {"id": "a"}, "no member 'a'"),
        ("resume", {"id": "a"}, "no member 'a'"),
        ("remove", {"id": "a"}, "no member 'a'"),
        ("remove", {}, "parameter id is missing"),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_reason(
    hub: Hub, operation: str, values: dict[str, Any], told: str
) -> None:
    given = {name: hub.server if value == "SERVER" else value for name, value in values.items()}
    refused = asked(hub, operation, **given)
    assert refused.status_code in {400, 404}
    assert told in refused.json()["issue"][0]["diagnostics"]
    assert "parameter" not in hub.client.get("$members").json()


def test_what_a_page_of_any_origin_could_send_changes_nothing(hub: Hub) -> None:
    query = f"$member-add?id=a&address={hub.server}"
    form = {"id": "a", "address": hub.server}
    assert hub.client.post(query).status_code == 400
    assert hub.client.post("$member-add", data=form).status_code == 415
    assert (
        hub.client.post(
            "$member-add", content="x", headers={"content-type": "text/plain"}
        ).status_code
        == 415
    )
    assert hub.client.get(query).status_code == 405
    assert "parameter" not in hub.client.get("$members").json()


def test_who_has_no_right_to_endpoints_is_refused(tmp_path: Path) -> None:
    with guarded(tmp_path / "hub.db") as node:
        base = node.base.replace("/fhir", "/federated")

        def status(method: str, path: str, scope: str, **changes: str) -> int:
            token = node.token(scope=scope, **changes)
            headers = {"authorization": f"Bearer {token}", **FHIR}
            with a_client(base) as client:
                return client.request(
                    method, path, json=None if method == "GET" else body(id="a"), headers=headers
                ).status_code

        with a_client(base) as client:
            assert client.get("/$members").status_code == 401
        assert status("GET", "/$members", "system/Patient.rs") == 403
        assert status("GET", "/$members", "system/Endpoint.rs") == 200
        for operation in ("add", "check", "suspend", "resume", "remove"):
            assert status("POST", f"/$member-{operation}", "system/Endpoint.rs") == 403
            assert status("POST", f"/$member-{operation}", "user/*.cruds", role="R8000") == 403
        assert status("POST", "/$member-remove", "system/Endpoint.cruds") == 404


def test_a_server_is_taken_in_and_is_an_endpoint_as_any_other(hub: Hub) -> None:
    told = member(asked(hub, "add", id="a", address=hub.server, name="A", organisation="RXX01"))
    assert (told["id"], told["address"], told["fhirVersion"]) == ("a", hub.server, "4.0.1")
    assert told["organisation"]["value"] == "RXX01"
    assert told["types"] > 140
    assert told["maximumCount"] == 1_000
    assert "pages of 1000 at most; modifiers [type], above, below, contains" in told["searches"]
    found = hub.node.get("Endpoint?organization.identifier=RXX01&status=active").json()
    assert [each["resource"]["address"] for each in found["entry"]] == [hub.server]
    assert hub.client.get("Patient").status_code == 200
    assert member(hub.client.get("$members"))["id"] == "a"


def test_what_is_said_of_credentials_is_kept_and_never_answered_back(hub: Hub) -> None:
    secret = {
        "client-id": "our-client-there",
        "token-url": "https://tokens.example/here",
        "scopes": "system/Slot.rs",
    }

    added = asked(hub, "add", id="a", address=hub.server, **secret, untold=True)

    assert member(added)["id"] == "a"
    answers = [added, asked(hub, "check", id="a"), hub.client.get("$members")]
    answers += [hub.node.get("Endpoint/a"), hub.node.get("Endpoint/a/_history")]
    answers += [httpx.get(str(hub.node.base_url).replace("/fhir/", "/members"))]
    for each in answers:
        assert each.status_code == 200
        assert not [value for value in secret.values() if value in each.text]
    ((kept, _),) = asyncio.run(members_of(hub.settings))
    assert kept.credentials == Credentials(
        "our-client-there", "https://tokens.example/here", ("system/Slot.rs",), on_behalf=False
    )


def test_the_addresses_of_the_hub_are_counted_under_their_names(hub: Hub) -> None:
    hub.client.get("$members")
    hub.client.get("a/Patient/absent")
    asked(hub, "remove", id="a")

    metrics = httpx.get(str(hub.node.base_url).replace("/fhir/", "/metrics")).text

    for method, route, status in (
        ("GET", "/$members", "2xx"),
        ("GET", "/[member]/[type]/[id]", "4xx"),
        ("POST", "/$member-remove", "4xx"),
    ):
        labels = f'{{method="{method}",route="{route}",status="{status}"}}'
        assert f"fhir_request_seconds_count{labels} 0.0" not in metrics
        assert f"fhir_request_seconds_count{labels}" in metrics


def test_a_member_is_suspended_and_resumed(hub: Hub) -> None:
    asked(hub, "add", id="a", address=hub.server)
    assert member(asked(hub, "suspend", id="a"))["standing"] == "not asked"
    assert "is not asked for now" in hub.client.get("Patient").text
    assert member(asked(hub, "resume", id="a"))["standing"] != "not asked"
    assert "is not asked for now" not in hub.client.get("Patient").text


def test_a_member_is_checked_and_its_health_is_told(hub: Hub) -> None:
    asked(hub, "add", id="a", address=hub.server)
    told = member(asked(hub, "check", id="a"))
    assert told["standing"] == "well"
    look = {part["name"]: part for part in told["lastLook"]}
    assert (look["occasion"]["valueCode"], look["status"]["valueCode"]) == ("check", "ok")


def test_a_member_is_removed(hub: Hub) -> None:
    asked(hub, "add", id="a", address=hub.server)
    assert asked(hub, "remove", id="a").json() == {"resourceType": "Parameters"}
    assert hub.node.get("Endpoint/a").status_code == 410


@pytest.mark.parametrize("path", ["Patient/p1", "", "_history", "Patient/_history", "$everything"])
def test_what_members_are_not_asked_together_is_told(hub: Hub, path: str) -> None:
    refused = hub.client.get(path)
    assert refused.status_code == 404, refused.text
    assert refused.json()["issue"][0]["code"] == "not-supported"


async def _leave_behind(store: Path, content: bytes | None) -> None:
    """Have a member as they were kept before there were Endpoints, or none any more."""
    async with open_store(store, clock=lambda: NOW) as opened:
        if content is None:
            await opened.key_values.remove("member", "old")
        else:
            await opened.key_values.put("member", "old", content, now=NOW)


def test_a_hub_that_cannot_be_opened_says_so_and_serves_once_it_can(tmp_path: Path) -> None:
    store = tmp_path / "hub.db"
    asyncio.run(_leave_behind(store, b"no member"))
    with running_server(store) as base, httpx.Client() as client:
        hub, page = base.replace("/fhir", "/federated/$members"), base.replace("/fhir", "/members")
        refused = [client.get(hub), client.get(hub)]
        shown = client.get(page)
        asyncio.run(_leave_behind(store, None))
        served = client.get(hub), client.get(page)

    for each in refused:
        assert each.status_code == 503
        assert each.headers["retry-after"]
        (issue,) = each.json()["issue"]
        assert (issue["code"], "cannot be looked up now" in issue["diagnostics"]) == (
            "transient",
            True,
        )
    assert (shown.status_code, "cannot be looked up now" in shown.text) == (503, True)
    assert [each.status_code for each in served] == [200, 200]


def test_a_check_by_command_is_in_the_history_of_the_member(hub: Hub) -> None:
    asked(hub, "add", id="a", address=hub.server)
    before = member(hub.client.get("$members"))["looks"]

    asyncio.run(check_members(hub.settings, lambda *_: None))

    assert member(hub.client.get("$members"))["looks"] > before
