"""What tests leave behind on MongoDB goes, and what does not go is told, soon."""

from __future__ import annotations

import os
from pathlib import Path
from time import monotonic

import pytest
from pymongo import MongoClient

from tests.support import mongo
from tests.support.patience import PATIENCE


@pytest.mark.skipif("FHIR_TEST_MONGO" in os.environ, reason="others may work on that server")
def test_a_transaction_that_was_left_open_fails_its_test_soon_and_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(mongo, "MILLISECONDS_TO_DROP", 500)
    with mongo.database(tmp_path) as url:
        pass
    began = monotonic()
    with MongoClient[dict[str, object]](url) as client, client.start_session() as session:
        place = client.get_default_database()
        place["any"].insert_one({})
        session.start_transaction()
        place["any"].update_one({}, {"$set": {"changed": True}}, session=session)

        with pytest.raises(AssertionError, match="is a transaction open"):
            mongo.drop_closed()
        with mongo.database(tmp_path):
            pass
        mongo.drop_closed()

        assert place.name not in client.list_database_names()
    assert monotonic() - began < PATIENCE / 2
