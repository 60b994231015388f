"""Sessions in time, which is an argument; kept in a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest

from fhir_server.auth.server.users import User
from fhir_server.storage.keyvalues import KeyValues
from fhir_server.web.authorization.chosen import KEPT, ChosenPatients
from fhir_server.web.authorization.sessions import IDLE, LONGEST, MINUTE, Sessions, end_sessions
from tests.storage.conftest import open_sqlite

NOW = 1_750_000_000_000_000
ADA = User("ada", "Ada")
PETER = User("peter", "Peter")


@pytest.fixture
async def values(tmp_path: Path) -> AsyncIterator[KeyValues]:
    async with open_sqlite(tmp_path) as store:
        yield store.key_values


@pytest.fixture
def sessions(values: KeyValues) -> Sessions:
    numbers = count()
    return Sessions(values, b"k" * 32, lambda: f"name-{next(numbers)}")


async def test_a_name_that_was_never_given_is_nobodys(sessions: Sessions) -> None:
    assert await sessions.find("made-up", now=NOW) is None


async def test_a_session_ends_when_nobody_does_anything(sessions: Sessions) -> None:
    name = await sessions.begin(ADA, now=NOW, instead_of=None)

    assert await sessions.find(name, now=NOW + IDLE) is None


async def test_a_session_ends_after_a_working_day_in_any_case(sessions: Sessions) -> None:
    name = await sessions.begin(ADA, now=NOW, instead_of=None)

    seen = [
        await sessions.find(name, now=moment) is not None
        for moment in range(NOW, NOW + LONGEST + 1, 10 * MINUTE)
    ]

    assert all(seen[:-1])
    assert not seen[-1]


async def test_a_session_goes_on_while_it_is_used(sessions: Sessions) -> None:
    name = await sessions.begin(ADA, now=NOW, instead_of=None)
    await sessions.find(name, now=NOW + IDLE - 1)

    session = await sessions.find(name, now=NOW + IDLE + 5)

    assert session is not None
    assert (session.user, session.authenticated) == (ADA, NOW)


async def test_a_sign_in_ends_the_session_before_it(sessions: Sessions) -> None:
    before = await sessions.begin(ADA, now=NOW, instead_of=None)
    after = await sessions.begin(PETER, now=NOW, instead_of=before)

    assert await sessions.find(before, now=NOW) is None
    found = await sessions.find(after, now=NOW)
    assert found is not None
    assert found.user == PETER


async def test_a_sign_out_is_for_good_even_while_a_page_is_looked_at(
    sessions: Sessions, values: KeyValues
) -> None:
    class SignedOutMeanwhile:
        """Somebody signs out between the look and the note of it."""

        def __getattr__(self, name: str) -> object:
            return getattr(values, name)

        async def replace(self, kind: str, key: str, *given: bytes, **when: int) -> bool:
            await values.remove(kind, key)
            old, new = given
            return await values.replace(kind, key, old, new, **when)

    name = await sessions.begin(ADA, now=NOW, instead_of=None)
    racing = Sessions(SignedOutMeanwhile(), sessions.key, sessions.new_name)  # type: ignore[arg-type]

    assert await racing.find(name, now=NOW + 2 * MINUTE) is None
    assert await sessions.find(name, now=NOW + 2 * MINUTE) is None


async def test_what_is_kept_names_no_session(sessions: Sessions, values: KeyValues) -> None:
    name = await sessions.begin(ADA, now=NOW, instead_of=None)

    ((key, kept),) = await values.items("session", now=NOW)

    assert name not in key
    assert name.encode() not in kept


async def test_somebody_can_be_signed_out_everywhere(sessions: Sessions, values: KeyValues) -> None:
    gone = [await sessions.begin(ADA, now=NOW, instead_of=None) for _ in range(2)]
    stays = await sessions.begin(PETER, now=NOW, instead_of=None)

    await end_sessions(values, "ada", now=NOW)

    assert [await sessions.find(each, now=NOW) for each in gone] == [None, None]
    assert await sessions.find(stays, now=NOW) is not None


async def test_a_form_is_of_one_session(sessions: Sessions) -> None:
    token = sessions.csrf_token("one")

    assert sessions.accepts(token, "one")
    for other in ("", "two", "é"):
        assert not sessions.accepts(token, other)
        assert not sessions.accepts(other, "one")


async def test_a_choice_is_of_the_user_and_the_request_and_ends_with_it(values: KeyValues) -> None:
    chosen = ChosenPatients(values)
    await chosen.choose("handle", ADA, "mary", now=NOW)

    assert await chosen.of("handle", PETER, now=NOW) is None
    assert await chosen.of("another", ADA, now=NOW) is None
    assert await chosen.of("handle", ADA, now=NOW + KEPT) is None
    assert await chosen.of("handle", ADA, now=NOW) == "mary"
