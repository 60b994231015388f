"""How the store on MongoDB fails: what is refused at once, what is waited for, and that nothing is half written."""

from __future__ import annotations

import asyncio
import gc
import ssl
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import pytest
from pymongo import MongoClient
from pymongo.errors import ExecutionTimeout, NetworkTimeout, NotPrimaryError, PyMongoError

from fhir_server.fhir.errors import FhirError, TooCostly, Unavailable, Unreachable
from fhir_server.fhir.resource import Key, Stored
from fhir_server.search.expression import Plan
from fhir_server.storage.contract import Put, Store, Written
from fhir_server.storage.mongo import failures, opening, reaching
from tests.storage.conftest import ENFORCEMENT, ticking
from tests.storage.test_contract import EVERYTHING, a_draft
from tests.support import mongo
from tests.support.certificates import Authority, Files
from tests.support.patience import PATIENCE
from tests.support.proxy import Proxy, proxied

PATIENTS = Plan(frozenset({"Patient"}))
ADA = Key("Patient", "ada")


@pytest.fixture(autouse=True)
def _collect() -> Iterator[None]:
    """Collect what a lost connection left: PyMongo does not close a socket that was refused."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def opened(url: str, *, seconds: float = 10) -> AbstractAsyncContextManager[Store]:
    return opening.open_store(url, clock=ticking(), enforcement=ENFORCEMENT, seconds=seconds)


async def refusal(url: str, told: str, milliseconds: int = 1_000) -> FhirError:
    """Return why an address does not open, which is told; the driver asks until its time is up, and a busy machine gets more."""
    separator = "&" if "?" in url else "/?"
    with pytest.raises(Unavailable) as refused:
        async with opened(f"{url}{separator}serverSelectionTimeoutMS={milliseconds}"):
            pytest.fail("it opened")
    if told not in str(refused.value) and milliseconds < 100_000:
        return await refusal(url, told, 10 * milliseconds)
    assert told in str(refused.value)
    return refused.value


@contextmanager
def serving(*options: str) -> Iterator[str]:
    process, address = mongo.started(*options)
    try:
        yield address
    finally:
        mongo.ended(process)


def test_a_wrong_password_is_refused_at_once_without_repeating_it() -> None:
    with serving("--auth") as address:
        refused = "refuses the user or password"
        said = asyncio.run(refusal(address.replace("//", "//ada:secret@"), refused))
        nobody = asyncio.run(refusal(address, refused))

    assert "secret" not in str(said)
    assert not isinstance(said, Unreachable)
    assert not isinstance(nobody, Unreachable)


async def test_a_standalone_server_that_is_asked_for_by_its_replica_set_is_refused_at_once() -> (
    None
):
    with serving("--standalone") as address:
        told = "member of the replica set rs0: it is standalone (start it with --replSet"
        said = await refusal(f"{address}/x?replicaSet=rs0", told)

    assert not isinstance(said, Unreachable)


async def test_a_file_that_the_address_names_and_that_is_not_there_is_named() -> None:
    address = "mongodb://127.0.0.1:1/x?tls=true&tlsCAFile=/nowhere/ca.pem"

    await refusal(address, "/nowhere/ca.pem: No such file")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "trusted")


@asynccontextmanager
async def encrypted(tmp_path: Path, files: Files) -> AsyncIterator[str]:
    """Yield the address of a database that is to be had by TLS alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    with mongo.database(tmp_path) as url:
        parts = urlsplit(url)
        assert parts.hostname
        async with proxied(parts.hostname, parts.port or 27_017, tls=context) as proxy:
            yield f"mongodb://127.0.0.1:{proxy.port}{parts.path}?directConnection=true"


async def test_an_unknown_authority_and_a_client_without_tls_are_refused_and_a_known_one_serves(
    authority: Authority, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "other").certificate
    async with encrypted(tmp_path, authority.signed("127.0.0.1")) as url:
        unknown = await refusal(f"{url}&tls=true&tlsCAFile={other}", "certificate verify failed")
        await refusal(url, "a server that wants TLS does so: tls=true")
        async with opened(f"{url}&tls=true&tlsCAFile={authority.certificate}") as store:
            await store.write([Put(a_draft(ADA))], atomic=True)
            found = await store.read(EVERYTHING, ADA)

    assert found is not None
    assert not isinstance(unknown, Unreachable)
    assert "tlsCAFile=PATH" in str(unknown)


async def test_a_certificate_for_another_host_is_refused(
    authority: Authority, tmp_path: Path
) -> None:
    async with encrypted(tmp_path, authority.signed("elsewhere.example")) as url:
        there = f"{url}&tls=true&tlsCAFile={authority.certificate}"
        said = await refusal(there, "not valid for '127.0.0.1'")

    assert not isinstance(said, Unreachable)


@pytest.mark.parametrize(
    ("problem", "kind", "said"),
    [
        (NotPrimaryError("x"), Unreachable, "connection to MongoDB was lost"),
        (NetworkTimeout("x"), Unreachable, "did not answer in time"),
        (ExecutionTimeout("x", 50), Unavailable, "was ended there"),
        (PyMongoError("mongodb://ada:secret@host"), Unavailable, "refused (PyMongoError)"),
    ],
)
def test_what_the_driver_raises_is_told_without_repeating_it(
    problem: PyMongoError, kind: type[FhirError], said: str
) -> None:
    ours = failures.as_ours(problem)

    assert type(ours) is kind
    assert said in str(ours)
    assert "secret" not in str(ours)


def test_an_option_that_the_address_names_is_left_as_it_is() -> None:
    options = reaching._options("mongodb://h/x?serverselectiontimeoutms=9&tls=true")

    assert "serverSelectionTimeoutMS" not in options
    assert {"connectTimeoutMS", "socketTimeoutMS"} == options.keys()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Serve a MongoDB that can be told to fail."""
    with serving("--enable-test-commands") as address:
        yield address


@pytest.fixture
def failing(server: str, request: pytest.FixtureRequest) -> str:
    """Return the address of a new database there."""
    name = blake2b(request.node.nodeid.encode(), digest_size=8).hexdigest()
    # Its primary is the same after a failure, which no change of the topology tells: the driver has to look again.
    return f"{server}/{name}?serverMonitoringMode=poll"


@contextmanager
def failures_of(address: str, commands: Sequence[str], times: int, **how: Any) -> Iterator[None]:
    """Have the next so many of these commands fail."""
    data = {"failCommands": list(commands), **how}
    with MongoClient[dict[str, Any]](address) as client:
        arm = {"configureFailPoint": "failCommand", "mode": {"times": times}, "data": data}
        client.admin.command(arm)
        try:
            yield
        finally:
            client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})


STEPPED_DOWN = {"errorCode": 189, "errorLabels": ["TransientTransactionError"]}
LOST = {"closeConnection": True}
CHANGES = [
    pytest.param(["findAndModify"], 1, STEPPED_DOWN, id="the primary steps down at the beginning"),
    pytest.param(["findAndModify"], 2, LOST, id="the connection is lost at the beginning"),
    pytest.param(["insert"], 1, STEPPED_DOWN, id="the primary steps down in the middle"),
    pytest.param(["update"], 1, LOST, id="the connection is lost in the middle"),
    pytest.param(["commitTransaction"], 3, LOST, id="the connection is lost at the commit"),
    pytest.param(
        ["commitTransaction"], 1, {"errorCode": 91}, id="the server shuts down at the commit"
    ),
]


@pytest.mark.parametrize(("commands", "times", "how"), CHANGES)
async def test_a_write_goes_on_on_another_primary_and_is_written_once(
    failing: str, commands: list[str], times: int, how: dict[str, Any]
) -> None:
    async with opened(failing) as store:
        await store.write([Put(a_draft(ADA))], atomic=True)
        with failures_of(failing, commands, times, **how):
            (result,) = await store.write(
                [Put(a_draft(ADA, rest=b'"n":2'), expected=1)], atomic=True
            )
        changes = [each async for each in store.changes(0)]

    assert isinstance(result, Written)
    assert result.stored.version == 2
    assert len(changes) == 2


@pytest.mark.parametrize("how", [{"errorCode": 189}, LOST], ids=["stepped down", "lost"])
async def test_a_read_goes_on_on_another_primary(failing: str, how: dict[str, Any]) -> None:
    async with opened(failing) as store:
        await store.write([Put(a_draft(ADA))], atomic=True)
        with failures_of(failing, ["find"], 1, **how):
            found = await store.search(EVERYTHING, PATIENTS, None, 2)
        with failures_of(failing, ["update"], 1, **LOST):
            await store.key_values.put("kind", "key", b"value", now=1)
        kept = await store.key_values.get("kind", "key", now=1)

    assert [each.stored.key for each in found.rows] == [ADA]
    assert kept == b"value"


async def test_a_statement_that_the_server_ends_at_its_time_is_refused_as_too_costly(
    failing: str,
) -> None:
    async with opened(failing) as store:
        with (
            failures_of(failing, ["find"], 1, errorCode=50),
            pytest.raises(TooCostly, match="took longer than 10 seconds"),
        ):
            await store.search(EVERYTHING, PATIENTS, None, 2)


@asynccontextmanager
async def behind_a_proxy(tmp_path: Path, *, seconds: float) -> AsyncIterator[tuple[Store, Proxy]]:
    """Yield a store that has a patient and gives up so soon, and the proxy to its server."""
    with mongo.database(tmp_path) as url:
        parts = urlsplit(url)
        assert parts.hostname
        async with proxied(parts.hostname, parts.port or 27_017) as proxy:
            address = f"mongodb://127.0.0.1:{proxy.port}{parts.path}?directConnection=true"
            async with opened(address) as patient, opened(address, seconds=seconds) as store:
                await patient.write([Put(a_draft(ADA))], atomic=True)
                yield store, proxy


async def eventually(ask: Callable[[], Awaitable[Stored | None]]) -> Stored | None:
    """Return the first answer that is no refusal."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(Unavailable):
                return await ask()


READS: dict[str, Callable[[Store], Awaitable[object]]] = {
    "read": lambda store: store.read(EVERYTHING, ADA),
    "search": lambda store: store.search(EVERYTHING, PATIENTS, None, 2),
    "readiness": lambda store: store.now(),
    "catalogue": lambda store: store.catalogue(),
}


@pytest.mark.parametrize("name", READS)
async def test_a_server_that_keeps_silent_is_not_waited_for_longer_than_a_request_may_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(failures, "GRACE", 0.1)
    monkeypatch.setattr("fhir_server.storage.mongo.statements.ABORT_SECONDS", 0.1)
    async with behind_a_proxy(tmp_path, seconds=0.3) as (store, proxy):
        proxy.hold()
        began = monotonic()
        with pytest.raises(Unreachable, match="did not answer in time"):
            await READS[name](store)
        took = monotonic() - began
        proxy.release()

        assert await eventually(lambda: store.read(EVERYTHING, ADA)) is not None

    assert took < 0.5 * reaching.SILENCE_MILLISECONDS / 1000


async def test_a_read_that_was_given_up_leaves_no_transaction_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "GRACE", 0.0)
    async with behind_a_proxy(tmp_path, seconds=0.4) as (store, proxy):
        proxy.seconds = 0.3
        with pytest.raises(FhirError):
            await store.catalogue()
        proxy.seconds = 0.0

        (result,) = await store.write([Put(a_draft(ADA, rest=b'"n":2'))], atomic=True)

    assert isinstance(result, Written)
