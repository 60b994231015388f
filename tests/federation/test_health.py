"""The history of members: bounded, and of all processes that serve."""

from __future__ import annotations

from fhir_server.federation.accounts import Account, State
from fhir_server.federation.health import KEPT, MOST, Health, Look
from fhir_server.storage.contract import Store

NOW = 1_750_000_000_000_000


def look(moment: int, state: State = "ok") -> Look:
    return Look(moment, "search", state, 5)


async def test_no_more_is_remembered_than_the_bound(store: Store) -> None:
    first, second = Health("one"), Health("two")
    for each in range(3 * MOST):
        (first if each % 2 else second).saw("a", look(each))
    await second.keep(store.key_values, (), now=NOW)

    found = await first.histories(store.key_values, (), now=NOW)

    assert [each.moment for each in found["a"].looks] == list(range(2 * MOST, 3 * MOST))


async def test_the_history_of_a_process_that_ended_is_there_for_a_day(store: Store) -> None:
    ended = Health("ended")
    ended.saw("a", look(1, "timeout"))
    await ended.keep(store.key_values, ("a",), now=NOW)

    later = Health("later")
    found = await later.histories(store.key_values, ("a",), now=NOW + KEPT - 1)
    assert found["a"].open_in == 2
    assert found["a"].last_failure == look(1, "timeout")
    assert await later.histories(store.key_values, (), now=NOW + KEPT) == {}


async def test_nothing_is_written_where_nothing_happened(store: Store) -> None:
    health = Health("one")
    health.saw("a", look(1))
    await health.keep(store.key_values, (), now=NOW)
    await store.key_values.remove("member-health", "one")
    await health.keep(store.key_values, (), now=NOW + 1)

    assert await store.key_values.items("member-health", now=NOW) == []


def test_a_page_tells_of_those_that_were_asked_for_it() -> None:
    health = Health("one")
    accounts = [
        Account("asked", milliseconds=7),
        Account("failed", "timeout", milliseconds=4000, frozen_at=2),
        Account("open", "circuit-open", frozen_at=2),
        Account("failed-before", "error", frozen_at=1),
        Account("not-needed"),
        Account("cannot", "unsupported", frozen_at=2),
        Account("may-not", "suspended", frozen_at=2),
    ]
    health.saw_page(accounts, 2, now=NOW)

    assert sorted(health._looks) == ["asked", "failed", "open"]


async def test_whose_records_a_member_has_is_not_remembered(store: Store) -> None:
    health = Health("one")
    failed = Account("a", "error", frozen_at=1, problem="Patient/9434765919 cannot be read")
    health.saw_page([failed], 1, now=NOW)
    found = await health.histories(store.key_values, (), now=NOW)
    assert found["a"].looks[0].problem == "a resource cannot be read"


def test_who_is_no_member_any_more_is_forgotten() -> None:
    health = Health("one")
    health.saw("a", look(1))
    health.saw("b", look(1))
    health.forget(frozenset({"b"}))
    assert sorted(health._looks) == ["b"]
