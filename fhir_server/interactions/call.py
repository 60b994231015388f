"""What an interaction works with, besides its own arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fhir_server.audit.trail import Recording
from fhir_server.conformance.definitions import Definitions
from fhir_server.conformance.validation import Validator
from fhir_server.fhir.errors import Forbidden, InsufficientScope, MethodNotAllowed
from fhir_server.fhir.resource import Resource
from fhir_server.interactions.telling import check_seen, told_by
from fhir_server.policy.criteria import SearchReader
from fhir_server.policy.decision import Audience
from fhir_server.policy.disclosure import Disclosure
from fhir_server.policy.rights import ALL_TYPES, Rights
from fhir_server.policy.scopes import LETTERS
from fhir_server.policy.visibility import Visibility
from fhir_server.search.defaults import PAGE_SIZES, PageSizes
from fhir_server.search.indexing import Extractor
from fhir_server.storage.contract import Store, WriteOp, WriteResult

_WRITING = frozenset("cud")

AUDIT_EVENT = "AuditEvent"
"""What is made of the log; where nothing is recorded it is a type as any other."""


@dataclass(frozen=True)
class Call:
    """One caller's request: what it may use, what it may see, and how large its pages are.

    `base_url` is this server's FHIR base without a slash at the end: absolute references below it are local.
    `now` is when the request came, in microseconds: criteria with an approximate date are relative to it.
    `sight` is what may be seen. With `rights` it is nothing until an interaction says what it needs, by `to`;
    without them the caller may do everything with what is in sight. To an `audience` what people denied it is hidden;
    it `only_reads` where its purpose is one that opt-outs bind: whether a write is refused would tell of whom.
    In an `emergency` it sees the records of these patients. `disclosure` says by what the caller was judged; a call is
    `rounded` where it tells numbers alone, and not the exact ones.
    `lenient` is `Prefer: handling=lenient`: unknown search parameters are left out instead of refused.
    `recording` is what its writes are logged as, None where nothing is. `hidden` are types that nobody sees who asks
    for this purpose. `provenance` was sent along, and is written with what is written.
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
    emergency: frozenset[str] = frozenset()
    disclosure: Disclosure | None = None
    rounded: bool = False
    needs: str = ""
    page_sizes: PageSizes = PAGE_SIZES
    recording: Recording | None = None
    hidden: frozenset[str] = frozenset()
    provenance: Resource | None = None
    _narrowed: dict[str, Call] = field(default_factory=dict, init=False, compare=False, repr=False)

    def changed(self, **values: Any) -> Call:
        """Return it with other values of these fields.

        `dataclasses.replace` takes ten times as long, and a request with a token changes its call twice.
        """
        assert values.keys() <= self.__dict__.keys(), "a call has no such field"
        made = object.__new__(Call)
        made.__dict__.update(self.__dict__, **values, _narrowed={})
        return made

    async def write(self, ops: Sequence[WriteOp], *, atomic: bool) -> Sequence[WriteResult]:
        """Write as `Store.write` does, with the event of the request in the same step; raise as `check_seen` does."""
        if self.audience is not None and (told := told_by(ops)):
            await check_seen(self.store, self.changed(needs="").to("r").sight, told)
        if self.recording is None:
            return await self.store.write(ops, atomic=atomic)
        return await self.recording.written_by(self.store, ops, atomic=atomic)

    def to(self, letters: str, *types: str) -> Call:
        """Return the call of an interaction that needs these rights; raise InsufficientScope.

        `letters` are of SMART's `cruds`; without types it is about all that may be seen. Where an interaction
        runs within another, what either needs bounds both.
        """
        writes = not _WRITING.isdisjoint(letters)
        if writes and self.recording is not None and AUDIT_EVENT in types:
            raise _made_here()
        if self.rights is None:
            return self
        if self.only_reads and writes:
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

    def counting(self, *types: str) -> Call:
        """Return the call of a search for a number alone; raise as `to` does.

        Where records of these types are not disclosed to the caller, their number may be, and the call is rounded.
        """
        counted = None if self.rights is None else self.rights.counted
        if counted is None or self.rights is None or not types:
            return self.to("s", *types)
        if not _lacking(types, self.rights.sight("s")) or _lacking(types, counted):
            return self.to("s", *types)
        return self.changed(sight=_asked(self, counted), needs="s", rounded=True)


def _lacking(types: Sequence[str], sight: Visibility) -> bool:
    return sight.types == frozenset() or not all(map(sight.permits_type, types))


def _narrowed(call: Call, rights: Rights, letters: str) -> Call:
    needs = letters
    if call.needs:
        needs = "".join(each for each in LETTERS if each in letters or each in call.needs)
    if rights.narrowed is not None:
        rights = rights.read_by(SearchReader(call.definitions, call.extractor, call.base_url))
    asked = needs, call.audience, call.hidden
    sight = rights.sights.get(asked)
    if sight is None:
        sight = rights.sights[asked] = _asked(call, rights.sight(needs))
    if call.audience is not None:
        sight = sight.at_moment(call.now, call.emergency)
    return call.changed(sight=sight, needs=needs)


def _asked(call: Call, sight: Visibility) -> Visibility:
    """Return what of a sight the call's audience sees."""
    if call.hidden:
        sight = sight.of_types(call.definitions.resource_types - call.hidden)
    if call.audience is None:
        return sight
    return sight.of_audience(call.audience, at=call.now, emergency=call.emergency)


def _made_here() -> MethodNotAllowed:
    told = "AuditEvents are made by this server alone: they are read and searched, never written, changed or deleted."
    return MethodNotAllowed(told, ("GET", "HEAD", "OPTIONS"))


def _insufficient(call: Call, resource_type: str) -> Forbidden:
    rights = call.rights
    if (
        rights is not None
        and rights.counted is not None
        and rights.counted.permits_type(resource_type)
    ):
        return Forbidden(
            "Records of people are not disclosed for the token's purpose of use: ask for their number with "
            "_summary=count, or with a token of a programme that is registered for records",
            rule="numbers",
        )
    told = f"This needs a scope such as user/{resource_type}.{call.needs}, which the token has not."
    if rights is not None and rights.narrowed is not None:
        told += (
            " A scope whose search parameters (`?…`) are none of its type, or ask for more than the resource's own"
            " content, gives no right."
        )
    if rights is not None and rights.role is not None:
        told += f" Scopes give no more than the caller's role does: {rights.role}."
    return InsufficientScope(told, rule="scopes-and-role")
