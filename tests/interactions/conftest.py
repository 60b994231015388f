"""A call on a real store: what each interaction is given."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest

from fhir_server.conformance.definitions import Definitions, definitions_in
from fhir_server.conformance.validation import Validator
from fhir_server.interactions.call import Call
from fhir_server.policy.visibility import Visibility
from fhir_server.search.indexing import Extractor
from fhir_server.storage.sqlite.store import open_store
from tests.interactions.builders import BASE_URL
from tests.support.data import ROOT


@pytest.fixture(scope="session")
def definitions() -> Definitions:
    """Read the definitions of R4 as they are asked for."""
    return definitions_in(ROOT / "profiles" / "r4")


@pytest.fixture(scope="session")
def validator(definitions: Definitions) -> Validator:
    """Compile each type once for all tests."""
    return Validator(definitions)


@pytest.fixture(scope="session")
def extractor(definitions: Definitions) -> Extractor:
    """Compile each type once for all tests."""
    return Extractor(definitions, base_url=BASE_URL)


@pytest.fixture
async def call(
    tmp_path: Path, definitions: Definitions, validator: Validator, extractor: Extractor
) -> AsyncIterator[Call]:
    """Give a caller who sees everything an empty store; new ids are new-1, new-2 and so on."""
    moments, ids = count(1_800_000_000_000_000, 1_000_000), count(1)
    async with open_store(tmp_path / "store.db", clock=lambda: next(moments)) as store:
        yield Call(
            store=store,
            definitions=definitions,
            validator=validator,
            extractor=extractor,
            sight=Visibility.everything("test"),
            new_id=lambda: f"new-{next(ids)}",
            base_url=BASE_URL,
        )
