"""A store of an earlier release is brought to this one's tables; one of a later release is refused."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from fhir_server.fhir.errors import Unavailable
from fhir_server.fhir.resource import Key
from fhir_server.policy.visibility import Visibility
from fhir_server.storage.parameters import Catalogue
from fhir_server.storage.sqlite.marking import mark_indexed
from fhir_server.storage.sqlite.schema import SCHEMA, SCHEMA_VERSION, connect
from fhir_server.storage.sqlite.store import open_store
from tests.storage.conftest import ticking


def test_a_store_of_a_later_release_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with apsw.Connection(str(path)) as connection:
        connection.pragma("user_version", SCHEMA_VERSION + 1)

    with pytest.raises(Unavailable, match="later release"):
        connect(path)

    assert apsw.Connection(str(path)).pragma("user_version") == SCHEMA_VERSION + 1


async def test_a_store_of_the_first_schema_keeps_what_it_has_and_is_to_be_indexed_anew(
    tmp_path: Path,
) -> None:
    path = tmp_path / "store.db"
    connection = apsw.Connection(str(path))
    connection.execute(SCHEMA)
    connection.execute(
        "INSERT INTO resource VALUES(1,'Patient','ada',1,5,'PUT',0,0,0,x'00',x'7b7d')"
    )
    connection.pragma("user_version", 1)
    connection.close()

    with pytest.raises(Unavailable, match="fhir-server reindex"):
        async with open_store(path, clock=ticking()):
            pass
    mark_indexed(connect(path))
    async with open_store(path, clock=ticking()) as store:
        kept = await store.read(Visibility.everything("test"), Key("Patient", "ada"))
        assert kept is not None
        assert kept.body == b"{}"
        assert await store.catalogue() == Catalogue(0, 0, b"")


def test_two_who_open_it_at_once_migrate_it_once(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    connections = [connect(path) for _ in range(3)]

    rows = [each.execute("SELECT count(*) FROM catalogue").get for each in connections]

    assert rows == [1, 1, 1]


def test_a_statement_is_not_prepared_anew_for_other_values(tmp_path: Path) -> None:
    connection = connect(tmp_path / "store.db")

    assert connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, -1) == 1
