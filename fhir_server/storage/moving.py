"""What a store is made of, as rows that belong to no backend: so that one store becomes another, as it is.

Each part is given in the order of its places, and taken in that order; what was taken is durable with the place that
was reached. What follows from other rows (postings, denials) is not among them: the other side works it out.
`tests/storage/test_moving.py` holds each backend to it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol, TypeAlias, TypeVar

import msgspec

Place: TypeAlias = tuple[Any, ...]
"""Where a row stands in its part: numbers, texts or bytes. msgspec takes no union of the last two."""

ROWS_TOGETHER = 500
BYTES_TOGETHER = 4_000_000
"""Rows, and bytes of their bodies, that are given and taken at once."""


class Secret(NamedTuple):
    """Random bytes that belong to the store."""

    name: str
    value: bytes

    @property
    def place(self) -> Place:
        """Where it stands."""
        return (self.name,)


class Owner(NamedTuple):
    """An owner class, by its number."""

    number: int
    members: tuple[str, ...]
    mentions: tuple[str, ...]
    labels: tuple[str, ...]

    @property
    def place(self) -> Place:
        """Where it stands."""
        return (self.number,)


class Version(NamedTuple):
    """A version of a resource, in the order of the change feed; `record` is its packed index record.

    What is past, or a deletion, has no record; a deletion has no body. `about` is what it tells of, as `Type/id`.
    """

    moment: int
    rid: int
    type: str
    id: str
    version: int
    method: str
    owner: int
    is_current: bool
    record: bytes | None
    body: bytes | None
    about: tuple[str, ...] = ()

    @property
    def place(self) -> Place:
        """Where it stands."""
        return (self.moment,)


class Person(NamedTuple):
    """The marks of the NHS numbers of a Patient resource, in their order."""

    patient: str
    marks: tuple[bytes, ...]

    @property
    def place(self) -> Place:
        """Where it stands."""
        return (self.patient,)


class Fact(NamedTuple):
    """What a Consent lays down, packed."""

    origin: str
    patient: str
    content: bytes

    @property
    def place(self) -> Place:
        """Where it stands."""
        return (self.origin,)


class OptOut(NamedTuple):
    """The mark of an NHS number on the register of opt-outs."""

    mark: bytes

    @property
    def place(self) -> Place:
        """Where it stands."""
        return (self.mark,)


class Block(NamedTuple):
    """A block of the audit log; `number` is that of its last entry."""

    number: int
    moment: int
    content: bytes
    digest: bytes

    @property
    def place(self) -> Place:
        """Where it stands."""
        return (self.number,)


class KeyValue(NamedTuple):
    """A value that is remembered besides resources; no `expires`: for ever."""

    kind: str
    key: str
    value: bytes
    expires: int | None

    @property
    def place(self) -> Place:
        """Where it stands."""
        return self.kind, self.key


Row: TypeAlias = Secret | Owner | Version | Person | Fact | OptOut | Block | KeyValue
R = TypeVar("R", Secret, Owner, Version, Person, Fact, OptOut, Block, KeyValue)

PARTS: tuple[type[Row], ...] = (Secret, Owner, Version, Person, Fact, OptOut, Block, KeyValue)
"""The parts of a store in the order in which they are taken: versions come after their owner classes."""


class Outline(msgspec.Struct, frozen=True):
    """What a store has besides rows, and how many rows of each part; equal where nothing was written in between.

    `moment` is that of the latest version, `zone` that of dates which name none; `as_of` and `number` are of the
    register of opt-outs, None where none was ever loaded; `tick` rises with what else is written.
    """

    zone: str
    moment: int
    revision: int
    generation: int
    catalogue: bytes
    entries: int
    seal: bytes
    published: int
    opt_outs: tuple[int, int] | None
    counts: dict[str, int]
    tick: int = 0

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(self.counts.values())


class Mark(msgspec.Struct, frozen=True):
    """What is noted in a store for as long as it is no whole copy: of what, and how far it is.

    `part` and `place` are those of the last of the rows that were `taken`.
    """

    FORMAT: ClassVar[int] = -1
    """What stands for the format of a store that is no whole copy: no release knows it as its own."""

    source: str
    target: str
    outline: Outline
    part: str = PARTS[0].__name__
    place: Place | None = None
    taken: int = 0

    def after(self, rows: Sequence[Row]) -> Mark:
        """Return the mark of when these rows are taken as well."""
        taken = self.taken + len(rows)
        part, place = type(rows[-1]).__name__, rows[-1].place
        return msgspec.structs.replace(self, part=part, place=place, taken=taken)

    def left(self) -> Iterator[tuple[type[Row], Place | None]]:
        """Yield the parts that are still to be copied, each with the place after which to go on."""
        names = [each.__name__ for each in PARTS]
        first = names.index(self.part)
        yield PARTS[first], self.place
        yield from ((each, None) for each in PARTS[first + 1 :])

    @property
    def told(self) -> str:
        """Why the store does not open, and what to do."""
        return (
            f"it is no whole copy of {self.source}, which was cut off: go on with "
            f"fhir-server copy --from {self.source} --to {self.target}, or give it up with fhir-server reset"
        )


_encode_mark = msgspec.msgpack.Encoder().encode
_decode_mark = msgspec.msgpack.Decoder(Mark).decode


def packed_mark(mark: Mark) -> bytes:
    """Return a mark as stores keep it."""
    return _encode_mark(mark)


def unpacked_mark(packed: bytes) -> Mark:
    """Return a mark that `packed_mark` made."""
    return _decode_mark(packed)


class Giving(Protocol):
    """A store whose rows are read. What can give one moment does; else `check_unchanged` tells of writes."""

    async def outline(self) -> Outline:
        """Return the outline."""
        ...

    def rows(self, part: type[R], after: Place | None = None) -> AsyncIterator[Sequence[R]]:
        """Yield the rows of a part that follow a place, some at a time."""
        ...

    async def check_unchanged(self, outline: Outline) -> None:
        """Raise Unavailable where something was written since the outline was."""
        ...


class Taking(Protocol):
    """A store that becomes a copy: until the end it opens for nobody."""

    async def begin(self, mark: Mark) -> Mark:
        """Return the mark of this copy, or of one of the same that was cut off.

        Raise Unavailable for a store that holds something, or that is no whole copy of another outline.
        """
        ...

    async def take(self, rows: Sequence[Row]) -> None:
        """Take the rows that follow, all of one part; they are durable, with where it is, when this returns."""
        ...

    async def settle(self) -> Giving:
        """Take over what the outline says besides rows; return the copy, to be compared."""
        ...

    async def finish(self) -> None:
        """Take the mark away: it is a whole copy, and opens."""
        ...


def together(rows: Iterable[R]) -> Iterator[list[R]]:
    """Yield rows in such numbers as are given at once."""
    some: list[R] = []
    size = 0
    for row in rows:
        some.append(row)
        size += weight(row)
        if len(some) == ROWS_TOGETHER or size > BYTES_TOGETHER:
            yield some
            some, size = [], 0
    if some:
        yield some


def weight(row: Row) -> int:
    """Return about how many bytes a row takes."""
    match row:
        case Version(body=body, record=record):
            return len(body or b"") + len(record or b"")
        case Block(content=content) | Fact(content=content):
            return len(content)
        case _:
            return 0
