"""What goes to a member and what comes back, with respx in the place of the network: https://lundberg.github.io/respx/.

`tests/federation/test_http.py` has what only real sockets can do wrong.
"""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Sequence

import httpcore2
import pytest
import respx

from fhir_server.federation.destinations import Destinations
from fhir_server.federation.http import HttpTransport
from fhir_server.federation.pools import Pools
from fhir_server.federation.transport import Failed

ADDRESS = "93.184.216.34"
URL = "https://trust.example/fhir/Slot?status=free"
BODY = b'{"resourceType":"Bundle"}'


async def resolved(_host: str, _port: int) -> Sequence[str]:
    return (ADDRESS,)


@pytest.fixture
async def transport() -> AsyncIterator[HttpTransport]:
    """Return the way to members, by pools that respx stands behind."""
    async with Pools() as pools:
        yield HttpTransport(pools, Destinations(resolve=resolved))


def answering(mock: respx.MockRouter, method: str = "GET") -> respx.Route:
    """Return the route of the member, at the address that was looked at."""
    return mock.route(method=method, host=ADDRESS, path="/fhir/Slot")


@pytest.mark.parametrize(
    ("raised", "sent"),
    [
        (httpcore2.ConnectError("refused"), False),
        (httpcore2.ReadError("reset"), True),
        (httpcore2.RemoteProtocolError("no HTTP"), True),
    ],
)
async def test_whether_anything_was_sent_is_told(
    httpx2_mock: respx.MockRouter, transport: HttpTransport, raised: Exception, *, sent: bool
) -> None:
    answering(httpx2_mock).mock(side_effect=raised)

    with pytest.raises(Failed) as failed:
        await transport.get(URL, {})

    assert (failed.value.state, failed.value.again, failed.value.sent) == ("error", 0, sent)


async def test_a_redirect_is_answered_and_not_followed(
    httpx2_mock: respx.MockRouter, transport: HttpTransport
) -> None:
    route = answering(httpx2_mock).respond(302, headers={"location": "https://elsewhere.example/"})

    reply = await transport.get(URL, {})

    assert (reply.status, route.call_count, httpx2_mock.calls.call_count) == (302, 1, 1)


async def test_the_address_that_was_looked_at_is_dialled_under_the_members_own_name(
    httpx2_mock: respx.MockRouter, transport: HttpTransport
) -> None:
    route = answering(httpx2_mock).respond(200, content=BODY)

    reply = await transport.get(URL, {"accept": "application/fhir+json"})

    request = route.calls.last.request
    assert reply.content == BODY
    assert (request.url.host, request.headers["host"]) == (ADDRESS, "trust.example")
    assert request.extensions["sni_hostname"] == "trust.example"
    assert request.url.params["status"] == "free"
    assert request.headers["accept"] == "application/fhir+json"


async def test_what_is_packed_is_unpacked_and_headers_are_in_lower_case(
    httpx2_mock: respx.MockRouter, transport: HttpTransport
) -> None:
    headers = {"Content-Encoding": "gzip", "ETag": 'W/"1"'}
    answering(httpx2_mock).respond(200, content=gzip.compress(BODY), headers=headers)

    reply = await transport.get(URL, {})

    assert (reply.content, reply.headers["etag"]) == (BODY, 'W/"1"')


async def test_a_change_is_sent_with_its_body_and_the_version_that_it_is_of(
    httpx2_mock: respx.MockRouter, transport: HttpTransport
) -> None:
    route = answering(httpx2_mock, "PUT").respond(412)

    reply = await transport.send("PUT", URL, {"if-match": 'W/"3"'}, BODY)

    request = route.calls.last.request
    assert reply.status == 412
    assert (request.method, request.content, request.headers["if-match"]) == ("PUT", BODY, 'W/"3"')


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("/Slot?status=free&start=ge2026%7C", b"/fhir/Slot?status=free&start=ge2026%7C"),
        ('/Slot?_page=a b&name=\u00e9|"<#>', b"/fhir/Slot?_page=a%20b&name=%C3%A9|%22%3C"),
        ("/Slot?x=1\r\nhost: evil", b"/fhir/Slot?x=1host:%20evil"),
        ("/Slot?a?b=/c:d,e$f@g", b"/fhir/Slot?a?b=/c:d,e$f@g"),
    ],
)
async def test_an_address_is_sent_as_http_writes_it(
    httpx2_mock: respx.MockRouter, transport: HttpTransport, asked: str, sent: bytes
) -> None:
    """The links to further pages are a member's own, and may have any character."""
    route = answering(httpx2_mock).respond(200, content=BODY)

    await transport.get(f"https://trust.example/fhir{asked}", {})

    assert route.calls.last.request.url.raw_path == sent


async def test_what_is_told_twice_in_headers_is_one_list_and_a_body_says_its_length(
    httpx2_mock: respx.MockRouter, transport: HttpTransport
) -> None:
    route = answering(httpx2_mock, "POST").respond(
        200, headers=[("Warning", "a"), ("warning", "b")], content=BODY
    )

    reply = await transport.send("POST", URL, {}, b"")

    assert reply.headers["warning"] == "a, b"
    assert route.calls.last.request.headers["content-length"] == "0"
