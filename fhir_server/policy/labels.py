"""Labels that hide a resource by themselves: confidentiality and sensitivity, read as data that people review. Pure.

https://terminology.hl7.org/CodeSystem-v3-Confidentiality.html, and the sensitivity codes of
https://terminology.hl7.org/CodeSystem-v3-ActCode.html. Who may see them all the same is said with the roles.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec

from fhir_server.search.record import SEPARATOR, IndexRecord, token_term

_SECURITY = "_security="
_OPT_OUT = f"category=NDOP{SEPARATOR}"
"""A Consent of this category is a national opt-out, whatever else it bears."""

PARAMETERS = frozenset({"_security", "category"})


class Label(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What some codes mean. `in_emergency`: an emergency grant opens what bears it.

    `parameter` is the search parameter by which it is told from the index record.
    """

    id: str
    system: str
    codes: tuple[str, ...]
    in_emergency: bool
    says: str
    parameter: str = "_security"


class _Content(msgspec.Struct, frozen=True):
    labels: tuple[Label, ...]


@dataclass(frozen=True)
class Labels:
    """The labels that hide what bears them, the strictest first."""

    known: tuple[Label, ...] = ()

    def on(self, terms: Collection[str]) -> Iterator[Label]:
        """Yield what a resource with these labels bears, the strictest first."""
        if terms and not self._by_term.keys().isdisjoint(terms):
            borne = {self._by_term[each].id for each in terms if each in self._by_term}
            yield from (each for each in self.known if each.id in borne)

    @property
    def ids(self) -> frozenset[str]:
        """The names that clearances go by."""
        return frozenset(each.id for each in self.known)

    @cached_property
    def _by_term(self) -> Mapping[str, Label]:
        # A code without its system counts as well: to pass it over would disclose what it was put there to hide.
        return {
            token_term(each.parameter, system, code): each
            for each in self.known
            for code in each.codes
            for system in (each.system, "")
        }


NO_LABELS = Labels()


def read_labels(content: bytes) -> Labels:
    """Return the labels that a file describes; raise ValueError for one that contradicts itself."""
    known = msgspec.json.decode(content, type=_Content).labels
    ids = [each.id for each in known]
    codes = [(each.parameter, each.system, code) for each in known for code in each.codes]
    for found in (ids, codes):
        twice = [each for each in found if found.count(each) > 1]  # type: ignore[arg-type]
        if twice:
            raise ValueError(f"the label {twice[0]} is there twice")
    unknown = [each.id for each in known if each.parameter not in PARAMETERS]
    if unknown:
        raise ValueError(f"the label {unknown[0]} goes by no parameter that is kept")
    return Labels(known)


def label(system: str, code: str) -> str:
    """Return a security label as the index records of resources have it."""
    return token_term("_security", system, code)


def labels_of(record: IndexRecord) -> tuple[str, ...]:
    """Return the labels that a resource has: those of its `meta.security`, and that of a national opt-out."""
    return (*_beginning(record.terms, _SECURITY), *_beginning(record.terms, _OPT_OUT))


def _beginning(terms: Sequence[str], prefix: str) -> Iterator[str]:
    """Yield the terms, which are in order, that begin so: each write asks for them."""
    place = bisect_left(terms, prefix)
    while place < len(terms) and terms[place].startswith(prefix):
        yield terms[place]
        place += 1
