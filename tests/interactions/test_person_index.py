"""The index of persons: all whom a store knows, in marks that tell nobody without their key who they are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fhir_server.fhir.errors import TooCostly
from fhir_server.fhir.resource import Key
from fhir_server.interactions.person_index import marks_of_all
from fhir_server.policy.person_marks import MARK, mark_of
from fhir_server.search.record import token_term
from fhir_server.storage.contract import Put, Store
from tests.storage.conftest import BACKENDS, NHS_NUMBER
from tests.storage.test_contract import a_draft

KEY, OTHER = b"k" * 32, b"o" * 32


@pytest.fixture(params=BACKENDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with BACKENDS[request.param](tmp_path) as opened:
        yield opened


async def know(store: Store, *values: str) -> None:
    drafts = [
        a_draft(
            Key("Patient", f"p{each}"), terms=(token_term("identifier", NHS_NUMBER, values[each]),)
        )
        for each in range(len(values))
    ]
    await store.write([Put(each) for each in drafts], atomic=False)


async def test_more_people_than_an_index_takes_are_refused(store: Store) -> None:
    await know(store, "9990000018", "9990000026", "9990000034")
    with pytest.raises(TooCostly, match="Over 2"):
        await marks_of_all(store, KEY, most=2)
    assert len(await marks_of_all(store, KEY, most=3)) == 3 * MARK


async def test_the_marks_are_those_of_all_numbers_in_order_each_once(store: Store) -> None:
    numbers = [f"999{each:07}" for each in range(600)]
    await know(store, *numbers, numbers[0], "999 000 0018", "99900000186", "number", "\uff19" * 10)
    expected = b"".join(sorted(mark_of(KEY, each) for each in numbers))
    assert await marks_of_all(store, KEY) == expected


async def test_under_another_key_nothing_is_the_same(store: Store) -> None:
    await know(store, "9990000018")
    assert await marks_of_all(store, KEY) != await marks_of_all(store, OTHER)
