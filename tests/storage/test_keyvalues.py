"""What a server remembers besides resources: each backend keeps the promises of `KeyValues`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_server.storage.contract import Store
from fhir_server.storage.keyvalues import KeyValues
from fhir_server.storage.sqlite.emptying import empty_store
from tests.storage.conftest import open_sqlite

NOW = 1_750_000_000_000_000
LATER = NOW + 60_000_000


@pytest.fixture
def values(store: Store) -> KeyValues:
    return store.key_values


async def test_what_was_never_set_is_not_there(values: KeyValues) -> None:
    assert await values.get("code", "a", now=NOW) is None
    assert await values.take("code", "a", now=NOW) is None
    assert await values.items("code", now=NOW) == []
    await values.remove("code", "a")


async def test_what_is_set_is_there_under_its_kind_and_key_alone(values: KeyValues) -> None:
    await values.put("code", "a", b"\x00one", now=NOW)
    await values.put("code", "a", b"two", now=NOW)

    assert await values.get("code", "a", now=NOW) == b"two"
    assert await values.get("code", "b", now=NOW) is None
    assert await values.get("grant", "a", now=NOW) is None


async def test_what_need_not_outlast_a_power_failure_is_there_as_well(values: KeyValues) -> None:
    await values.put("page", "a", b"one", now=NOW, durable=False)
    await values.put("page", "b", b"two", now=NOW)

    assert await values.get("page", "a", now=NOW) == b"one"
    assert await values.take("page", "a", now=NOW) == b"one"


async def test_only_what_need_not_outlast_a_power_failure_is_committed_without_waiting_for_the_disk(
    tmp_path: Path,
) -> None:
    committed: list[int] = []

    def watch(connection: apsw.Connection) -> None:
        def look(_: apsw.Cursor, statement: str, __: object) -> bool:
            if statement == "COMMIT":
                committed.append(connection.pragma("synchronous"))
            return True

        connection.exec_trace = look

    apsw.connection_hooks.append(watch)
    try:
        async with open_sqlite(tmp_path) as store:
            committed.clear()
            values = store.key_values
            await values.put("page", "a", b"one", now=NOW, durable=False)
            await values.put("code", "a", b"two", now=NOW)
            both = (
                values.put("page", "b", b"one", now=NOW, durable=False),
                values.put("code", "b", b"two", now=NOW),
            )
            await asyncio.gather(*both)
            await values.put("page", "c", b"one", now=NOW, durable=False)
    finally:
        apsw.connection_hooks.remove(watch)

    normal, full = 1, 2
    assert committed[:4] == [normal, full, full, normal]


@pytest.mark.parametrize("moment", [LATER, LATER + 1])
async def test_what_has_expired_is_absent_for_every_method(values: KeyValues, moment: int) -> None:
    for key in ("got", "taken", "added", "replaced"):
        await values.put("code", key, b"old", now=NOW, expires=LATER)

    assert await values.get("code", "got", now=moment) is None
    assert await values.items("code", now=moment) == []
    assert await values.take("code", "taken", now=moment) is None
    assert await values.add("code", "added", b"new", now=moment)
    assert not await values.replace("code", "replaced", b"old", b"new", now=moment)


async def test_what_has_not_expired_is_there_to_the_last_microsecond(values: KeyValues) -> None:
    await values.put("code", "a", b"one", now=NOW, expires=LATER)

    assert await values.get("code", "a", now=LATER - 1) == b"one"
    assert await values.items("code", now=LATER - 1) == [("a", b"one")]


async def test_items_come_in_the_order_of_their_keys(values: KeyValues) -> None:
    for key in ("b", "a", "c"):
        await values.put("client", key, key.encode(), now=NOW)
    await values.put("other", "a", b"", now=NOW)

    assert await values.items("client", now=NOW) == [("a", b"a"), ("b", b"b"), ("c", b"c")]


async def test_what_is_there_is_not_added_again(values: KeyValues) -> None:
    assert await values.add("assertion", "jti", b"1", now=NOW, expires=LATER)

    assert not await values.add("assertion", "jti", b"2", now=NOW, expires=LATER + 1)
    assert await values.get("assertion", "jti", now=NOW) == b"1"


async def test_what_is_another_value_by_now_is_not_replaced(values: KeyValues) -> None:
    await values.put("grant", "a", b"1", now=NOW)

    assert not await values.replace("grant", "a", b"0", b"2", now=NOW)
    assert not await values.replace("grant", "absent", b"0", b"2", now=NOW)
    assert await values.replace("grant", "a", b"1", b"2", now=NOW, expires=LATER)
    assert await values.get("grant", "a", now=NOW) == b"2"
    assert await values.get("grant", "a", now=LATER) is None


RACES: dict[str, Callable[[KeyValues, int], Coroutine[Any, Any, object]]] = {
    "take": lambda values, _: values.take("code", "a", now=NOW),
    "add": lambda values, number: values.add("code", "new", bytes([number]), now=NOW),
    "replace": lambda values, number: values.replace("code", "a", b"0", bytes([number]), now=NOW),
}


@pytest.mark.parametrize("name", RACES)
async def test_of_many_who_try_at_once_one_succeeds(values: KeyValues, name: str) -> None:
    await values.put("code", "a", b"0", now=NOW)

    outcomes = await asyncio.gather(*(RACES[name](values, each) for each in range(1, 30)))

    assert len([each for each in outcomes if each]) == 1


async def test_of_two_processes_of_one_store_one_takes(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path) as one, open_sqlite(tmp_path) as other:
        await one.key_values.put("code", "a", b"1", now=NOW)
        tries = (each.key_values.take("code", "a", now=NOW) for each in (one, other) * 5)
        outcomes = await asyncio.gather(*tries)

    assert [each for each in outcomes if each] == [b"1"]


async def test_what_is_set_is_there_when_the_store_is_opened_again(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path) as before:
        await before.key_values.put("client", "a", b"1", now=NOW)

    async with open_sqlite(tmp_path) as after:
        assert await after.key_values.get("client", "a", now=NOW) == b"1"


async def test_what_has_expired_is_swept_by_those_who_write(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path) as store:
        for number in range(150):
            await store.key_values.put("code", str(number), b"", now=NOW, expires=NOW + number)
        for _ in range(2):
            await store.key_values.put("client", "a", b"", now=LATER)

    connection = apsw.Connection(str(tmp_path / "store.db"))
    assert (
        connection.execute("SELECT count(*) FROM keyvalue WHERE kind IN ('code', 'client')").get
        == 1
    )


async def test_an_emptied_store_remembers_nothing(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path) as before:
        await before.key_values.put("client", "a", b"1", now=NOW)

    empty_store(tmp_path / "store.db")

    async with open_sqlite(tmp_path) as after:
        assert await after.key_values.items("client", now=NOW) == []


KEYS = st.sampled_from("ab")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "add", "replace", "take", "remove"]),
        KEYS,
        st.binary(max_size=1),
        st.none() | st.integers(1, 9),
    ),
    max_size=12,
)


@given(steps=STEPS)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_it_does_what_a_dictionary_would(
    steps: list[tuple[str, str, bytes, int | None]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    asyncio.run(_compare(steps, tmp_path_factory.mktemp("values")))


async def _compare(steps: list[tuple[str, str, bytes, int | None]], folder: Path) -> None:
    model: dict[str, tuple[bytes, int | None]] = {}
    async with open_sqlite(folder) as store:
        values = store.key_values
        for now, (step, key, value, lasting) in enumerate(steps, 1):
            expires = None if lasting is None else now + lasting
            model = {k: v for k, v in model.items() if v[1] is None or v[1] > now}
            found = model.get(key, (None, None))[0]
            match step:
                case "put":
                    await values.put("k", key, value, now=now, expires=expires)
                    model[key] = (value, expires)
                case "add":
                    added = await values.add("k", key, value, now=now, expires=expires)
                    assert added == (found is None)
                    if added:
                        model[key] = (value, expires)
                case "replace":
                    swapped = await values.replace("k", key, b"", value, now=now, expires=expires)
                    assert swapped == (found == b"")
                    if swapped:
                        model[key] = (value, expires)
                case "take":
                    assert await values.take("k", key, now=now) == found
                    model.pop(key, None)
                case _:
                    await values.remove("k", key)
                    model.pop(key, None)
            there = {k: v[0] for k, v in model.items() if v[1] is None or v[1] > now}
            assert dict(await values.items("k", now=now)) == there
