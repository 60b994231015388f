"""From the bytes of a resource to its draft: parsed, validated, indexed. Runs in worker processes.

What travels between processes are Structs: dataclasses that are frozen take six times as long to unpickle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from fhir_server.bulk.garbage import collect_seldom
from fhir_server.conformance.definitions import Additions, Definitions, definitions_in
from fhir_server.conformance.validation import Validator
from fhir_server.fhir.errors import BadRequest, FhirError, InvalidResource
from fhir_server.fhir.json import dump, parse_resource
from fhir_server.fhir.outcome import Issue, operation_outcome
from fhir_server.fhir.resource import LOGICAL_ID, Key, Resource
from fhir_server.fhir.xml import parse_xml
from fhir_server.interactions.drafting import prepare
from fhir_server.policy.decision import packed_rules, unpacked_rules
from fhir_server.policy.visibility import Visibility
from fhir_server.search.defaults import DEFAULT_ZONE
from fhir_server.search.indexing import Extractor
from fhir_server.search.record import packed, unpacked
from fhir_server.storage.contract import Draft
from fhir_server.storage.drafts import rendered

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


def prepare_items(
    made_with: Preparation, items: Sequence[tuple[int, bytes]], *, xml: bool = False
) -> list[Result]:
    """Return what each line holds: drafts, a transaction, or the reason why there is none."""
    results: list[Result] = []
    for line, content in items:
        try:
            resource = parse_xml(content, made_with.definitions) if xml else parse_resource(content)
            results.extend(_results(made_with, line, resource))
        except FhirError as error:
            results.append(rejected(line, error))
    return results


def _results(made_with: Preparation, line: int, resource: Resource) -> list[Result]:
    """Return the drafts of a resource, or of a Bundle's entries; raise FhirError where there are none."""
    bundle_type = resource.get("type") if resource["resourceType"] == "Bundle" else None
    if bundle_type == "transaction":
        return [Transaction(line, resource)]
    entries = resource.get("entry", [])
    if bundle_type not in UNPACKED or not isinstance(entries, list):
        return _prepared(made_with, line, resource)
    results: list[Result] = []
    for number, entry in enumerate(entries):
        if isinstance(entry, dict) and isinstance(inner := entry.get("resource"), dict):
            try:
                results += _prepared(made_with, line, inner)
            except FhirError as error:
                place = f"Bundle.entry[{number}].resource"
                results.append(rejected(line, BadRequest(str(error), expression=place)))
    return results


def _prepared(made_with: Preparation, line: int, resource: Resource) -> list[Result]:
    """Return the draft of a resource, and what is wrong with it where that does not keep it out."""
    kind = resource.get("resourceType")
    if not isinstance(kind, str) or kind not in made_with.definitions.resource_types:
        raise BadRequest(f"{kind!r} is no resource type of FHIR R4", expression="resourceType")
    key = Key(kind, _id_of(resource))
    try:
        return [_travelling(line, prepare(made_with, resource, key))]
    except InvalidResource as error:
        if not made_with.keep_invalid:
            raise
        unchecked = replace(made_with, validator=_Unchecked(made_with.definitions))
        draft = prepare(unchecked, resource, key)
        return [_travelling(line, draft), rejected(line, error, kept=True)]


class _Unchecked(Validator):
    """Finds nothing wrong."""

    def validate(self, resource: Any, *, expected_type: str | None = None) -> tuple[Issue, ...]:  # noqa: ARG002
        return ()


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
