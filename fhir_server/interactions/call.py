"""What an interaction works with, besides its own arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from fhir_server.audit.trail import Recording
from fhir_server.conformance.definitions import Definitions
from fhir_server.conformance.validation import Validator
from fhir_server.fhir.errors import Forbidden, InsufficientScope
from fhir_server.policy.decision import Audience
from fhir_server.policy.rights import ALL_TYPES, Rights
from fhir_server.policy.scopes import LETTERS
from fhir_server.policy.visibility import Visibility
from fhir_server.search.defaults import PAGE_SIZES, PageSizes
from fhir_server.search.indexing import Extractor
from fhir_server.storage.contract import Store, WriteOp, WriteResult

_WRITING = frozenset("cud")


@dataclass(frozen=True, slots=True)
class Call:
    """One caller's request: what it may use, what it may see, and how large its pages are.

    `base_url` is this server's FHIR base without a slash at the end: absolute references below it are local.
    `now` is when the request came, in microseconds: criteria with an approximate date are relative to it.
    `sight` is what may be seen. With `rights` it is nothing until an interaction says what it needs, by `to`;
    without them the caller may do everything with what is in sight. To an `audience` what people denied it is hidden;
    it `only_reads` where its purpose is one that opt-outs bind: whether a write is refused would tell of whom.
    `lenient` is `Prefer: handling=lenient`: unknown search parameters are left out instead of refused.
    `recording` is what its writes are logged as, None where nothing is.
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
    audience: Audience | None = None
    only_reads: bool = False
    needs: str = ""
    page_sizes: PageSizes = PAGE_SIZES
    recording: Recording | None = None
    _narrowed: dict[str, Call] = field(default_factory=dict, init=False, compare=False, repr=False)

    async def write(self, ops: Sequence[WriteOp], *, atomic: bool) -> Sequence[WriteResult]:
        """Write as `Store.write` does, with the event of the request in the same step."""
        if self.recording is None:
            return await self.store.write(ops, atomic=atomic)
        return await self.recording.written_by(self.store, ops, atomic=atomic)

    def to(self, letters: str, *types: str) -> Call:
        """Return the call of an interaction that needs these rights; raise InsufficientScope.

        `letters` are of SMART's `cruds`; without types it is about all that may be seen. Where an interaction
        runs within another, what either needs bounds both.
        """
        if self.rights is None:
            return self
        if self.only_reads and not _WRITING.isdisjoint(letters):
            raise Forbidden(
                "Nothing is written for the token's purpose of use: it may read and search"
            )
        narrowed = self._narrowed.get(letters)
        if narrowed is None:
            # Remembered, since a caller asks for many things with one token: without an audience, rights know no
            # moment. With one, a call is of one request.
            narrowed = self._narrowed[letters] = _narrowed(self, self.rights, letters)
        lacking = [each for each in types if not narrowed.sight.permits_type(each)]
        if lacking or narrowed.sight.types == frozenset():
            raise _insufficient(narrowed, lacking[0] if lacking else ALL_TYPES)
        return narrowed


def _narrowed(call: Call, rights: Rights, letters: str) -> Call:
    needs = "".join(each for each in LETTERS if each in letters or each in call.needs)
    sight = rights.sight(needs)
    if call.audience is not None:
        sight = sight.of_audience(call.audience, at=call.now)
    return replace(call, sight=sight, needs=needs)


def _insufficient(call: Call, resource_type: str) -> InsufficientScope:
    told = f"This needs a scope such as user/{resource_type}.{call.needs}, which the token has not."
    if call.rights is not None and call.rights.narrowed:
        told += " Scopes with search parameters (`?…`) give no rights here."
    return InsufficientScope(told)
