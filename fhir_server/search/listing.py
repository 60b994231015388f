"""`_list`, what a List names: https://hl7.org/fhir/R4/search.html#list. Pure.

An entry that is marked as deleted is not on the list. A list is named by its id, or by its function for a patient
(https://hl7.org/fhir/R4/lifecycle.html#lists): then it is any List of that patient that is current, maintained
as it goes (mode `working`), and has one of the codes of the function.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fhir_server.fhir.errors import BadRequest, NotSupported
from fhir_server.fhir.fhirpath import Node
from fhir_server.fhir.resource import LOGICAL_ID
from fhir_server.search.expression import (
    AllOf,
    HasAnyTerm,
    HasId,
    HasTerm,
    Plan,
    PointedToBy,
    Predicate,
)
from fhir_server.search.parameter_types.criterion import any_of
from fhir_server.search.parameter_types.entries import Entries
from fhir_server.search.parameter_types.token import codings
from fhir_server.search.record import LISTED, reference_term, token_term

MOST_LISTS = 100

MAINTAINED = "List.where(status = 'current' and mode = 'working').code"
"""The codes of a List that is what its patient has now, and no snapshot of it."""

_MAINTAINED = "_maintained"
_LOINC = "http://loinc.org"
_USES = "http://terminology.hl7.org/CodeSystem/list-example-use-codes"
FUNCTIONS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "$current-problems": ((_USES, "problems"), (_LOINC, "11450-4"), (_LOINC, "46105-3")),
    "$current-medications": ((_USES, "medications"), (_LOINC, "10160-0"), (_LOINC, "57828-6")),
    "$current-allergies": (
        (_USES, "allergies"),
        (_LOINC, "18716-1"),
        (_LOINC, "48765-2"),
        (_LOINC, "52472-8"),
    ),
}
"""The codes of the lists that R4 names by their function: those of its own value set, and of LOINC."""

_OF_DRUGS = "$current-drug-allergies"
_SUBJECT = re.compile(r"(?:patient|subject)>Patient/([A-Za-z0-9\-.]{1,64})\Z").match


@dataclass(frozen=True, slots=True)
class Expected:
    """Lists that a search goes by without naming them; `plan` finds them."""

    function: str
    patient: str
    plan: Plan


def is_by_function(value: str) -> bool:
    """Tell whether one of the lists is named by its function."""
    return any(each.startswith("$") for each in value.split(","))


def predicate(resource_type: str, name: str, value: str) -> Predicate:
    """Return that one of these Lists has the resource; raise BadRequest."""
    lists = _lists(name, value)
    for each in lists:
        if each.startswith("$"):
            raise NotSupported(
                f"{LISTED}={each[:64]}: a list by its function is asked for in the search itself, beside "
                "the patient; not in a chain or filter"
            )
        _check(each)
    return _has(resource_type, HasId(tuple(dict.fromkeys(lists))))


def by_function(
    resource_type: str, name: str, value: str, patients: Mapping[str, str | None]
) -> Predicate:
    """Return that one of these Lists, some named by function, has the resource; raise BadRequest.

    `patients` are those that the search is about, each with the term that says so, None where all of it is.
    """
    if not patients:
        raise BadRequest(
            f"{name}={value[:64]}: a list by its function is that of a patient: name one by id, as in "
            "patient=42, or search in Patient/42"
        )
    lists = _lists(name, value)
    functions = [_known(each) for each in lists if each.startswith("$")]
    ids = tuple(dict.fromkeys(each for each in lists if not each.startswith("$")))
    for each in ids:
        _check(each)
    found: list[Predicate] = [_has(resource_type, HasId(ids))] if ids else []
    for each in functions:
        for patient, term in patients.items():
            has = _has(resource_type, _of_function(each, patient))
            found.append(has if term is None else AllOf((HasTerm(term), has)))
    return any_of(found)


def expected(value: str, patients: Iterable[str]) -> Iterator[Expected]:
    """Yield the lists that a search goes by: where there are none, that it finds nothing does not say much."""
    for patient in patients:
        for each in dict.fromkeys(value.split(",")):
            if each in FUNCTIONS:
                lists = Plan(frozenset({"List"}), _of_function(each, patient))
                yield Expected(each, patient, lists)


def patients_of(predicates: Iterable[Predicate]) -> dict[str, str]:
    """Return the patients that a search names by id as what it is about, each with the term that does so."""
    terms: list[str] = []
    for each in predicates:
        match each:
            case HasTerm(term):
                terms.append(term)
            case HasAnyTerm(several):
                terms += several
            case _:
                continue
    return {found[1]: term for term in terms if (found := _SUBJECT(term))}


def index_maintained(node: Node, entries: Entries) -> None:
    """Add what a maintained List is found by as one of its function."""
    entries.terms += [token_term(_MAINTAINED, *each) for each in codings(node)]


def _of_function(function: str, patient: str) -> Predicate:
    codes = tuple(token_term(_MAINTAINED, *each) for each in FUNCTIONS[function])
    return AllOf((HasTerm(reference_term("subject", f"Patient/{patient}")), HasAnyTerm(codes)))


def _has(resource_type: str, lists: Predicate) -> Predicate:
    return PointedToBy("List", LISTED, resource_type, lists)


def _lists(name: str, value: str) -> Sequence[str]:
    if name != LISTED:
        raise BadRequest(f"{name}: {LISTED} has no modifiers")
    lists = value.split(",")
    if len(lists) > MOST_LISTS:
        raise BadRequest(f"{LISTED} names {len(lists)} lists; {MOST_LISTS} are taken")
    return lists


def _known(function: str) -> str:
    if function == _OF_DRUGS:
        raise NotSupported(
            f"{LISTED}={function}: no code tells lists of drug allergies from other lists of allergies; "
            f"{LISTED}=$current-allergies&category=medication,biologic finds those that are on the list of all, "
            "category:missing=true those without one"
        )
    if function not in FUNCTIONS:
        raise NotSupported(
            f"{LISTED}={function[:64]}: there is no list of this function; there are {', '.join(FUNCTIONS)}"
        )
    return function


def _check(logical_id: str) -> None:
    if not LOGICAL_ID.match(logical_id):
        raise BadRequest(
            f"{LISTED}={logical_id[:64]}: this is the id of a List, as 42 of List/42, or several with commas"
        )
