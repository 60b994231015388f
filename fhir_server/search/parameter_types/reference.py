"""References: https://hl7.org/fhir/R4/search.html#reference."""

from __future__ import annotations

import re

from fhir_server.fhir.errors import BadRequest
from fhir_server.fhir.fhirpath import Node
from fhir_server.search.expression import (
    NOTHING,
    HasAnyTerm,
    HasTerm,
    HasTermContaining,
    Predicate,
)
from fhir_server.search.parameter_types import token
from fhir_server.search.parameter_types.criterion import (
    Criterion,
    any_of,
    begins_with,
    check_length,
    unescape,
)
from fhir_server.search.parameter_types.entries import Entries, Indexer
from fhir_server.search.parameter_types.uri import with_and_without_version
from fhir_server.search.record import (
    SEPARATOR,
    contained_term,
    identifier_term,
    reference_term,
    shortened,
    system_key,
)

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
_RELATIVE = re.compile(
    r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?\Z"
)
_TYPE = re.compile(r"[A-Z][A-Za-z]+\Z")


def indexer(code: str, base_url: str = "", targets: tuple[str, ...] = ()) -> Indexer:
    """Return what indexes the values of a reference parameter."""

    def index(node: Node, entries: Entries) -> None:
        value = node.value
        if node.type == "Reference":
            text = value.get("reference")
            if text is not None and not text.startswith("#"):
                entries.terms.append(reference_term(code, local(text, base_url)))
            elif text is not None and text != "#":
                entries.terms += (contained_term(code, text[1:]), contained_term(code))
            if (identifier := value.get("identifier")) is not None and "value" in identifier:
                entries.terms.append(
                    identifier_term(code, identifier.get("system", ""), identifier["value"])
                )
        elif isinstance(value, str):
            if not value.startswith("#"):
                entries.terms.extend(
                    reference_term(code, each) for each in with_and_without_version(node)
                )
        elif node.type in targets and "id" in value:
            # A resource inside another: the first entry of a document or message.
            entries.terms.append(reference_term(code, f"{node.type}/{value['id']}"))

    return index


def local(reference: str, base_url: str) -> str:
    """Return a reference without its version, relative if it is to a resource of this server."""
    if base_url and reference.startswith(base_url + "/"):
        reference = reference[len(base_url) + 1 :]
    return reference.partition("/_history/")[0]


def parse(criterion: Criterion) -> Predicate:
    """Return what one value of a reference parameter asks."""
    match criterion.modifier:
        case None:
            return _predicate(criterion)
        case "identifier":
            return _identifier(criterion)
        case "below":
            # Of what leads along ids it is about hierarchies, and was taken as that.
            return _versions_of(criterion)
        case modifier if _TYPE.match(modifier):
            return _of_type(criterion, modifier)
        case _:
            raise criterion.wrong_modifier()


def _predicate(criterion: Criterion) -> Predicate:
    terms = [reference_term(criterion.parameter.code, each) for each in names(criterion)]
    return HasTerm(terms[0]) if len(terms) == 1 else HasAnyTerm(tuple(dict.fromkeys(terms)))


def _versions_of(criterion: Criterion) -> Predicate:
    """Return what `:below` asks of a canonical URL: any version of it, or those that begin with the one given."""
    term = reference_term(criterion.parameter.code, check_length(criterion, whole(criterion)))
    return any_of((HasTerm(term), begins_with(f"{term}."))) if "|" in term else HasTerm(term)


def names(criterion: Criterion) -> list[str]:
    """Return the references that a value stands for: of a bare id one to each type that may be meant."""
    text = whole(criterion)
    if not _ID.match(text):
        return [text]
    return [f"{each}/{text}" for each in criterion.parameter.targets] or [text]


def whole(criterion: Criterion) -> str:
    """Return the reference that is asked for, as it is indexed; raise BadRequest for a fragment."""
    text = local(unescape(criterion.value), criterion.around.base_url)
    if not text or text.startswith(("#", "|")):
        raise criterion.malformed("`id`, `Type/id` or a URL")
    return text


def _of_type(criterion: Criterion, wanted: str) -> Predicate:
    parameter, text = criterion.parameter, whole(criterion)
    if parameter.targets and wanted not in parameter.targets:
        raise BadRequest(
            f"{criterion}: {parameter.code} does not refer to {wanted}, but to "
            f"{', '.join(parameter.targets)}"
        )
    if _ID.match(text):
        return HasTerm(reference_term(parameter.code, f"{wanted}/{text}"))
    named = text.rpartition("/")[0].rpartition("/")[2]
    return HasTerm(reference_term(parameter.code, text)) if named == wanted else NOTHING


def _identifier(criterion: Criterion) -> Predicate:
    code = criterion.parameter.code
    system, value = token.system_and_code(criterion)
    if not value:
        assert system is not None
        return HasTermContaining(f"{code}#", SEPARATOR + system_key(system))
    if system is None:
        return begins_with(f"{code}#{shortened(value)}{SEPARATOR}")
    return HasTerm(identifier_term(code, system, value))
