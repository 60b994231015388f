"""An issuer elsewhere: a real one on a loopback port, which changes its keys and fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest

from fhir_server.auth.fetching import LARGEST, Fetcher
from fhir_server.auth.refreshed import AFTER_A_FAILURE, FOR_A_KEY, FRESH, GOOD
from fhir_server.auth.remote import RemoteIssuer
from fhir_server.fhir.errors import Unavailable
from tests.support.issuer import DISCOVERY, KEYS, OAUTH, Issuer, running_issuer
from tests.support.patience import PATIENCE
from tests.support.tokens import KID, NOW, published, rsa_key

START = NOW * 1_000_000
FIRST = published(rsa_key())
SECOND = published(rsa_key("second"), "signing-2")


@pytest.fixture
def there() -> Iterator[Issuer]:
    """Return a running issuer with one key."""
    with running_issuer(FIRST) as issuer:
        yield issuer


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    """Return a client that trusts no environment."""
    async with httpx2.AsyncClient(trust_env=False) as opened:
        yield opened


def remote(there: Issuer, client: httpx2.AsyncClient, *, seconds: float = PATIENCE) -> RemoteIssuer:
    return RemoteIssuer(there.url, Fetcher(client, seconds=seconds))


@pytest.mark.parametrize("status", [201, 204, 301, 302, 307, 400, 401, 403, 500, 502, 503])
async def test_an_issuer_that_fails_gives_no_key(
    there: Issuer, client: httpx2.AsyncClient, status: int
) -> None:
    there.fail(status)
    there.headers = {"location": there.url + DISCOVERY} if 300 < status < 400 else {}

    with pytest.raises(Unavailable):
        await remote(there, client).key(KID, now=START)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (DISCOVERY, b""),
        (DISCOVERY, b"[]"),
        (DISCOVERY, b"{}"),
        (DISCOVERY, b"<html>"),
        (DISCOVERY, b'{"issuer":"https://evil.example"}'),
        (KEYS, b""),
        (KEYS, b"[1]"),
        (KEYS, b"{" + b" " * LARGEST + b"}"),
        (KEYS, b"\xff"),
    ],
    ids=str,
)
async def test_an_issuer_that_publishes_something_else_gives_no_key(
    there: Issuer, client: httpx2.AsyncClient, path: str, body: bytes
) -> None:
    there.pages[path] = (200, body)

    with pytest.raises(Unavailable):
        await remote(there, client).key(KID, now=START)


@pytest.mark.parametrize(
    "address",
    [None, 7, "", "/keys", "http://login.example.org/keys", "file:///etc/passwd", "https://"],
)
async def test_keys_are_read_from_a_safe_address_alone(
    there: Issuer, client: httpx2.AsyncClient, address: object
) -> None:
    there.publish(FIRST, jwks_uri=address)

    with pytest.raises(Unavailable):
        await remote(there, client).key(KID, now=START)


async def test_an_issuer_over_https_has_its_keys_over_https(client: httpx2.AsyncClient) -> None:
    document = {"issuer": "https://a.example", "jwks_uri": "http://127.0.0.1:1/keys"}

    async def fetch(url: str) -> bytes:
        assert url.startswith("https://")
        return json.dumps(document).encode()

    with pytest.raises(Unavailable):
        await RemoteIssuer("https://a.example", fetch).key(KID, now=START)


async def test_nobody_listens(client: httpx2.AsyncClient) -> None:
    with pytest.raises(Unavailable):
        await RemoteIssuer("http://127.0.0.1:1", Fetcher(client)).key(KID, now=START)


async def test_a_slow_issuer_is_not_waited_for(there: Issuer, client: httpx2.AsyncClient) -> None:
    there.hold.clear()

    with pytest.raises(Unavailable):
        await remote(there, client, seconds=0.05).key(KID, now=START)


async def test_a_packed_answer_is_not_unpacked(there: Issuer, client: httpx2.AsyncClient) -> None:
    there.headers = {"content-encoding": "gzip"}

    assert await remote(there, client).key(KID, now=START) is not None


async def test_a_failure_is_not_tried_again_at_once(
    there: Issuer, client: httpx2.AsyncClient
) -> None:
    issuer = remote(there, client)
    there.fail(500)
    for _ in range(5):
        with pytest.raises(Unavailable):
            await issuer.key(KID, now=START)
    assert len(there.asked) == 1

    there.publish(FIRST)

    assert await issuer.key(KID, now=START + AFTER_A_FAILURE) is not None


async def test_keys_are_read_once_and_again_when_they_are_old(
    there: Issuer, client: httpx2.AsyncClient
) -> None:
    issuer = remote(there, client)

    for moment in (START, START + FRESH - 1, START + FRESH, START + FRESH + 1):
        assert await issuer.key(KID, now=moment) is not None

    assert there.asked.count(KEYS) == 2


async def test_many_at_once_are_one_question(there: Issuer, client: httpx2.AsyncClient) -> None:
    issuer = remote(there, client)

    keys = await asyncio.gather(*(issuer.key(KID, now=START) for _ in range(50)))

    assert all(keys)
    assert there.asked == [DISCOVERY, KEYS]


async def test_what_is_known_will_do_while_another_asks_anew() -> None:
    url = "https://a.example"
    pages = [{"issuer": url, "jwks_uri": url + KEYS}, {"keys": [FIRST]}]
    asked, answering = asyncio.Event(), asyncio.Event()
    answering.set()

    async def fetch(address: str) -> bytes:
        asked.set()
        await answering.wait()
        return json.dumps(pages[address.endswith(KEYS)]).encode()

    issuer = RemoteIssuer(url, fetch)
    assert await issuer.key(KID, now=START) is not None
    asked.clear()
    answering.clear()
    asking = asyncio.create_task(issuer.key(KID, now=START + FRESH))
    await asked.wait()

    assert await issuer.key(KID, now=START + FRESH) is not None
    assert not asking.done()
    answering.set()
    assert await asking is not None


async def test_a_new_key_works_at_once_and_unknown_ones_are_not_asked_for_all_the_time(
    there: Issuer, client: httpx2.AsyncClient
) -> None:
    issuer = remote(there, client)
    assert await issuer.key("signing-2", now=START) is None
    there.publish(FIRST, SECOND)

    assert await issuer.key("signing-2", now=START + FOR_A_KEY - 1) is None
    assert await issuer.key("signing-2", now=START + FOR_A_KEY) is not None
    for number in range(20):
        assert await issuer.key(f"made-up-{number}", now=START + FOR_A_KEY + number) is None

    assert there.asked.count(KEYS) == 2


async def test_a_withdrawn_key_counts_no_longer_than_the_keys_are_fresh(
    there: Issuer, client: httpx2.AsyncClient
) -> None:
    issuer = remote(there, client)
    assert await issuer.key(KID, now=START) is not None
    there.publish(SECOND)

    assert await issuer.key(KID, now=START + FRESH) is None


async def test_keys_that_cannot_be_read_again_are_good_for_a_while(
    there: Issuer, client: httpx2.AsyncClient
) -> None:
    issuer = remote(there, client)
    assert await issuer.key(KID, now=START) is not None
    there.fail(500)

    assert await issuer.key(KID, now=START + GOOD) is not None
    with pytest.raises(Unavailable):
        # It may have come since.
        await issuer.key("signing-2", now=START + GOOD)
    with pytest.raises(Unavailable):
        await issuer.key(KID, now=START + GOOD + 1)


async def test_an_oauth_server_without_openid_is_found_too(
    there: Issuer, client: httpx2.AsyncClient
) -> None:
    there.publish(FIRST, path=OAUTH)

    assert await remote(there, client).key(KID, now=START) is not None
    assert there.asked == [DISCOVERY, OAUTH, KEYS]


async def test_what_an_issuer_tells_of_itself_is_kept(
    there: Issuer, client: httpx2.AsyncClient
) -> None:
    issuer = remote(there, client)

    told = await issuer.metadata(now=START)

    assert told["token_endpoint"] == there.url + "/token"
    assert await issuer.metadata(now=START + 1) is told
