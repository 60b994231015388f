"""References by canonical URL, `url` or `url|version`: https://hl7.org/fhir/R4/references.html#canonical. Pure.

The index has one with a version under both forms; without a version any version of the resource is meant. So a bare
URL counts as asked for only where no version of it stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from fhir_server.conformance.definitions import Definitions, SearchParameter
from fhir_server.search.expression import AllOf, HasTerm, Not, Predicate
from fhir_server.search.parameter_types import uri
from fhir_server.search.parameter_types.criterion import (
    Criterion,
    any_of,
    begins_with,
    split,
    unescape,
)
from fhir_server.search.paths import is_canonical
from fhir_server.search.record import (
    SEPARATOR,
    IndexRecord,
    reference_term,
    token_term,
    uri_term,
)

_PARAMETERS = frozenset(("url", "version"))
"""What a type has whose resources have canonical URLs."""

_URL = uri_term("url", "")
_VERSION = "version="


def has_canonical(definitions: Definitions, kind: str) -> bool:
    """Tell whether the resources of a type have canonical URLs."""
    return definitions.search_parameters(kind).keys() >= _PARAMETERS


@lru_cache(maxsize=512)
def canonical_parameters(definitions: Definitions, kind: str) -> Mapping[str, SearchParameter]:
    """Return the reference parameters of a type that lead along canonical URLs."""
    return {
        code: each
        for code, each in definitions.search_parameters(kind).items()
        if each.type == "reference" and is_canonical(definitions, each.expression)
    }


def targets(definitions: Definitions, parameter: SearchParameter) -> list[str]:
    """Return the types that such a parameter may lead to."""
    found = parameter.targets or definitions.resource_types
    return sorted(each for each in found if has_canonical(definitions, each))


def asked(criterion: Criterion) -> Predicate:
    """Return what `url=…` asks of such a type: `url|version` is one version of what has the URL."""
    url, *version = split(criterion.value, "|")
    if criterion.modifier is not None or len(version) != 1 or not (url and version[0]):
        return uri.parse(criterion)
    term = token_term("version", "", unescape(version[0]))
    return AllOf((HasTerm(uri_term(criterion.parameter.code, unescape(url))), HasTerm(term)))


def named(records: Iterable[IndexRecord], parameter: str) -> Predicate:
    """Return the predicate of the resources that the records refer to by a parameter."""
    return any_of(each for record in records for each in _named(record, parameter))


def _named(record: IndexRecord, parameter: str) -> Iterator[Predicate]:
    prefix = reference_term(parameter, "")
    found = [each.removeprefix(prefix) for each in record.terms if each.startswith(prefix)]
    with_version = {each.partition("|")[0] for each in found if "|" in each}
    for each in found:
        url, bar, version = each.partition("|")
        if bar:
            yield AllOf((HasTerm(_URL + url), HasTerm(token_term("version", "", version))))
        elif url not in with_version:
            yield HasTerm(_URL + url)


def naming(records: Iterable[IndexRecord], parameter: str) -> Predicate:
    """Return the predicate of what refers to one of the records by a parameter."""
    return any_of(each for record in records for each in _naming(record, parameter))


def _naming(record: IndexRecord, parameter: str) -> Iterator[Predicate]:
    versions = [
        each.removeprefix(_VERSION).rstrip(SEPARATOR)
        for each in record.terms
        if each.startswith(_VERSION)
    ]
    for each in record.terms:
        if each.startswith(_URL):
            bare = reference_term(parameter, "") + each.removeprefix(_URL)
            yield AllOf((HasTerm(bare), Not(begins_with(f"{bare}|"))))
            yield from (HasTerm(f"{bare}|{version}") for version in versions)
