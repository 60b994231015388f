"""What an interaction works with, besides its own arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fhir_server.conformance.definitions import Definitions
from fhir_server.conformance.validation import Validator
from fhir_server.fhir.errors import InsufficientScope
from fhir_server.policy.rights import ALL_TYPES, Rights
from fhir_server.policy.scopes import LETTERS
from fhir_server.policy.visibility import Visibility
from fhir_server.search.indexing import Extractor
from fhir_server.storage.contract import Store


@dataclass(frozen=True, slots=True)
class Call:
    """One caller's request: what it may use, what it may see.

    `base_url` is this server's FHIR base without a slash at the end: absolute references below it are local.
    `now` is when the request came, in microseconds: criteria with an approximate date are relative to it.
    `sight` is what may be seen. With `rights` it is nothing until an interaction says what it needs, by `to`;
    without them the caller may do everything with what is in sight.
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
    rights: Rights | None = None
    needs: str = ""

    def to(self, letters: str, *types: str) -> Call:
        """Return the call of an interaction that needs these rights; raise InsufficientScope.

        `letters` are of SMART's `cruds`; without types it is about all that may be seen. Where an interaction
        runs within another, what either needs bounds both.
        """
        return self if self.rights is None else _narrowed(self, self.rights, letters, types)


def _narrowed(call: Call, rights: Rights, letters: str, types: Sequence[str]) -> Call:
    needs = "".join(each for each in LETTERS if each in letters or each in call.needs)
    sight = rights.sight(needs)
    lacking = [each for each in types if not sight.permits_type(each)]
    if lacking or sight.types == frozenset():
        raise _insufficient(needs, lacking[0] if lacking else ALL_TYPES, narrowed=rights.narrowed)
    return replace(call, sight=sight, needs=needs)


def _insufficient(letters: str, resource_type: str, *, narrowed: bool) -> InsufficientScope:
    told = f"This needs a scope such as user/{resource_type}.{letters}, which the token has not."
    if narrowed:
        told += " Scopes with search parameters (`?…`) give no rights here."
    return InsufficientScope(told)
