"""The index record: all that search knows of a resource, and the grammar of its terms.

One pure function (`fhir_server.search.indexing.Extractor.extract`) makes it; every store, the oracle and later
subscriptions and exports use the same record. A term begins with the code of its search parameter:

    code=8480-6␟SYSTEM      a coding: code first, then its system (`SYSTEM` shortened by `system_key`)
    code~SYSTEM             some code of that system
    subject>Patient/1       a reference; an absolute or canonical one as it stands
    subject#123␟SYSTEM      the identifier of a Reference
    subject<p               a reference to the contained resource p; `subject<` stands for any
    _list>Patient/1         what a List has in an entry that is not marked as deleted
    family^smith            a string, folded as `fold` does
    family!Smith            the same string as it stands, for `:exact`
    url@http://…            a URI
    code"systolic pressure  the text of a code, folded, for `:text`
    identifier%1␟MR␟SYSTEM  the value of an Identifier, and a coding of its type
    near/64.3456.-118       a cell of the grid over the earth that a place lies in
    near!54.002|-1.9        the place itself, in degrees north and east
    code:$8480-6␟SYSTEM␟^high␟      a composite: its parts in order, each with the marker of its kind

Numbers, dates and quantities are ranges on an axis: dates in microseconds since 1970, numbers as text that sorts as
they do. What a search may leave open ends the name of an axis, so that a name cut short is a family of axes:

    dose                    numbers or dates
    dose␟mg                 quantities in one UCUM unit; `dose␟` of those without, and the family of all
    code:$8480-6␟SYSTEM␟mg  a composite: its discrete parts, the systems of its codes, the unit
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import blake2b

import msgspec

INDEX_FORMAT = 6
"""What records and the rows of stores mean: it changes when a release finds or hides by them what an earlier one did not write."""

SEPARATOR = "\x1f"
_CUT = "\x1e"
LONGEST_VALUE = 180
"""Characters of a term's value that are kept; a longer one ends with a digest of the whole."""


class Range(msgspec.Struct, frozen=True, array_like=True, order=True):
    """A closed interval on an axis; `low` and `high` are both int, or both sortable text.

    `tags` say what else holds of this value: its unit by each of its names, the systems of a composite's later codes.
    """

    axis: str
    low: int | str
    high: int | str
    tags: tuple[str, ...] = ()


class IndexRecord(msgspec.Struct, frozen=True, array_like=True):
    """What a resource can be found by.

    `primary` is the lower bound of its primary clinical date in microseconds, or `NO_DATE`;
    `present` the codes of the search parameters whose element it has (for `:missing`);
    `compartments` the ids of the patients whose compartment it belongs to;
    `mentions` the ids of all patients that it refers to anywhere, those included;
    `contained` the resources inside it by their types, each with `#` before its id: nothing outside refers to it;
    `about` the resources that it tells of (`telling`): who is denied one of them is denied this;
    `named` the NHS numbers of people whom it names by them.
    """

    id: str
    terms: tuple[str, ...]
    ranges: tuple[Range, ...]
    present: tuple[str, ...]
    primary: int
    compartments: tuple[str, ...]
    mentions: tuple[str, ...]
    contained: tuple[tuple[str, IndexRecord], ...] = ()
    about: tuple[str, ...] = ()
    named: tuple[str, ...] = ()

    @property
    def people(self) -> tuple[str, ...]:
        """All whom it mentions: the ids of Patients, and numbers with `#` before them, which no id has."""
        return (*(f"{BY_NUMBER}{each}" for each in self.named), *self.mentions)


BY_NUMBER = "#"


def ids_among(people: Iterable[str]) -> Iterator[str]:
    """Yield those of `IndexRecord.people` that are ids of Patients."""
    return (each for each in people if not each.startswith(BY_NUMBER))


NO_DATE = -(2**62)
"""Sorts after every real date where the newest come first."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(IndexRecord).decode


def packed(record: IndexRecord) -> bytes:
    """Return the record as stores keep it."""
    return _encode(record)


def unpacked(record: bytes) -> IndexRecord:
    """Return a record that `packed` made."""
    return _decode(record)


@lru_cache(maxsize=4096)
def system_key(system: str) -> str:
    """Return a short key for a code system: 12 hex digits, or nothing for no system."""
    return blake2b(system.encode(), digest_size=6).hexdigest() if system else ""


def shortened(value: str) -> str:
    """Return the value, or its beginning and a digest where it is too long for an index."""
    if len(value) <= LONGEST_VALUE:
        return value
    return value[:LONGEST_VALUE] + _CUT + blake2b(value.encode(), digest_size=16).hexdigest()


def _is_ignored(character: str) -> bool:
    return unicodedata.category(character)[0] in "PZ" or character.isspace()


_ASCII_IGNORED = {code: " " for code in range(128) if _is_ignored(chr(code))}


def fold(text: str) -> str:
    """Return text without case, accents and punctuation, its white space made one blank."""
    if text.isascii():
        return " ".join(text.lower().translate(_ASCII_IGNORED).split())
    # Twice, as in Unicode's caseless matching: decomposing may make capitals, and folding them what decomposes.
    once = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    decomposed = unicodedata.normalize("NFKD", once.casefold())
    kept = (
        " " if _is_ignored(each) else each for each in decomposed if not unicodedata.combining(each)
    )
    return " ".join("".join(kept).split())


def token_term(parameter: str, system: str, code: str) -> str:
    """Return the term of a coding."""
    return f"{parameter}={shortened(code)}{SEPARATOR}{system_key(system)}"


def system_term(parameter: str, system: str) -> str:
    """Return the term of any code of a system."""
    return f"{parameter}~{system_key(system)}"


def contained_term(parameter: str, local_id: str = "") -> str:
    """Return the term of a reference to a contained resource, without an id to any."""
    return f"{parameter}<{local_id}"


IDENTIFIER = "identifier"
"""The parameter that finds a resource by its business identifiers, in every type that has any."""

LISTED = "_list"
"""The parameter that finds what a List has; the List is indexed by it, as by a reference."""


def reference_term(parameter: str, reference: str) -> str:
    """Return the term of a reference: `Patient/1`, an absolute URL, or a canonical."""
    return f"{parameter}>{shortened(reference)}"


def identifier_term(parameter: str, system: str, value: str) -> str:
    """Return the term of the identifier of a Reference."""
    return f"{parameter}#{shortened(value)}{SEPARATOR}{system_key(system)}"


def of_type_term(parameter: str, system: str, code: str, value: str) -> str:
    """Return the term of an identifier's value with a coding of its type."""
    return (
        f"{parameter}%{shortened(value)}{SEPARATOR}{shortened(code)}{SEPARATOR}{system_key(system)}"
    )


def string_term(parameter: str, text: str) -> str:
    """Return the term of a folded string; of a long one its beginning, as it is searched by parts only."""
    return f"{parameter}^{fold(text)[:LONGEST_VALUE]}"


def caseless_term(parameter: str, code: str) -> str:
    """Return the term of a token that is a string: its case does not count, all else does."""
    return f"{parameter}^{shortened(code.casefold())}"


def exact_term(parameter: str, text: str) -> str:
    """Return the term of a string as it stands."""
    return f"{parameter}!{shortened(text)}"


def uri_term(parameter: str, uri: str) -> str:
    """Return the term of a URI."""
    return f"{parameter}@{shortened(uri)}"


def cell_term(parameter: str, cell: str) -> str:
    """Return the term of a cell that a place lies in."""
    return f"{parameter}/{cell}"


def place_term(parameter: str, place: str) -> str:
    """Return the term of a place: `54.002|-1.9`."""
    return f"{parameter}!{place}"


@lru_cache(maxsize=4096)
def text_term(parameter: str, text: str) -> str:
    """Return the term of the text of a code: remembered, as the same few texts come again and again."""
    return f'{parameter}"{fold(text)[:LONGEST_VALUE]}'


_KEPT_IN_RECORD = re.compile(r"""(?!identifier~)[\w.-]++(?:[!%~"]|<.)""").match


def is_posted(term: str) -> bool:
    """Tell whether stores keep a posting list of a term (or of all with this beginning), or leave it to the record.

    Exact strings and places, texts of codes, identifiers of a type, and `system|` without a code are searched rarely and
    would cost a third of all postings; `identifier=system|` is asked often. What a contained resource is called, nobody
    asks.
    """
    return _KEPT_IN_RECORD(term) is None


def inside(kind: str) -> str:
    """Return the type under which what is contained is posted, apart from what stands by itself."""
    return f"#{kind}"


ANY_CONTAINED = ""
"""The term of all that is contained: no parameter has a code without letters."""

_PATIENT = "patient>Patient/"
_CODES = ("code=", "vaccine-code=")
_CODE, _CONCEPT = "code=", "value-concept="
CODED_TYPE = "Observation"
"""The type that has one code and one value; elsewhere somebody's own parameters may have these names."""

CODED = {"value-quantity" + SEPARATOR: "code-value-quantity", "value-date": "code-value-date"}
"""Axes of a resource's one value, each with the composite of its one code and that value."""


def pair_term(kind: str, first: str, second: str) -> str | None:
    """Return the term of two that have one together in this type, None for any others.

    What a patient has of one code is the commonest clinical question: with a list of its own it is one seek.
    A code and a concept are those of a composite: a resource has one of each.
    """
    if first.startswith(_PATIENT) and second.startswith(_CODES):
        return f"{first}&{second}"
    if kind == CODED_TYPE and first.startswith(_CODE) and second.startswith(_CONCEPT):
        return f"code-value-concept:{_part(first, _CODE)}{_part(second, _CONCEPT)}"
    return None


def coded_axis(kind: str, term: str, axis: str) -> str | None:
    """Return the axis of a code and a value together in this type, None for any other two."""
    composite = CODED.get(axis) if kind == CODED_TYPE else None
    if composite is None or not term.startswith(_CODE):
        return None
    return f"{composite}:{_part(term, _CODE)}"


def _part(term: str, start: str) -> str:
    """Return the term of a coding as a part of a composite's."""
    return f"${term.removeprefix(start)}{SEPARATOR}"


def posted_terms(record: IndexRecord) -> list[str]:
    """Return the terms of a record that have posting lists, pairs among them."""
    posted = [each for each in record.terms if _KEPT_IN_RECORD(each) is None]
    patients = [each for each in posted if each.startswith(_PATIENT)]
    if patients:
        codes = [each for each in posted if each.startswith(_CODES)]
        posted += [f"{patient}&{code}" for patient in patients for code in codes]
    return posted


def prefix_end(prefix: str) -> str:
    """Return the first text after all that begin with the prefix."""
    return prefix + "\U0010ffff"


def is_on(axis: str, asked: str) -> bool:
    """Tell whether an axis is the one that is asked for, or belongs to the family."""
    return axis == asked or (is_family(asked) and axis.startswith(asked))


def is_family(asked: str) -> bool:
    """Tell whether all axes are asked for whose names begin so."""
    return asked.endswith(SEPARATOR)


def unit_of(axis: str) -> str:
    """Return the UCUM unit of the quantities on an axis, "" if they are in none."""
    return axis.rpartition(SEPARATOR)[2]
