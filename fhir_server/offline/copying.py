"""One store becomes another, of whichever backend: row by row, then compared, and only then opened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

import msgspec

from fhir_server.fhir.errors import Unavailable
from fhir_server.offline.backends import upkeep_of
from fhir_server.settings import Settings
from fhir_server.storage.moving import (
    PARTS,
    Block,
    Fact,
    Giving,
    KeyValue,
    Mark,
    OptOut,
    Outline,
    Owner,
    Person,
    Row,
    Secret,
    Taking,
    Version,
)

STAYING_SECRETS = frozenset({"cursor"})
"""Links to pages are not taken along: how a place in a search is written is the backend's own."""

STAYING_KINDS = frozenset({"federated-cursor", "session"})

NAMES: Mapping[type[Row], str] = {
    Secret: "secrets",
    Owner: "sets of patients",
    Person: "people with an NHS number",
    Fact: "Consents that lay something down",
    OptOut: "opt-outs",
    Block: "blocks of the audit log",
    KeyValue: "other values",
}
"""What people call the parts of a store that are no resources."""

_encode = msgspec.msgpack.Encoder().encode


@dataclass(slots=True)
class Progress:
    """How far a copy is: rows that were copied or compared, of all that will be."""

    done: int = 0
    total: int = 1


@dataclass(frozen=True, slots=True)
class Content:
    """How many rows there are, and a digest of them in their order."""

    number: int
    digest: str


Contents = Mapping[str, Content]
"""What a store has of each part; of versions, by resource type."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy has, and the moment (us) of its latest version; `resumed` rows were there before."""

    moment: int
    contents: Contents
    resumed: int


async def copy(source: Settings, target: Settings, progress: Progress, *, now: int) -> Copied:
    """Make the target a copy of the source, or go on where that was cut off; raise FhirError.

    What has expired by `now` (us) is not taken along.
    """
    if source.store_name == target.store_name:
        raise Unavailable("A store is not copied to itself")
    async with upkeep_of(source).giving() as giving, upkeep_of(target).taking() as taking:
        outline = await giving.outline()
        begun = await taking.begin(Mark(source.store_name, target.store_name, outline))
        progress.done, progress.total = begun.taken, max(1, 3 * outline.rows)
        await _take_all(giving, taking, begun, progress, now=now)
        contents = await _compared(giving, await taking.settle(), outline, progress, now=now)
        await giving.check_unchanged(outline)
        await taking.finish()
    progress.done = progress.total
    return Copied(outline.moment, contents, begun.taken)


async def _take_all(
    giving: Giving, taking: Taking, begun: Mark, progress: Progress, *, now: int
) -> None:
    for part, place in begun.left():
        async for rows in giving.rows(part, place):  # type: ignore[type-var]
            if moving := [each for each in rows if _goes(each, now)]:
                await taking.take(moving)
            progress.done += len(rows)
        await giving.check_unchanged(begun.outline)


async def _compared(
    giving: Giving, copied: Giving, outline: Outline, progress: Progress, *, now: int
) -> Contents:
    """Return what the copy has; raise Unavailable where that is not what the source has."""
    expected = await contents_of(giving, progress, now=now)
    found = await contents_of(copied, progress, now=now)
    wrong = sorted(name for name in expected | found if expected.get(name) != found.get(name))
    if _besides(outline) != _besides(await copied.outline()):
        wrong.append("the state of the store")
    if wrong:
        raise Unavailable(
            f"The copy differs from the source in {', '.join(wrong)}: give it up with fhir-server reset, "
            "run fhir-server check on the source, and copy again"
        )
    return found


def _besides(outline: Outline) -> Outline:
    """Return what an outline tells besides rows."""
    return msgspec.structs.replace(outline, counts={}, tick=0)


async def contents_of(giving: Giving, progress: Progress, *, now: int) -> dict[str, Content]:
    """Return what a store has, what stays behind left out."""
    hashes: dict[str, tuple[list[int], blake2b]] = {}
    for part in PARTS:
        async for rows in giving.rows(part):  # type: ignore[type-var]
            _add(rows, hashes, now)
            progress.done += len(rows)
    return {name: Content(number[0], told.hexdigest()) for name, (number, told) in hashes.items()}


def _add(rows: Iterable[Row], hashes: dict[str, tuple[list[int], blake2b]], now: int) -> None:
    for row in rows:
        if _goes(row, now):
            name = row.type if isinstance(row, Version) else NAMES[type(row)]
            number, told = hashes.setdefault(name, ([0], blake2b(digest_size=16)))
            number[0] += 1
            told.update(_encode(row))


def _goes(row: Row, now: int) -> bool:
    """Tell whether a row is taken along."""
    match row:
        case Secret(name=name):
            return name not in STAYING_SECRETS
        case KeyValue(kind=kind, expires=expires):
            return kind not in STAYING_KINDS and (expires is None or expires > now)
        case _:
            return True
