"""Writes through the hub: to the one member that holds the resource, once, and never with a doubt left unsaid."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx2 as httpx
import pytest

from fhir_server.conformance.definitions import definitions_in
from fhir_server.federation.lines import Line
from fhir_server.federation.members import Credentials, Member
from fhir_server.federation.transport import Failed, Reply
from fhir_server.federation.writes import read_writes
from fhir_server.fhir.errors import FhirError, Forbidden, Unavailable, UnknownOutcome
from fhir_server.fhir.json import dump, parse
from fhir_server.offline.enrolling import add_member
from fhir_server.rest.answer import Answer
from fhir_server.rest.content import Streamed
from fhir_server.rest.federated.writing import target_of, write
from fhir_server.rest.request import Request
from fhir_server.rules import federated_writes
from fhir_server.settings import Settings, definitions_folder
from tests.federation.test_lines import Answer as Script
from tests.federation.test_lines import Scripted, after
from tests.rest.trusting import Federation, federation, put
from tests.support.patience import DEADLINE, MEMBER_SECONDS
from tests.support.server import running_server
from tests.support.virtual import in_virtual_time, moment

NETWORKS = ("127.0.0.0/8",)
SLOT = {
    "resourceType": "Slot",
    "id": "s",
    "schedule": {"reference": "Schedule/c"},
    "status": "free",
    "start": "2026-12-01T09:00:00Z",
    "end": "2026-12-01T09:20:00Z",
}
BED = {"resourceType": "Location", "id": "bed", "name": "Bed 1"}
BUSY = [{"op": "replace", "path": "/status", "value": "busy"}]
PATCH = {"content-type": "application/json-patch+json"}


class Base(NamedTuple):
    """The hub's base, and that of its one member."""

    hub: httpx.Client
    member: httpx.Client


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Base]:
    """Return a hub with one member."""
    folder = tmp_path_factory.mktemp("writes")
    settings = Settings(store=f"sqlite:{folder / 'hub.db'}", member_networks=NETWORKS)
    with (
        running_server(folder / "a.db") as member,
        running_server(folder / "hub.db", member_networks=NETWORKS) as hub,
        httpx.Client(base_url=hub.replace("/fhir", "/federated/"), headers=DEADLINE) as client,
        httpx.Client(base_url=member + "/") as own,
    ):
        asyncio.run(add_member(settings, Member("a", "A", member, seconds=MEMBER_SECONDS)))
        yield Base(client, own)


@pytest.fixture
def slot(base: Base) -> str:
    """Return the ETag of a Slot that is free."""
    written = base.member.put("Slot/s", json=SLOT)
    assert written.status_code in {200, 201}
    return written.headers["etag"]


def asked(method: str = "PUT", body: object = SLOT, **headers: str) -> Request:
    """Return a request to write a Slot."""
    content = dump(body)

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": content, "more_body": False}

    told = {"if-match": 'W/"1"', "content-type": "application/fhir+json"} | headers
    encoded = {name.replace("_", "-").encode(): value.encode() for name, value in told.items()}
    streamed = Streamed(receive, str(len(content)).encode(), 10_000)
    return Request(method, ("a", "Slot", "s"), "", encoded, "http://hub/federated", streamed)


def outcome(script: Script) -> Answer | FhirError:
    """Return what comes of a write to a member that answers so, within five seconds."""
    line = Line(Member("a", "A", "https://a.example/fhir"), Scripted(script), moment)
    request = asked()

    async def story() -> Answer | FhirError:
        try:
            return await write(line, target_of(request, federated_writes()), request, until=5.0)
        except FhirError as error:
            return error

    return in_virtual_time(story())


def answered(status: int, body: bytes = b"", **headers: str) -> Script:
    async def answer(_: int) -> Reply:
        return Reply(status, headers, body)

    return answer


def failing(*, sent: bool) -> Script:
    async def answer(_: int) -> Reply:
        raise Failed("error", "the connection failed", again=0, sent=sent)

    return answer


@pytest.mark.parametrize(
    "script",
    [answered(500), answered(502), answered(503), answered(302), failing(sent=True), after(9.0)],
    ids=range(6),
)
def test_where_the_member_gave_no_clear_answer_it_is_said_that_nobody_knows(script: Script) -> None:
    found = outcome(script)
    assert isinstance(found, UnknownOutcome)
    assert "not known" in str(found)
    assert "a/Slot/s" in str(found)


@pytest.mark.parametrize("script", [failing(sent=False), answered(429)], ids=range(2))
def test_where_nothing_was_written_that_is_said(script: Script) -> None:
    found = outcome(script)
    assert isinstance(found, Unavailable)
    assert "Nothing was written" in str(found)


@pytest.mark.parametrize("status", [401, 403])
def test_a_member_that_does_not_let_the_hub_write_takes_nobodys_token(status: int) -> None:
    assert isinstance(outcome(answered(status)), Forbidden)


def test_what_is_no_fhir_is_not_handed_on() -> None:
    found = outcome(answered(412, b"<html>no</html>"))
    assert isinstance(found, Answer)
    assert found.status == 412
    assert parse(found.body)["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("a/Patient/p", {"if-match": 'W/"1"'}, 403),
        ("b/Slot/s", {"if-match": 'W/"1"'}, 404),
        ("a/Slot/s", {}, 428),
        ("a/Slot/s", {"if-match": "*"}, 428),
        ("a/Slot/s", {"if-match": 'W/"1"', "if-none-match": "*"}, 400),
        ("a/Slot/$s", {"if-match": 'W/"1"'}, 400),
        ("a/Slot/other", {"if-match": 'W/"1"'}, 400),
        ("a/Slot/s", {"if-match": 'W/"1"', "content-type": "text/plain"}, 415),
    ],
)
def test_what_is_not_to_be_written_is_refused_before_anybody_is_asked(
    base: Base, slot: str, path: str, headers: dict[str, str], status: int
) -> None:
    told = {"content-type": "application/json"} | headers
    refused = base.hub.put(path, content=dump(SLOT), headers=told)
    assert refused.status_code == status, refused.text
    assert refused.json()["resourceType"] == "OperationOutcome"
    assert base.member.get("Slot/s").headers["etag"] == slot


def test_of_two_who_book_the_same_slot_one_is_told_so_by_the_member(base: Base, slot: str) -> None:
    headers = PATCH | {"if-match": slot}
    booked, late = (
        base.hub.patch("a/Slot/s", content=dump(BUSY), headers=headers) for _ in range(2)
    )
    assert (booked.status_code, late.status_code) == (200, 412)
    assert booked.content == base.member.get("Slot/s").content
    assert booked.headers["etag"] == base.member.get("Slot/s").headers["etag"]
    assert late.json()["resourceType"] == "OperationOutcome"


def test_a_bed_is_closed_at_the_member_that_has_it(base: Base) -> None:
    tag = base.member.put("Location/bed", json=BED).headers["etag"]
    closed = BED | {"operationalStatus": {"code": "C"}}
    headers = {"if-match": tag, "prefer": "return=minimal"}
    written = base.hub.put("a/Location/bed", json=closed, headers=headers)
    assert (written.status_code, written.content) == (200, b"")
    assert base.member.get("Location/bed").json()["operationalStatus"] == {"code": "C"}


@pytest.mark.parametrize("table", [b"[]", b'{"Slot": ["delete"]}', b'{"Slott": ["update"]}'])
def test_a_table_that_cannot_be_meant_is_refused(table: bytes) -> None:
    with pytest.raises(ValueError, match="table of federated writes"):
        read_writes(table, definitions_in(definitions_folder()).resource_types)


CLERK = {"role": "R8009", "purpose": "PATADMIN"}
BOTH = ("system/*.rs", "system/Slot.ru")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """Return a hub and a member that ask for tokens; the member lets the hub change Slots for its callers."""
    with federation(tmp_path_factory.mktemp("guarded"), "a") as found:
        found.register(scopes=BOTH)
        found.enrol("a", credentials=Credentials("hub", "", BOTH))
        yield found


@pytest.fixture
def free(guarded: Federation) -> str:
    """Return the ETag of a Slot that is free at the member that asks for tokens."""
    with guarded.members["a"].client() as client:
        put(client, SLOT)
    return tag_of(guarded)


def tag_of(guarded: Federation) -> str:
    with guarded.members["a"].client() as client:
        return str(client.get("Slot/s").headers["etag"])


def patched(guarded: Federation, tag: str, **claims: Any) -> httpx.Response:
    """Return what a caller is answered who books the Slot."""
    with guarded.client(**claims) as client:
        return client.patch("a/Slot/s", content=dump(BUSY), headers=PATCH | {"if-match": tag})


@pytest.mark.parametrize(
    "claims",
    [
        {"scope": "user/Slot.rs", **CLERK},
        {"scope": "user/Slot.rus", "role": "R8012", "purpose": "HOPERAT"},
    ],
    ids=["no scope to change", "another purpose than care"],
)
def test_who_may_not_change_a_slot_changes_none_elsewhere(
    guarded: Federation, free: str, claims: dict[str, Any]
) -> None:
    assert patched(guarded, free, **claims).status_code == 403
    assert tag_of(guarded) == free


def test_a_member_that_lets_the_hub_read_alone_is_not_written(
    guarded: Federation, free: str
) -> None:
    guarded.enrol("a", credentials=Credentials("hub", "", ("system/*.rs",)))
    try:
        refused = patched(guarded, free, scope="user/Slot.rus", **CLERK)
        assert refused.status_code == 403
        assert "does not let this server write" in refused.text
    finally:
        guarded.enrol("a", credentials=Credentials("hub", "", BOTH))


def test_a_clerk_books_a_slot_at_a_member_in_the_clerks_own_name(
    guarded: Federation, free: str
) -> None:
    booked = patched(guarded, free, scope="user/Slot.rus", **CLERK)
    assert booked.status_code == 200, booked.text
    assert booked.json()["status"] == "busy"
    assert patched(guarded, free, scope="user/Slot.rus", **CLERK).status_code == 412
