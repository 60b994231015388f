"""From the bytes of a resource to its draft: parsed, validated, indexed. Runs in worker processes.

What travels between processes are Structs: dataclasses that are frozen take six times as long to unpickle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path

import msgspec

from fhir_server.bulk.garbage import collect_seldom
from fhir_server.conformance.definitions import Additions, Definitions, definitions_in
from fhir_server.conformance.validation import Validator
from fhir_server.fhir.errors import BadRequest, FhirError, InvalidResource
from fhir_server.fhir.json import dump, parse_resource
from fhir_server.fhir.outcome import operation_outcome
from fhir_server.fhir.resource import LOGICAL_ID, Key, Resource
from fhir_server.fhir.xml import parse_xml
from fhir_server.interactions.drafting import addressed, check_valid, drafted
from fhir_server.policy.decision import packed_rules, unpacked_rules
from fhir_server.policy.visibility import Visibility
from fhir_server.search.defaults import DEFAULT_ZONE
from fhir_server.search.indexing import Extractor
from fhir_server.search.record import packed, unpacked
from fhir_server.storage.contract import Draft
from fhir_server.storage.drafts import rendered

_TOGETHER = 32
"""Items that are read, judged and indexed together: few enough for the processor to have them at hand as well."""

UNPACKED = ("batch", "collection", "searchset", "history")
"""Types of Bundle whose entries are loaded one by one; a transaction is done as a whole."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """What a draft is made with; `keep_invalid`: what breaks a rule is told, and loaded as it is."""

    definitions: Definitions
    validator: Validator
    extractor: Extractor
    sight: Visibility
    keep_invalid: bool = False


class Prepared(msgspec.Struct, frozen=True):
    """A draft as it travels between processes, and the line that it came from."""

    line: int
    type: str
    id: str
    meta: bytes
    rest: bytes
    record: bytes
    generation: int
    laid_down: bytes = b""

    @property
    def draft(self) -> Draft:
        """The draft to write."""
        key, record = Key(self.type, self.id), unpacked(self.record)
        laid_down = unpacked_rules(self.laid_down) if self.laid_down else None
        return Draft(key, self.meta, self.rest, record, self.generation, laid_down)


class Transaction(msgspec.Struct, frozen=True):
    """A transaction Bundle, to be done as a whole."""

    line: int
    bundle: Resource


class Rejected(msgspec.Struct, frozen=True):
    """What is wrong with a resource, as an OperationOutcome; `kept`: it is loaded all the same."""

    line: int
    outcome: bytes
    kept: bool = False


Result = Prepared | Transaction | Rejected


def preparation(
    folder: Path, base_url: str, zone: str = DEFAULT_ZONE, *, keep_invalid: bool = False
) -> Preparation:
    """Return what drafts are made with, from the definitions in a folder."""
    known = definitions_in(folder)
    sight = Visibility.everything("load")
    extractor = Extractor(known, zone=zone, base_url=base_url)
    return Preparation(known, Validator(known), extractor, sight, keep_invalid)


@dataclass(frozen=True, slots=True)
class Parameters:
    """The search parameters besides R4's to index by, as they travel between processes."""

    generation: int = 0
    added: Additions = field(default_factory=dict)


def indexing_by(made_with: Preparation, parameters: Parameters) -> Preparation:
    """Return what drafts are made with under these search parameters."""
    if made_with.extractor.generation == parameters.generation:
        return made_with
    definitions = made_with.definitions.extended_by(parameters.added)
    extractor = made_with.extractor.over(definitions, parameters.generation)
    return replace(made_with, extractor=extractor)


def redrafted(draft: Draft, extractor: Extractor) -> Draft:
    """Return a draft indexed anew: the search parameters changed after it was made."""
    record = extractor.extract(parse_resource(rendered(draft, 1, 0)))
    return msgspec.structs.replace(draft, record=record, generation=extractor.generation)


def rejected(line: int, error: FhirError, *, kept: bool = False) -> Rejected:
    """Return the report of an error."""
    return Rejected(line, dump(operation_outcome(error.issues)), kept)


class _Met(msgspec.Struct, frozen=True):
    """A resource on its way to a draft; `entry` is its number where it was met in a Bundle."""

    line: int
    resource: Resource
    entry: int | None = None


class _Judged(msgspec.Struct, frozen=True):
    """A resource that goes on, with its own identity; `problem` is what is wrong with it and does not keep it out."""

    met: _Met
    key: Key
    own: Resource
    problem: Rejected | None = None


def prepare_items(
    made_with: Preparation, items: Sequence[tuple[int, bytes]], *, xml: bool = False
) -> list[Result]:
    """Return what each line holds: drafts, a transaction, or the reason why there is none.

    A few are read, then judged, then indexed: to do one thing several times takes an eighth less than to do
    all things for one resource after the other, as the processor has the code of it at hand.
    """
    results: list[Result] = []
    for first in range(0, len(items), _TOGETHER):
        some = items[first : first + _TOGETHER]
        met = [each for line, content in some for each in _met(made_with, line, content, xml=xml)]
        judged = [_judged(made_with, each) if isinstance(each, _Met) else each for each in met]
        for each in judged:
            if isinstance(each, _Judged):
                results += _drafted(made_with, each)
            else:
                results.append(each)
    return results


def _met(
    made_with: Preparation, line: int, content: bytes, *, xml: bool
) -> Sequence[_Met | Transaction | Rejected]:
    """Return the resource of a line, or those of a Bundle's entries."""
    try:
        resource = parse_xml(content, made_with.definitions) if xml else parse_resource(content)
    except FhirError as error:
        return (rejected(line, error),)
    bundle_type = resource.get("type") if resource["resourceType"] == "Bundle" else None
    if bundle_type == "transaction":
        return (Transaction(line, resource),)
    entries = resource.get("entry", [])
    if bundle_type not in UNPACKED or not isinstance(entries, list):
        return (_Met(line, resource),)
    return [
        _Met(line, inner, number)
        for number, entry in enumerate(entries)
        if isinstance(entry, dict) and isinstance(inner := entry.get("resource"), dict)
    ]


def _judged(made_with: Preparation, met: _Met) -> _Judged | Rejected:
    """Return a resource with what is wrong with it, or why it stays out."""
    try:
        key = _key_of(made_with, met.resource)
        own = addressed(met.resource, key)
        try:
            check_valid(made_with, own)
        except InvalidResource as error:
            if not made_with.keep_invalid:
                raise
            return _Judged(met, key, own, rejected(met.line, error, kept=True))
    except FhirError as error:
        return _refused(met, error)
    return _Judged(met, key, own)


def _drafted(made_with: Preparation, judged: _Judged) -> Sequence[Result]:
    """Return the draft of a resource, and what is wrong with it where that does not keep it out."""
    try:
        found = _travelling(judged.met.line, drafted(made_with, judged.own, judged.key))
    except FhirError as error:
        return (_refused(judged.met, error),)
    return (found,) if judged.problem is None else (found, judged.problem)


def _refused(met: _Met, error: FhirError) -> Rejected:
    if met.entry is None:
        return rejected(met.line, error)
    place = f"Bundle.entry[{met.entry}].resource"
    return rejected(met.line, BadRequest(str(error), expression=place))


def _key_of(made_with: Preparation, resource: Resource) -> Key:
    kind = resource.get("resourceType")
    if not isinstance(kind, str) or kind not in made_with.definitions.resource_types:
        raise BadRequest(f"{kind!r} is no resource type of FHIR R4", expression="resourceType")
    return Key(kind, _id_of(resource))


def _travelling(line: int, draft: Draft) -> Prepared:
    record, generation = packed(draft.record), draft.generation
    rules = b"" if draft.laid_down is None else packed_rules(draft.laid_down)
    return Prepared(
        line, draft.key.type, draft.key.id, draft.meta, draft.rest, record, generation, rules
    )


def _id_of(resource: Resource) -> str:
    """Return the resource's id; without one, an id that the same content gets each time."""
    given = resource.get("id")
    if given is None:
        return blake2b(dump(resource), digest_size=16).hexdigest()
    if not isinstance(given, str) or not LOGICAL_ID.match(given):
        raise BadRequest(
            f"the id {given!r} is not 1 to 64 letters, digits, '-' and '.'", expression="id"
        )
    return given


_made_with: list[Preparation] = []


def start_worker(folder: Path, base_url: str, zone: str, keep_invalid: bool) -> None:  # noqa: FBT001 - by position
    """Make a worker process ready."""
    collect_seldom()
    _made_with.append(preparation(folder, base_url, zone, keep_invalid=keep_invalid))


def work(items: Sequence[tuple[int, bytes]], *, xml: bool, parameters: Parameters) -> list[Result]:
    """Prepare items in a worker process, under the search parameters of the moment."""
    _made_with[0] = indexing_by(_made_with[0], parameters)
    return prepare_items(_made_with[0], items, xml=xml)
