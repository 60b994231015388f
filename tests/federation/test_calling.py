"""How each member gets to know who asks: as its entry in the register says, and in no other way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fhir_server.auth.behalf import Behalf
from fhir_server.auth.server.signing import SigningKeys
from fhir_server.federation.calling import Calling, line_for, system_scopes
from fhir_server.federation.lines import Line
from fhir_server.federation.members import Credentials, Member
from fhir_server.federation.tokens import Ask, Bearing, Refusing, Tokens
from fhir_server.federation.transport import Reply
from fhir_server.policy.access import Access
from fhir_server.policy.scopes import parse_scopes
from tests.support.remembering import Memory

ADA = Behalf("https://hub.example#ada", "RXX01", "R8000", "TREAT")
TOLD = Credentials("hub", "https://a.example/token", ("system/*.rs",))
UNTOLD = Credentials("hub", "https://a.example/token", ("system/*.read",), on_behalf=False)
SCOPES = ("system/Observation.rs", "system/Patient.rs")


@dataclass
class Open:
    """A way to a member without a token."""

    asked: list[str] = field(default_factory=list)

    async def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        """Answer nothing."""
        self.asked.append(f"{url} {len(headers)}")
        return Reply(200, {}, b"")

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes = b""
    ) -> Reply:
        """Answer nothing."""
        self.asked.append(f"{method} {url} {len(headers)} {len(content)}")
        return Reply(200, {}, b"")


def way(
    credentials: Credentials | None,
    calling: Calling | None,
    *,
    is_open: bool = False,
    scopes: tuple[str, ...] | None = None,
) -> object:
    """Return the transport by which a caller reaches a member."""
    member = Member("a", "A", "https://a.example/fhir", credentials=credentials, open=is_open)
    line = Line(member, Open(), lambda: 0)
    tokens = Tokens(SigningKeys(Memory(), AESGCM(b"s" * 32)), line.transport, lambda: 0, lambda: "")
    return line_for(line, calling, tokens, scopes).transport


CARE, BOUND = Calling(ADA, SCOPES, bound=False), Calling(ADA, SCOPES, bound=True)
NO_SCOPE = Calling(ADA, (), bound=False)

REFUSED = {
    "nobody is known, and it wants to know": (TOLD, None, False, "auth=none"),
    "nobody is known, and it wants to know the hub": (UNTOLD, None, False, "auth=none"),
    "nothing was said of it": (None, CARE, False, "nobody said"),
    "opt-outs bind, and it is open": (None, BOUND, True, "not told for what"),
    "opt-outs bind, and it knows the hub alone": (UNTOLD, BOUND, False, "not told for what"),
    "the caller has no scope for it": (TOLD, NO_SCOPE, False, "none of what"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_member_that_may_not_be_asked_is_not(name: str) -> None:
    credentials, calling, is_open, told = REFUSED[name]
    found = way(credentials, calling, is_open=is_open)
    assert isinstance(found, Refusing)
    assert told in found.problem


@pytest.mark.parametrize(("calling", "is_open"), [(None, False), (None, True), (CARE, True)])
def test_a_member_without_credentials_is_asked_without_a_token(
    calling: Calling | None,
    is_open: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    assert isinstance(way(None, calling, is_open=is_open), Open)


@pytest.mark.parametrize("calling", [CARE, BOUND])
def test_a_member_that_is_told_gets_the_caller_and_no_more_scopes_than_were_registered(
    calling: Calling,
) -> None:
    found = way(Credentials("hub", TOLD.token_url, ("system/Patient.rs",)), calling)
    assert isinstance(found, Bearing)
    assert (found.ask.behalf, found.ask.scopes) == (ADA, ("system/Patient.rs",))


def test_a_member_that_knows_the_hub_alone_is_asked_as_it_was_registered() -> None:
    found = way(UNTOLD, CARE)
    assert isinstance(found, Bearing)
    assert found.ask == Ask("a", UNTOLD, None, ("system/*.read",))


def test_who_people_are_is_asked_by_a_token_for_that_alone() -> None:
    found = way(
        TOLD, Calling(ADA, ("system/Observation.rs",), bound=False), scopes=("system/Patient.rs",)
    )
    assert isinstance(found, Bearing)
    assert found.ask.scopes == ("system/Patient.rs",)


@pytest.mark.parametrize(
    ("scopes", "told"),
    [
        ("user/*.cruds", ("system/*.rs",)),
        ("system/Patient.read user/Observation.s", ("system/Observation.s", "system/Patient.rs")),
        ("patient/*.rs", ()),
        ("user/Patient.cud openid", ()),
        ("user/Observation.rs?category=x", ("system/Observation.rs?category=x",)),
        ("user/*.rs system/*.rs", ("system/*.rs",)),
    ],
)
def test_scopes_of_callers_are_told_as_those_of_a_backend_service(
    scopes: str, told: tuple[str, ...]
) -> None:
    access = Access("https://i.example", "ada", parse_scopes(scopes), patient="p")
    assert system_scopes(access) == told
