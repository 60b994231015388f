"""The hub's tokens at members: each for one caller and one purpose, got when needed, and never anybody else's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import jwt
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fhir_server.auth.behalf import Behalf, behalf_in
from fhir_server.auth.server.signing import SigningKeys
from fhir_server.federation.destinations import Destinations, networks_of
from fhir_server.federation.http import HttpTransport
from fhir_server.federation.lines import Line
from fhir_server.federation.members import Credentials, Member
from fhir_server.federation.pools import Pools
from fhir_server.federation.tokens import MARGIN, MOST_TOKENS, Ask, Bearing, Refusing, Tokens
from fhir_server.federation.transport import Failed, Reply
from tests.support.remembering import Memory

URL = "https://a.example/auth/token"
BASE = "https://a.example/fhir"
SECOND = 1_000_000
MOMENT = 1_800_000_000 * SECOND
CREDENTIALS = Credentials("hub", URL, ("system/*.rs",))
ADA = Behalf("https://hub.example#ada", "RXX01", "R8000", "TREAT")
GRACE = Behalf("https://hub.example#grace", "RXX01", "R8000", "TREAT")
JSON = {"content-type": "application/json"}


def ask(behalf: Behalf | None = ADA, *scopes: str, member: str = "a") -> Ask:
    return Ask(member, CREDENTIALS, behalf, scopes or ("system/Patient.rs",))


def granted(number: int = 0, changes: Mapping[str, Any] | None = None) -> Reply:
    told = {"access_token": f"token-{number}", "token_type": "Bearer", "expires_in": 300}
    return Reply(200, JSON, json.dumps({**told, **(changes or {})}).encode())


@dataclass
class Endpoint:
    """A token endpoint, and the FHIR base beside it, which takes the tokens that are `good`."""

    replies: Sequence[Reply] = ()
    good: set[str] | None = None
    forms: list[dict[str, str]] = field(default_factory=list)
    bearers: list[str] = field(default_factory=list)

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes = b""
    ) -> Reply:
        """Give a token."""
        assert (method, url) == ("POST", URL)
        assert "authorization" not in headers
        await asyncio.sleep(0)
        self.forms.append(dict(parse_qsl(content.decode(), strict_parsing=True)))
        number = len(self.forms) - 1
        return self.replies[number] if self.replies else granted(number)

    async def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        """Answer who brings a good token."""
        assert url.startswith(BASE)
        self.bearers.append(headers["authorization"])
        good = self.good is None or headers["authorization"].removeprefix("Bearer ") in self.good
        return Reply(200 if good else 401, {"content-type": "application/fhir+json"}, b"{}")


@dataclass
class Clock:
    """A clock that tests move."""

    now: int = MOMENT

    def __call__(self) -> int:
        """Return the moment."""
        return self.now


def tokens_of(endpoint: Endpoint, clock: Clock | None = None, most: int = MOST_TOKENS) -> Tokens:
    numbers = iter(range(1_000_000))
    keys = SigningKeys(Memory(), AESGCM(b"s" * 32))
    return Tokens(keys, endpoint, clock or Clock(), lambda: f"id-{next(numbers)}", most)


WRONG: dict[str, tuple[Reply, str, str]] = {
    "no JSON": (Reply(200, JSON, b"token"), "error", "no token"),
    "a list": (Reply(200, JSON, b"[]"), "error", "no token"),
    "no token": (Reply(200, JSON, b'{"token_type":"bearer","expires_in":1}'), "error", "no token"),
    "no end": (granted(0, {"expires_in": None}), "error", "no token"),
    "another kind": (granted(0, {"token_type": "mac"}), "error", "no Bearer"),
    "a token with a line end": (
        granted(0, {"access_token": "a\r\nx-evil: 1"}),
        "error",
        "no Bearer",
    ),
    "a token with a blank": (granted(0, {"access_token": "a b"}), "error", "no Bearer"),
    "an empty token": (granted(0, {"access_token": ""}), "error", "no Bearer"),
    "a redirect": (Reply(302, {"location": "http://169.254.169.254/"}, b""), "error", "302"),
    "a failure": (Reply(500, JSON, b"{}"), "error", "500"),
    "too many": (Reply(429, JSON, b"{}"), "error", "429"),
    "not known": (
        Reply(401, JSON, b'{"error":"invalid_client"}'),
        "unauthorised",
        "invalid_client",
    ),
    "not admitted": (
        Reply(400, JSON, b'{"error":"invalid_grant","error_description":"Ada is on leave"}'),
        "unauthorised",
        "invalid_grant",
    ),
    "words of its own": (Reply(400, JSON, b'{"error":"ada_is_on_leave"}'), "unauthorised", "400"),
    "refused without words": (Reply(403, JSON, b""), "unauthorised", "403"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_gives_no_token_is_told_without_the_members_own_words(name: str) -> None:
    reply, state, told = WRONG[name]
    with pytest.raises(Failed, match=told) as failed:
        await tokens_of(Endpoint([reply])).token(ask())
    assert failed.value.state == state
    assert "leave" not in str(failed.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/token",
        "https://10.0.0.1/token",
        "http://rebound.example/token",
        "https://rebound.example/token",
        "http://public.example/token",
        "file:///etc/passwd",
    ],
)
async def test_a_token_endpoint_is_under_the_guards_of_its_base(url: str) -> None:
    """A name may lead elsewhere than it did when the member was taken in: it is looked at with each request."""

    async def resolved(host: str, _: int) -> Sequence[str]:
        names = {"rebound.example": ("10.0.0.1",), "public.example": ("93.184.216.34",)}
        return names.get(host, (host,))

    async with Pools() as pools:
        guarded = HttpTransport(pools, Destinations(networks_of(["127.0.0.0/8"]), resolved))
        found = Tokens(SigningKeys(Memory(), AESGCM(b"s" * 32)), guarded, Clock(), lambda: "id")
        asked = Ask("a", Credentials("hub", url, ("system/*.rs",)), ADA, ("system/*.rs",))
        with pytest.raises(Failed, match=r"not public|not of HTTPS") as failed:
            await found.token(asked)
    assert not failed.value.sent


async def test_nothing_reaches_a_member_that_may_not_be_asked() -> None:
    endpoint = Endpoint()
    line = Line(Member("a", "A", BASE), endpoint, Clock()).through(Refusing("it is closed"))
    until = asyncio.get_running_loop().time() + 5
    with pytest.raises(Failed, match="it is closed"):
        await line.get(f"{BASE}/Patient", {}, until=until)
    with pytest.raises(Failed, match="it is closed"):
        await line.transport.send("POST", f"{BASE}/Patient", {}, b"{}")
    assert endpoint.bearers == []


async def test_an_assertion_names_the_caller_and_is_for_once_and_for_this_member() -> None:
    endpoint = Endpoint()
    found = tokens_of(endpoint)
    await found.token(ask())
    await found.token(ask(GRACE))
    said = [
        jwt.decode(each["client_assertion"], options={"verify_signature": False})
        for each in endpoint.forms
    ]
    assert [behalf_in(each["extensions"]) for each in said] == [ADA, GRACE]
    assert {(each["iss"], each["sub"], each["aud"]) for each in said} == {("hub", "hub", URL)}
    assert said[0]["jti"] != said[1]["jti"]
    assert 0 < said[0]["exp"] - said[0]["iat"] <= 300
    assert {each["scope"] for each in endpoint.forms} == {"system/Patient.rs"}


async def test_a_member_that_is_not_told_gets_no_word_of_the_caller() -> None:
    endpoint = Endpoint()
    await tokens_of(endpoint).token(ask(None))
    said = jwt.decode(endpoint.forms[0]["client_assertion"], options={"verify_signature": False})
    assert "extensions" not in said


async def test_a_token_serves_one_caller_purpose_and_scope_at_one_member() -> None:
    found = tokens_of(Endpoint())
    asks = [
        ask(),
        ask(GRACE),
        ask(Behalf(ADA.subject, "RXX01", "R8000", "PATADMIN")),
        ask(Behalf(ADA.subject, "RXX01", "R8001", "TREAT")),
        ask(Behalf(ADA.subject, "RYY02", "R8000", "TREAT")),
        ask(ADA, "system/Observation.rs"),
        ask(member="b"),
        ask(None),
    ]
    first = [await found.token(each) for each in asks]
    assert len(set(first)) == len(asks)
    assert [await found.token(each) for each in asks] == first


async def test_a_token_is_used_until_shortly_before_it_expires() -> None:
    clock, endpoint = Clock(), Endpoint()
    found = tokens_of(endpoint, clock)
    first = await found.token(ask())
    clock.now += (300 - MARGIN) * SECOND - 1
    assert await found.token(ask()) == first
    clock.now += 1
    assert await found.token(ask()) != first


async def test_a_token_for_less_than_the_margin_is_used_once() -> None:
    endpoint = Endpoint([granted(0, {"expires_in": 5}), granted(1, {"expires_in": 5})])
    found = tokens_of(endpoint)
    assert [await found.token(ask()) for _ in range(2)] == ["token-0", "token-1"]


async def test_many_who_ask_at_once_wait_for_one_token() -> None:
    endpoint = Endpoint()
    found = tokens_of(endpoint)
    assert set(await asyncio.gather(*(found.token(ask()) for _ in range(20)))) == {"token-0"}
    assert len(endpoint.forms) == 1


async def test_no_more_tokens_are_kept_than_were_meant() -> None:
    endpoint = Endpoint()
    found = tokens_of(endpoint, most=3)
    for each in range(4):
        await found.token(ask(member=str(each)))
    await found.token(ask(member="3"))
    assert len(endpoint.forms) == 4
    await found.token(ask(member="0"))
    assert len(endpoint.forms) == 5


async def test_a_token_that_is_not_taken_any_more_is_got_anew_once() -> None:
    endpoint = Endpoint(good={"token-1"})
    reply = await Bearing(endpoint, tokens_of(endpoint), ask()).get(f"{BASE}/Patient", {})
    assert reply.status == 200
    assert endpoint.bearers == ["Bearer token-0", "Bearer token-1"]


async def test_a_member_that_takes_no_token_is_told_as_unauthorised_after_one_more_attempt() -> (
    None
):
    endpoint = Endpoint(good=set())
    bearing = Bearing(endpoint, tokens_of(endpoint), ask())
    line = Line(Member("a", "A", BASE), endpoint, Clock()).through(bearing)
    until = asyncio.get_running_loop().time() + 5
    with pytest.raises(Failed) as failed:
        await line.get(f"{BASE}/Patient", {}, until=until)
    assert failed.value.state == "unauthorised"
    assert len(endpoint.bearers) == 2


async def test_the_callers_own_token_is_never_passed_on() -> None:
    endpoint = Endpoint()
    bearing = Bearing(endpoint, tokens_of(endpoint), ask())
    await bearing.get(f"{BASE}/Patient", {"authorization": "Bearer of-the-caller"})
    assert endpoint.bearers == ["Bearer token-0"]


async def test_lines_of_many_callers_share_turns_and_breaker() -> None:
    shared = Line(Member("a", "A", BASE), Endpoint(), Clock())
    first, second = (shared.through(Refusing(each)) for each in ("one", "two"))
    assert first.breaker is second.breaker is shared.breaker
    assert first.transport is not second.transport
