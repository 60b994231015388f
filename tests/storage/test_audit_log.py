"""The audit log of each backend: nothing is lost, nothing comes twice, and it goes with the write that it tells of."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from fhir_server.fhir.resource import Key
from fhir_server.storage.auditing import Extent, Publish
from fhir_server.storage.contract import Put, Refused, Store, Unchanged, WriteResult
from tests.storage.conftest import BACKENDS
from tests.storage.test_contract import a_draft


def entry(text: str) -> bytes:
    return msgspec.msgpack.encode(text)


def told(results: Sequence[WriteResult]) -> bytes:
    return entry(",".join(type(each).__name__ for each in results))


async def texts(store: Store, after: int = 0, most: int = 1_000) -> list[str]:
    await store.audit_log.extent()
    found = await store.audit_log.entries(after, most)
    return [msgspec.msgpack.decode(each, type=str) for each in found]


async def test_of_a_refused_write_nothing_is_logged(store: Store) -> None:
    await store.write([Put(a_draft())], atomic=False)

    results = await store.write([Put(a_draft(), expected=7)], atomic=False, told=told)

    assert isinstance(results[0], Refused)
    assert await texts(store) == []


async def test_a_write_and_what_is_told_of_it_are_one_step(store: Store) -> None:
    await store.write([Put(a_draft())], atomic=False, told=told)
    await store.write([Put(a_draft())], atomic=True, told=told)

    assert await texts(store) == ["Written", "Unchanged"]


async def test_what_is_appended_is_there_after_the_store_was_closed(tmp_path: Path) -> None:
    for backend in BACKENDS.values():
        async with backend(tmp_path) as store:
            await store.audit_log.append(entry("a"), durable=False)
        async with backend(tmp_path) as store:
            assert await texts(store) == ["a"]


async def test_of_many_that_wait_when_the_store_closes_none_is_lost(tmp_path: Path) -> None:
    for backend in BACKENDS.values():
        async with backend(tmp_path) as store:
            for number in range(1_200):
                await store.audit_log.append(entry(str(number)), durable=False)
        async with backend(tmp_path) as store:
            assert await texts(store, most=2_000) == [str(number) for number in range(1_200)]


async def test_a_durable_entry_is_seen_by_others_when_it_is_taken(tmp_path: Path) -> None:
    for backend in BACKENDS.values():
        async with backend(tmp_path) as store, backend(tmp_path) as other:
            await store.audit_log.append(entry("a"), durable=True)

            assert await texts(other) == ["a"]


async def test_entries_of_two_writers_are_one_row_without_gaps(tmp_path: Path) -> None:
    for backend in BACKENDS.values():
        async with backend(tmp_path) as one, backend(tmp_path) as two:

            async def tell(store: Store, name: str) -> None:
                for number in range(40):
                    await store.audit_log.append(entry(f"{name}{number}"), durable=number % 3 == 0)

            await asyncio.gather(tell(one, "a"), tell(two, "b"))
            found = await texts(one)
            await two.audit_log.extent()
            found = await texts(one)

            for name in "ab":
                assert [each for each in found if each[0] == name] == [
                    f"{name}{number}" for number in range(40)
                ]


@pytest.mark.parametrize(("after", "most"), [(0, 3), (2, 4), (5, 1), (9, 5), (10, 5), (40, 5)])
async def test_any_stretch_can_be_read_however_it_was_committed(
    store: Store, after: int, most: int
) -> None:
    for number in range(1, 11):
        await store.audit_log.append(entry(str(number)), durable=number in {1, 4, 5, 10})

    expected = [str(each) for each in range(1, 11)][after : after + most]
    assert await texts(store, after, most) == expected


async def test_of_two_who_publish_the_same_entries_one_is_refused(store: Store) -> None:
    await store.audit_log.append(entry("a"), durable=False)

    (first,) = await store.write([Publish(0, 1)], atomic=True)
    (second,) = await store.write([Publish(0, 1)], atomic=True)

    assert first == Unchanged(None)
    assert isinstance(second, Refused)
    assert await store.audit_log.extent() == Extent(last=1, published=1)


async def test_the_patients_of_each_version_are_told(store: Store) -> None:
    about = Key("Observation", "o")
    await store.write([Put(a_draft(about, patients=("ada",)))], atomic=False)
    await store.write(
        [Put(a_draft(about, rest=b'"status":"final"', patients=("bob", "eve")))], atomic=False
    )

    found = await store.audit_log.concerned([(about, 1), (about, 2), (about, 3)])

    assert found == [("ada",), ("bob", "eve"), ()]
