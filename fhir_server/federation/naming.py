"""Whom the resources of a member refer to, by the numbers by which they are known at others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fhir_server.federation.answers import Match
from fhir_server.federation.identities import NOBODY, PATIENT, Directory
from fhir_server.federation.search import Party, Question
from fhir_server.federation.transport import Failed
from fhir_server.fhir.json import parse
from fhir_server.fhir.nhs_number import is_nhs_number
from fhir_server.policy.personal import NHS_NUMBER
from fhir_server.search.filtering import known_parameters
from fhir_server.search.record import SEPARATOR, system_key

_OWN = f">{PATIENT}/"
_NAMED = "#"


@dataclass(frozen=True, slots=True)
class Named:
    """The NHS numbers of people, how many resources name a Patient without one, and what went wrong, if anything."""

    numbers: frozenset[str] = frozenset()
    unknown: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Reference:
    """Whom one resource refers to: Patients of its server by their ids, others by number."""

    ids: frozenset[str]
    numbers: frozenset[str]


async def named_by(
    parameter: str, question: Question, party: Party, matches: Sequence[Match]
) -> Named:
    """Return whom resources refer to by a parameter; Patients are looked up in the caller's name."""
    known = known_parameters(question.definitions, matches[0].type)
    codes = [each.code for each in known.sources(known.parameters[parameter])]
    references = [_reference(party, each, codes) for each in matches]
    ids = frozenset[str]().union(*(each.ids for each in references))
    try:
        people = await _directory(party, question).identities(ids, until=question.until)
    except Failed as failure:
        return Named(problem=failure.state)
    told = [
        each.numbers.union(*(people.get(one, NOBODY).verified for one in each.ids))
        for each in references
    ]
    unknown = sum(bool(each.ids) and not one for each, one in zip(references, told, strict=True))
    return Named(frozenset[str]().union(*told), unknown)


def _directory(party: Party, question: Question) -> Directory:
    if party.clearing is None:
        return Directory(party.line, question.headers)
    return party.clearing.directory


def _reference(party: Party, match: Match, codes: Iterable[str]) -> _Reference:
    terms = party.extractor.extract(parse(match.resource)).terms
    ids, numbers = set[str](), set[str]()
    for code in codes:
        own, named = code + _OWN, code + _NAMED
        ids |= {each.removeprefix(own) for each in terms if each.startswith(own)}
        numbers |= {_number(each.removeprefix(named)) for each in terms if each.startswith(named)}
    return _Reference(frozenset(ids), frozenset(numbers - {""}))


def _number(identifier: str) -> str:
    """Return the NHS number that the value and the system of an identifier are, nothing where they are none."""
    value, _, system = identifier.partition(SEPARATOR)
    number = value.replace(" ", "")
    return number if system == system_key(NHS_NUMBER) and is_nhs_number(number) else ""
