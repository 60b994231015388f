"""A good token is remembered while it is good, and no longer."""

from __future__ import annotations

from dataclasses import dataclass, field
from dataclasses import replace as changed

import pytest

from fhir_server.auth.authenticator import REMEMBERED_FOR, Authenticator
from fhir_server.auth.tokens import LEEWAY, Verified, Verifier
from fhir_server.fhir.errors import Unauthenticated
from tests.support.tokens import NOW, a_token, claims

MOMENT = NOW * 1_000_000
SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Counting(Verifier):
    """Counts how often it is asked."""

    asked: list[str] = field(default_factory=list)

    async def verify(self, token: str, *, now: int) -> Verified:
        """Verify, and take note."""
        self.asked.append(token)
        return await Verifier.verify(self, token, now=now)


@pytest.fixture
def counting(verifier: Verifier) -> Counting:
    """Return a verifier that counts."""
    return Counting(verifier.issuers, verifier.audience)


async def test_a_bad_token_is_remembered_by_nobody(counting: Counting) -> None:
    authenticator = Authenticator(counting)

    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await authenticator.authenticate("a.b.c", now=MOMENT)

    assert len(counting.asked) == 2


async def test_a_good_token_is_verified_once(counting: Counting) -> None:
    authenticator = Authenticator(counting)
    token = a_token()

    callers = [await authenticator.authenticate(token, now=MOMENT + each) for each in range(5)]

    assert len(counting.asked) == 1
    assert all(each is callers[0] for each in callers)


@pytest.mark.parametrize("lifetime", [1, 60, 300])
async def test_a_token_that_expires_is_forgotten_on_the_second(
    counting: Counting, lifetime: int
) -> None:
    authenticator = Authenticator(counting)
    token = a_token(claims(exp=NOW + lifetime))
    end = MOMENT + (lifetime + LEEWAY) * SECOND

    await authenticator.authenticate(token, now=MOMENT)
    await authenticator.authenticate(token, now=end - 1)
    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(token, now=end)

    assert len(counting.asked) == 1


async def test_a_long_lived_token_is_verified_again_since_its_key_may_be_withdrawn(
    counting: Counting,
) -> None:
    authenticator = Authenticator(counting)
    token = a_token(claims(exp=NOW + 86_400))
    await authenticator.authenticate(token, now=MOMENT)
    keyless = changed(authenticator, verifier=changed(counting, issuers={}))

    await keyless.authenticate(token, now=MOMENT + REMEMBERED_FOR - 1)
    with pytest.raises(Unauthenticated):
        await keyless.authenticate(token, now=MOMENT + REMEMBERED_FOR)


async def test_no_more_tokens_are_remembered_than_there_is_room_for(counting: Counting) -> None:
    authenticator = Authenticator(counting, most=2)
    tokens = [a_token(claims(sub=name)) for name in ("one", "two", "three")]

    for token in [*tokens, tokens[1], tokens[2], tokens[0]]:
        await authenticator.authenticate(token, now=MOMENT)

    assert counting.asked == [*tokens, tokens[0]]


async def test_of_several_issuers_none_speaks_for_the_server(verifier: Verifier) -> None:
    assert await Authenticator(verifier).metadata(now=MOMENT) == {}
