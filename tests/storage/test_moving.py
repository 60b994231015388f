"""What one backend gives another takes, as it is; until that is done, nobody opens it."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import apsw
import msgspec
import pytest

from fhir_server.fhir.errors import Unavailable
from fhir_server.fhir.resource import Key
from fhir_server.policy.decision import Audience
from fhir_server.search.expression import AllOf, HasTerm, Plan
from fhir_server.storage import moving
from fhir_server.storage.contract import Delete, Put, Store, Written
from fhir_server.storage.mongo.schema import INDEXES
from fhir_server.storage.moving import Giving, Mark, Outline, Secret, Taking
from fhir_server.storage.pages import HistoryScope, Page
from tests.storage.conftest import BACKENDS, START
from tests.storage.moving import (
    GIVING,
    NUMBERS,
    TAKING,
    a_patient,
    an_observation,
    copied,
    fill,
    rows_of,
    sqlite_file,
)
from tests.storage.test_contract import EVERYTHING

OUTLINE = Outline("Europe/London", 7, 0, 0, b"", 0, b"", 0, None, {"Secret": 1})
MARK = Mark("sqlite:from.db", "sqlite:to.db", OUTLINE)
PAIRS = [pytest.param(*pair, id="-".join(pair)) for pair in product(BACKENDS, BACKENDS)]
ANYTHING = AllOf(())
RESEARCH = EVERYTHING.of_audience(Audience("HRESCH"), at=START)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Return where the source and the target are."""
    for name in ("from", "to"):
        (tmp_path / name).mkdir()
    return tmp_path / "from", tmp_path / "to"


@pytest.mark.parametrize("backend", BACKENDS)
async def test_a_store_that_holds_something_becomes_no_copy(backend: str, tmp_path: Path) -> None:
    async with BACKENDS[backend](tmp_path) as store:
        await store.key_values.put("client", "app", b"{}", now=START)

    async with TAKING[backend](tmp_path) as taking:
        with pytest.raises(Unavailable, match="The store holds something"):
            await taking.begin(MARK)

    async with BACKENDS[backend](tmp_path) as store:
        assert await store.key_values.get("client", "app", now=START) == b"{}"


@pytest.mark.parametrize("backend", BACKENDS)
async def test_a_copy_that_is_not_whole_opens_for_nobody_and_tells_how_to_go_on(
    backend: str, tmp_path: Path
) -> None:
    async with TAKING[backend](tmp_path) as taking:
        await taking.begin(MARK)
        await taking.take([Secret("people", b"0")])

    told = "go on with fhir-server copy --from sqlite:from.db --to sqlite:to.db, or .* reset"
    with pytest.raises(Unavailable, match=told):
        async with BACKENDS[backend](tmp_path):
            pytest.fail("it opened")
    with pytest.raises(Unavailable, match=told):
        async with GIVING[backend](tmp_path):
            pytest.fail("it was given")


@pytest.mark.parametrize("backend", BACKENDS)
async def test_a_copy_goes_on_with_the_same_source_alone(backend: str, tmp_path: Path) -> None:
    async with TAKING[backend](tmp_path) as taking:
        await taking.begin(MARK)
        await taking.take([Secret("people", b"0")])
    async with TAKING[backend](tmp_path) as taking:
        with pytest.raises(Unavailable, match="is half copied here, and has changed since"):
            await taking.begin(msgspec.structs.replace(MARK, outline=_later(OUTLINE)))

    async with TAKING[backend](tmp_path) as taking:
        begun = await taking.begin(MARK)

    assert (begun.part, begun.place, begun.taken) == ("Secret", ("people",), 1)


def _later(outline: Outline) -> Outline:
    return msgspec.structs.replace(outline, moment=outline.moment + 1)


@pytest.mark.parametrize("backend", BACKENDS)
async def test_of_two_copies_at_once_one_is_refused(backend: str, tmp_path: Path) -> None:
    async with TAKING[backend](tmp_path) as one, TAKING[backend](tmp_path) as other:
        await one.begin(MARK)
        await other.begin(MARK)
        await one.take([Secret("people", b"0")])

        with pytest.raises(Unavailable, match="Another copy into this store is under way"):
            await other.take([Secret("people", b"1")])
        await one.take([Secret("signing-keys", b"2")])


async def test_a_database_that_is_written_to_meanwhile_is_not_given(tmp_path: Path) -> None:
    async with BACKENDS["mongo"](tmp_path) as store, GIVING["mongo"](tmp_path) as giving:
        await fill(store)
        outline = await giving.outline()
        await giving.check_unchanged(outline)

        await store.write([Delete(Key("Observation", "o2"))], atomic=True)

        with pytest.raises(Unavailable, match="stop its nodes, give the copy up"):
            await giving.check_unchanged(outline)


async def test_a_file_is_given_as_it_was_at_one_moment(tmp_path: Path) -> None:
    async with BACKENDS["sqlite"](tmp_path) as store:
        await fill(store)
        async with GIVING["sqlite"](tmp_path) as giving:
            outline, before = await giving.outline(), await rows_of(giving)

            await store.write([Delete(Key("Observation", "o2"))], atomic=True)

            assert await rows_of(giving) == before
            assert await giving.outline() == outline


GIVEN = {
    *("secret", "owner", "person", "fact", "opt_out", "audit", "keyvalue"),
    *("resource", "history"),
}
"""The tables and collections that are rows of a part."""

FOLLOWING = {
    "sqlite": {
        "term",
        "span",
        "owned",
        "audience",
        "denial",
        "catalogue",
        "register",
        "audit_state",
        "denial_changes",
        "about",
    },
    "mongo": {"axis", "audience", "denial", "intent", "state"},
}
"""Those that follow from rows, or are told with them or by the outline."""


async def test_each_table_is_given_or_follows_from_what_is(tmp_path: Path) -> None:
    async with BACKENDS["sqlite"](tmp_path):
        connection = apsw.Connection(str(sqlite_file(tmp_path)))
        tables = "SELECT name FROM sqlite_schema WHERE type='table' AND name NOT GLOB 'sqlite_*'"
        rows = connection.execute(tables).fetchall()
        connection.close()

    assert {str(each) for (each,) in rows} == GIVEN | FOLLOWING["sqlite"]
    assert set(INDEXES) == GIVEN | FOLLOWING["mongo"]


@pytest.mark.parametrize("backend", BACKENDS)
async def test_an_empty_store_is_copied_too(backend: str, folders: tuple[Path, Path]) -> None:
    source, target = folders
    async with BACKENDS[backend](source):
        pass

    async with GIVING[backend](source) as giving, TAKING[backend](target) as taking:
        await copied(giving, taking)

    async with BACKENDS[backend](target) as store:
        assert await store.now() == 0


@pytest.mark.parametrize(("source", "target"), PAIRS)
async def test_what_was_given_is_taken_as_it_is(
    source: str, target: str, folders: tuple[Path, Path]
) -> None:
    async with BACKENDS[source](folders[0]) as store:
        await fill(store)
        expected = await told_by(store)
    async with GIVING[source](folders[0]) as giving:
        async with TAKING[target](folders[1]) as taking:
            outline = await copied(giving, taking)
        given = await rows_of(giving)

    async with GIVING[target](folders[1]) as giving:
        assert await rows_of(giving) == given
        found = await giving.outline()
        assert msgspec.structs.replace(found, tick=outline.tick) == outline
    async with BACKENDS[target](folders[1]) as store:
        assert await told_by(store) == expected
        await goes_on(store)


async def told_by(store: Store) -> list[object]:
    """Return what a store tells by all its ways to read."""
    plan = Plan(frozenset({"Observation"}), HasTerm("code=7\x1f"))
    inside = Plan(frozenset({"Observation"}), HasTerm("code=8\x1f"))
    history = await store.history(EVERYTHING, HistoryScope(), None, 100)
    deleted = await store.read(EVERYTHING, Key("Observation", "o1"))
    entries = await store.audit_log.entries(0, 100)
    return [
        history.versions,
        deleted,
        [each async for each in store.changes(0)],
        [_keys(await store.search(sight, plan, None, 9)) for sight in (EVERYTHING, RESEARCH)],
        _keys(await store.search(RESEARCH, inside, None, 9)),
        _keys(await store.search(RESEARCH, Plan(frozenset({"Patient"}), ANYTHING), None, 9)),
        await store.opt_outs(),
        await store.stamp(),
        await store.catalogue(),
        await store.extent("Observation"),
        await store.audit_log.extent(),
        [bytes(each) for each in entries],
        await store.audit_log.concerned([(Key("Observation", "o2"), 1)]),
        await store.key_values.get("code", "x/y", now=START),
        await store.key_values.items("client", now=START),
        await store.secret("signing-keys"),
    ]


def _keys(page: Page) -> list[Key]:
    return [row.stored.key for row in page.rows]


async def goes_on(store: Store) -> None:
    """See that what is written next comes after all that was copied, and joins its people."""
    latest, generation = await store.now(), (await store.stamp()).generation
    ops = [a_patient("twin"), an_observation("new", 3, "twin")]
    drafts = [Put(msgspec.structs.replace(each.draft, generation=generation)) for each in ops]

    results = await store.write(drafts, atomic=True, told=lambda _: msgspec.msgpack.encode("x"))

    assert all(isinstance(each, Written) and each.stored.moment > latest for each in results)
    back = await store.read(EVERYTHING, Key("Patient", "twin"))
    assert back is not None
    assert back.version == 3
    # Of the same number as ada, whose Consent denies research.
    assert NUMBERS["twin"] == NUMBERS["ada"]
    assert await store.read(RESEARCH, Key("Observation", "new")) is None
    assert (await store.audit_log.extent()).last > 0


@pytest.mark.parametrize(("source", "target"), PAIRS)
async def test_wherever_it_is_cut_off_a_copy_goes_on(
    source: str, target: str, folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "ROWS_TOGETHER", 9)
    async with BACKENDS[source](folders[0]) as store:
        await fill(store)
    async with GIVING[source](folders[0]) as giving:
        outline, given = await giving.outline(), await rows_of(giving)
        mark, lots, is_whole = Mark("sqlite:from.db", "sqlite:to.db", outline), 0, False
        while not is_whole:
            async with TAKING[target](folders[1]) as taking:
                is_whole = not await took_a_lot(giving, taking, await taking.begin(mark))
                lots += not is_whole
                if is_whole:
                    await taking.settle()
                    await taking.finish()

    async with GIVING[target](folders[1]) as giving:
        assert await rows_of(giving) == given
    assert lots > len(given)


async def took_a_lot(giving: Giving, taking: Taking, begun: Mark) -> bool:
    """Take the next rows and no more; tell whether there were any."""
    for part, place in begun.left():
        async for rows in giving.rows(part, place):  # type: ignore[type-var]
            await taking.take(rows)
            return True
    return False
