"""What each interaction needs of a caller's rights, and how far these reach."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import combinations

import pytest

from fhir_server.fhir.errors import Forbidden, InsufficientScope, MethodNotAllowed, NotFound
from fhir_server.fhir.resource import Key, Resource
from fhir_server.interactions.call import Call
from fhir_server.interactions.create import create
from fhir_server.interactions.delete import delete, delete_matching
from fhir_server.interactions.history import history
from fhir_server.interactions.patch import JsonPatch, patch, patch_matching
from fhir_server.interactions.read import read
from fhir_server.interactions.search import search
from fhir_server.interactions.transaction import transaction
from fhir_server.interactions.update import update, update_matching
from fhir_server.interactions.vread import vread
from fhir_server.policy.access import Access
from fhir_server.policy.rights import rights_of
from fhir_server.policy.scopes import LETTERS, parse_scopes
from fhir_server.policy.visibility import Visibility
from fhir_server.storage.pages import HistoryScope
from tests.interactions.builders import (
    ADA,
    a_json_patch,
    a_patient,
    a_transaction,
    an_entry,
    an_observation,
    put,
)

Attempt = Callable[[Call], Awaitable[object]]

O1 = Key("Observation", "o1")
CHANGE = JsonPatch([{"op": "replace", "path": "/status", "value": "amended"}])
EVERYONE = HistoryScope()
WHERE = "_id=o1"


def hers(resource_id: str | None = "o1") -> Resource:
    resource = an_observation("Patient/ada")
    return resource | {"id": resource_id} if resource_id else resource


def of_entry(method: str, url: str, resource: Resource | None = None, **request: str) -> Attempt:
    bundle = a_transaction(an_entry(method, url, resource, **request))
    return lambda call: transaction(call, bundle)


def found(call: Call, *pairs: tuple[str, str]) -> Awaitable[object]:
    return search(call, "Observation", pairs, after=None, now=0)


NEEDS: dict[str, tuple[str, Attempt]] = {
    "read": ("r", lambda call: read(call, O1)),
    "vread": ("r", lambda call: vread(call, O1, 1)),
    "history of one": (
        "r",
        lambda call: history(call, HistoryScope("Observation", "o1"), count=9, after=None),
    ),
    "history of a type": (
        "s",
        lambda call: history(call, HistoryScope("Observation"), count=9, after=None),
    ),
    "history of all": ("s", lambda call: history(call, EVERYONE, count=9, after=None)),
    "search": ("s", lambda call: found(call, ("status", "final"))),
    "count": ("s", lambda call: found(call, ("_summary", "count"))),
    "search of all": ("s", lambda call: search(call, None, (), after=None, now=0)),
    "search of some": (
        "s",
        lambda call: search(call, None, (("_type", "Observation"),), after=None, now=0),
    ),
    "search in a compartment": (
        "s",
        lambda call: search(call, "Observation", (), after=None, now=0, owner=ADA),
    ),
    "create": ("c", lambda call: create(call, "Observation", hers(None))),
    "conditional create": (
        "cs",
        lambda call: create(call, "Observation", hers(None), if_none_exist=WHERE),
    ),
    "update": ("u", lambda call: update(call, O1, hers())),
    "update as create": ("u", lambda call: update(call, Key("Observation", "o2"), hers("o2"))),
    "conditional update": ("us", lambda call: update_matching(call, "Observation", WHERE, hers())),
    "patch": ("ru", lambda call: patch(call, O1, CHANGE)),
    "conditional patch": ("rus", lambda call: patch_matching(call, "Observation", WHERE, CHANGE)),
    "delete": ("d", lambda call: delete(call, O1)),
    "conditional delete": ("ds", lambda call: delete_matching(call, "Observation", WHERE)),
    "POST in a transaction": ("c", of_entry("POST", "Observation", hers(None))),
    "conditional POST in a transaction": (
        "cs",
        of_entry("POST", "Observation", hers(None), ifNoneExist=WHERE),
    ),
    "PUT in a transaction": ("u", of_entry("PUT", "Observation/o1", hers())),
    "conditional PUT in a transaction": ("us", of_entry("PUT", f"Observation?{WHERE}", hers())),
    "PATCH in a transaction": (
        "ru",
        of_entry("PATCH", "Observation/o1", a_json_patch(CHANGE.operations)),
    ),
    "conditional PATCH in a transaction": (
        "rus",
        of_entry("PATCH", f"Observation?{WHERE}", a_json_patch(CHANGE.operations)),
    ),
    "DELETE in a transaction": ("d", of_entry("DELETE", "Observation/o1")),
    "conditional DELETE in a transaction": ("ds", of_entry("DELETE", f"Observation?{WHERE}")),
}
SUBSETS = ["".join(each) for size in range(6) for each in combinations(LETTERS, size)]


def with_scopes(call: Call, text: str, *, patient: str | None = None) -> Call:
    """Return the call of someone whose token has these scopes."""
    access = Access("https://issuer.example", "someone", parse_scopes(text), patient=patient)
    return replace(call, sight=Visibility.nothing("no rights asked for"), rights=rights_of(access))


@pytest.mark.parametrize("name", NEEDS)
async def test_an_interaction_is_open_with_the_rights_that_it_needs_and_not_without(
    call: Call, name: str
) -> None:
    needs, attempt = NEEDS[name]
    refused = set()

    for letters in SUBSETS:
        await put(call, hers())
        scopes = f"user/Observation.{letters} user/Slot.cruds"
        if name in {"history of all", "search of all"}:
            scopes = f"user/Observation.{letters}"
        try:
            await attempt(with_scopes(call, scopes))
        except InsufficientScope:
            refused.add(letters)

    assert refused == {each for each in SUBSETS if not set(needs) <= set(each)}


@pytest.mark.parametrize("name", [each for each in NEEDS if "all" not in each])
async def test_rights_on_other_types_are_no_rights(call: Call, name: str) -> None:
    _, attempt = NEEDS[name]
    await put(call, hers())

    with pytest.raises(InsufficientScope, match=r"user/Observation\.\w+"):
        await attempt(with_scopes(call, "user/Slot.cruds patient/Patient.cruds", patient="ada"))


@pytest.mark.parametrize("name", NEEDS)
async def test_whether_there_is_anything_makes_no_difference_to_a_refusal(
    call: Call, name: str
) -> None:
    _, attempt = NEEDS[name]
    told = []

    for resource in (hers("other"), hers()):
        await put(call, resource)
        with pytest.raises(InsufficientScope) as refusal:
            await attempt(with_scopes(call, "openid user/Observation.cruds?status:unheard=final"))
        told.append(str(refusal.value))

    assert told[0] == told[1]
    assert "search parameters" in told[0]


async def test_a_call_sees_nothing_until_it_says_what_it_needs(call: Call) -> None:
    await put(call, hers())
    caller = with_scopes(call, "user/*.cruds")

    assert await caller.store.read(caller.sight, O1) is None


async def test_of_two_rights_the_narrower_bounds_an_interaction_that_needs_both(call: Call) -> None:
    await put(call, a_patient(resource_id="bob"))
    await put(call, an_observation("Patient/bob", id="o2"))
    caller = with_scopes(call, "user/Observation.rs patient/Observation.cud", patient="ada")

    assert (await read(caller, Key("Observation", "o2"))).version == 1
    with pytest.raises(NotFound):
        await patch(caller, Key("Observation", "o2"), CHANGE)
    with pytest.raises(NotFound):
        await patch_matching(caller, "Observation", "_id=o2", CHANGE)
    assert (await delete(caller, Key("Observation", "o2"))).stored is None
    assert (await delete_matching(caller, "Observation", "_id=o2")).stored is None
    with pytest.raises(MethodNotAllowed):
        await update(caller, Key("Observation", "o2"), hers("o2"))
    with pytest.raises(Forbidden):
        await create(caller, "Observation", an_observation("Patient/bob"))
    assert (await create(caller, "Observation", hers(None))).created


async def test_a_transaction_is_refused_whole_for_one_entry_without_right(call: Call) -> None:
    bundle = a_transaction(
        an_entry("POST", "Observation", hers(None)),
        an_entry("PUT", "Patient/ada", a_patient(resource_id="ada")),
    )

    with pytest.raises(InsufficientScope, match=r"Bundle\.entry\[1\].*nothing was written"):
        await transaction(with_scopes(call, "user/Observation.cruds user/Patient.r"), bundle)

    assert (await history(call, EVERYONE, count=9, after=None)).versions == ()


async def test_a_conditional_reference_needs_the_right_to_search(call: Call) -> None:
    await put(call, a_patient(resource_id="ada", number="9990000018"))
    observation = an_observation("Patient?identifier=9990000018")
    bundle = a_transaction(an_entry("POST", "Observation", observation))

    with pytest.raises(InsufficientScope, match=r"user/Patient\.s"):
        await transaction(with_scopes(call, "user/Observation.c user/Patient.cru"), bundle)

    assert await transaction(with_scopes(call, "user/Observation.c user/Patient.s"), bundle)


@pytest.mark.parametrize(
    ("scopes", "included"),
    [
        ("user/Observation.rs", []),
        ("user/Observation.rs user/Patient.r", []),
        ("user/Observation.rs patient/Patient.s", ["ada"]),
        ("user/Observation.rs user/Patient.s", ["ada", "bob"]),
    ],
)
async def test_includes_and_chains_reach_what_may_be_searched(
    call: Call, scopes: str, included: list[str]
) -> None:
    for name in ("ada", "bob"):
        await put(call, a_patient(resource_id=name))
        await put(call, an_observation(f"Patient/{name}", id=name))
    caller = with_scopes(call, scopes, patient="ada")

    async def ids(*pairs: tuple[str, str]) -> tuple[list[str], list[str]]:
        found = await search(caller, "Observation", pairs, after=None, now=0)
        return tuple(  # type: ignore[return-value]
            sorted(each.stored.key.id for each in rows) for rows in (found.rows, found.included)
        )

    assert await ids(("_include", "Observation:subject")) == (["ada", "bob"], included)
    assert (await ids(("subject:Patient.family", "Lovelace")))[0] == included
    assert (await ids(("subject:Patient.family:missing", "false")))[0] == included
