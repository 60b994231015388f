"""A store with something of everything that a copy has to take along, on any backend."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from fhir_server.fhir.resource import Key
from fhir_server.policy.decision import LaidDown, Provision
from fhir_server.search.record import IndexRecord, Range, token_term
from fhir_server.storage.auditing import Publish
from fhir_server.storage.contract import Delete, Draft, Put, Store
from fhir_server.storage.mongo import giving as mongo_giving
from fhir_server.storage.mongo import taking as mongo_taking
from fhir_server.storage.moving import PARTS, Giving, Mark, Outline, Row, Taking
from fhir_server.storage.parameters import ReplaceCatalogue
from fhir_server.storage.sqlite import giving as sqlite_giving
from fhir_server.storage.sqlite import taking as sqlite_taking
from tests.storage.conftest import NHS_NUMBER, START
from tests.support import mongo

NUMBERS = {"ada": "9990000018", "grace": "9990000026", "twin": "9990000018"}
NO_RESEARCH = Provision("consent", "deny", "Consent/c", purposes=frozenset({"HRESCH"}))
LABEL = token_term("_security", "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "R")


def sqlite_file(folder: Path) -> Path:
    return folder / "store.db"


@asynccontextmanager
async def mongo_gives(folder: Path) -> AsyncIterator[Giving]:
    with mongo.database(folder) as url:
        async with mongo_giving.giving(url) as opened:
            yield opened


@asynccontextmanager
async def mongo_takes(folder: Path) -> AsyncIterator[Taking]:
    with mongo.database(folder) as url:
        async with mongo_taking.taking(url) as opened:
            yield opened


GIVING: Mapping[str, Callable[[Path], AbstractAsyncContextManager[Giving]]] = {
    "sqlite": lambda folder: sqlite_giving.giving(sqlite_file(folder)),
    "mongo": mongo_gives,
}
TAKING: Mapping[str, Callable[[Path], AbstractAsyncContextManager[Taking]]] = {
    "sqlite": lambda folder: sqlite_taking.taking(sqlite_file(folder)),
    "mongo": mongo_takes,
}


def a_record(name: str, *patients: str, terms: Sequence[str] = (), **more: Any) -> IndexRecord:
    known: dict[str, Any] = {"ranges": (), "present": ("code",), "primary": START, **more}
    return IndexRecord(name, tuple(terms), compartments=patients, mentions=patients, **known)


def a_patient(name: str) -> Put:
    number = token_term("identifier", NHS_NUMBER, NUMBERS[name])
    return Put(Draft(Key("Patient", name), b"", b"", a_record(name, name, terms=(number,))))


def an_observation(name: str, value: int, *patients: str, terms: Sequence[str] = ()) -> Put:
    inside = IndexRecord("#d", (f"name^{name}",), (), (), START, (), ())
    record = a_record(
        name,
        *patients,
        terms=(f"code={value}\x1f", *terms),
        ranges=(Range("value\x1fmg", f"{value}", f"{value}"), Range("date", START, START + value)),
        contained=(("Device", inside),),
    )
    rest = b'"valueQuantity":{"value":%d.00}' % value
    return Put(Draft(Key("Observation", name), b'"source":"#\xc3\xa4"', rest, record))


def a_provenance(name: str, *targets: str) -> Put:
    record = a_record(name, about=tuple(f"Observation/{each}" for each in targets))
    rest = b'"about":"%b"' % " ".join(targets).encode()
    return Put(Draft(Key("Provenance", name), b"", rest, record))


def a_consent(patient: str) -> Put:
    laid_down = LaidDown(patient, (NO_RESEARCH,))
    record = a_record("c", patient)
    return Put(Draft(Key("Consent", "c"), b"", b"", record, laid_down=laid_down))


async def fill(store: Store) -> None:
    """Write versions, deletions, what came back, denials and their causes, values, and a log of it."""

    async def write(*ops: Any) -> None:
        await store.write(ops, atomic=False, told=lambda _: msgspec.msgpack.encode("written"))

    await write(*map(a_patient, NUMBERS), a_consent("ada"))
    await write(*(an_observation(f"o{n}", n, "ada", *["grace"] * (n % 2)) for n in range(12)))
    await write(an_observation("o1", 7, "ada"), an_observation("o2", 8, "grace", terms=(LABEL,)))
    await write(Delete(Key("Observation", "o1")), Delete(Key("Observation", "o3")))
    await write(an_observation("o3", 9, "ada"), Delete(Key("Patient", "twin")))
    await write(a_provenance("p", "o1"), a_provenance("q", "o2", "o3"))
    await write(a_provenance("p", "o4"), Delete(Key("Provenance", "q")))
    record = a_record("spoken")
    await write(Put(Draft(Key("SearchParameter", "spoken"), b"", b"", record)))
    await write(ReplaceCatalogue(0, 5, b"\x80"), Publish(0, 3))
    await store.audit_log.append(msgspec.msgpack.encode("read"), durable=True)
    await store.replace_opt_outs({NUMBERS["grace"], "9990000034"}, as_of=START)
    await store.key_values.put("client", "app", b"{}", now=START)
    await store.key_values.put("code", "x/y", b"\x00", now=START, expires=START * 2)
    await store.key_values.put("code-2", "a", b"\x01", now=START)
    await store.secret("signing-keys")


async def rows_of(giving: Giving) -> dict[str, list[Row]]:
    """Return all that a store gives, by part."""
    found: dict[str, list[Row]] = {}
    for part in PARTS:
        rows = found[part.__name__] = []
        async for some in giving.rows(part):  # type: ignore[type-var]
            rows += some
    return found


async def copied(giving: Giving, taking: Taking) -> Outline:
    """Make one store the copy of another."""
    outline = await giving.outline()
    mark = await taking.begin(Mark("sqlite:from.db", "sqlite:to.db", outline))
    for part, place in mark.left():
        async for rows in giving.rows(part, place):  # type: ignore[type-var]
            await taking.take(rows)
    await taking.settle()
    await taking.finish()
    return outline
