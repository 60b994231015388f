"""By which numbers people are known in a store: all of them, on every backend, and nothing else."""

from __future__ import annotations

from fhir_server.fhir.resource import Key
from fhir_server.policy.visibility import Visibility
from fhir_server.search.record import NO_DATE, IndexRecord, token_term
from fhir_server.storage.contract import Delete, Draft, Put, Store
from fhir_server.storage.sqlite.identifying import CHUNK
from tests.storage.conftest import NHS_NUMBER
from tests.storage.test_contract import a_draft

SEES = Visibility.system("a test")
LOCAL = "https://trust.example/mrn"


def known_by(*numbers: str, system: str = NHS_NUMBER) -> tuple[str, ...]:
    return tuple(token_term("identifier", system, each) for each in numbers)


def holding(key: Key, *numbers: str) -> Draft:
    """Return a resource with a Patient inside that has these numbers."""
    inner = IndexRecord("#p", known_by(*numbers), (), (), NO_DATE, (), ())
    record = IndexRecord(key.id, (), (), (), NO_DATE, (), (), (("Patient", inner),))
    return Draft(key, b"", b'"status":"final"', record)


async def found(store: Store, system: str = NHS_NUMBER) -> set[str]:
    return {each async for each in store.identifiers(SEES, "Patient", system)}


async def test_an_empty_store_knows_nobody(store: Store) -> None:
    assert await found(store) == set()


async def test_each_number_of_a_system_is_told_and_none_of_another(store: Store) -> None:
    ada, bob = Key("Patient", "ada"), Key("Patient", "bob")
    drafts = (
        a_draft(ada, terms=(*known_by("9990000018", "9990000026"), *known_by("7", system=LOCAL))),
        a_draft(bob, terms=(*known_by("9990000018"), "family^smith", "identifier~x")),
        a_draft(Key("Person", "ada"), terms=known_by("9990000034")),
        a_draft(Key("Patient", "eve"), terms=known_by("9990000042", system="")),
    )
    await store.write([Put(each) for each in drafts], atomic=False)
    assert await found(store) == {"9990000018", "9990000026"}
    assert await found(store, LOCAL) == {"7"}
    assert await found(store, "") == {"9990000042"}


async def test_who_stands_inside_of_other_resources_is_told_of_too(store: Store) -> None:
    await store.write([Put(holding(Key("Observation", "o"), "9990000018"))], atomic=False)
    assert await found(store) == {"9990000018"}


async def test_what_was_changed_or_deleted_is_told_of_no_more(store: Store) -> None:
    ada, bob, eve = Key("Patient", "ada"), Key("Patient", "bob"), Key("Observation", "o")
    first = (
        a_draft(ada, terms=known_by("1")),
        a_draft(bob, terms=known_by("2")),
        holding(eve, "3"),
    )
    await store.write([Put(each) for each in first], atomic=False)
    changed = a_draft(ada, rest=b'"active":false', terms=known_by("4"))
    await store.write([Put(changed), Delete(bob), Delete(eve)], atomic=False)
    assert await found(store) == {"4"}


async def test_more_than_are_read_at_once_are_all_told(store: Store) -> None:
    numbers = {f"{each:010}" for each in range(CHUNK + 3)}
    drafts = [
        a_draft(Key("Patient", each), terms=(*known_by(each), *known_by("x" + each, system=LOCAL)))
        for each in sorted(numbers)
    ]
    await store.write([Put(each) for each in drafts], atomic=False)
    assert await found(store) == numbers
