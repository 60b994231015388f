"""What an interaction works with, besides its own arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fhir_server.conformance.definitions import Definitions
from fhir_server.conformance.validation import Validator
from fhir_server.policy.visibility import Visibility
from fhir_server.search.indexing import Extractor
from fhir_server.storage.contract import Store


@dataclass(frozen=True, slots=True)
class Call:
    """One caller's request: what it may use, what it may see.

    `base_url` is this server's FHIR base without a slash at the end: absolute references below it are local.
    `now` is when the request came, in microseconds: criteria with an approximate date are relative to it.
    `lenient` is `Prefer: handling=lenient`: unknown search parameters are left out instead of refused.
    """

    store: Store
    definitions: Definitions
    validator: Validator
    extractor: Extractor
    sight: Visibility
    new_id: Callable[[], str]
    base_url: str
    lenient: bool = False
    now: int = 0
