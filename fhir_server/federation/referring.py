"""`_has` over members: who is referred to at another server than where their record is, is known there by NHS number.

`Patient?_has:Observation:patient:code=…` finds a Patient at one member by an Observation at any: the hub searches for what
refers, looks up whose numbers it names, and asks for the Patients that have these. Of what a member has itself it is asked
as well, where nothing of that has to be cleared here. https://hl7.org/fhir/R4/search.html#has
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fhir_server.federation.answers import Match
from fhir_server.federation.duplicates import SHOW_ALL
from fhir_server.federation.identities import PATIENT
from fhir_server.federation.joined import MOST, Joined, Pair, Pairs, in_turns
from fhir_server.federation.naming import Named, named_by
from fhir_server.federation.search import Federated, Party, Question, federated_search
from fhir_server.policy.personal import NHS_NUMBER
from fhir_server.search.parsing import parse_query
from fhir_server.search.query import Query

MOST_SOURCES = 500
"""Resources by which people may be found."""

_PARTS = 3


@dataclass(frozen=True, slots=True)
class Referring:
    """One `_has`: which type refers, by which parameter, and what else is asked of it."""

    pair: Pair
    source: str
    reference: str
    inner: str

    def is_told_by(self, party: Party) -> bool:
        """Tell whether a member says by itself who is meant: not by what might have to be left out here."""
        asked = (self.reference, self.inner.partition(":")[0].partition(".")[0])
        known = party.capabilities
        able = known.searches(PATIENT) and all(known.knows(self.source, each) for each in asked)
        return able and party.clearing is None

    def query(self, question: Question) -> Query:
        """Return the search for what refers."""
        pairs = ((self.inner, self.pair[1]), ("_count", str(MOST_SOURCES)))
        return parse_query(self.source, pairs, question.definitions, now=question.moment)


@dataclass(frozen=True, slots=True)
class _People:
    """Who is referred to, by number. `cut`: there are more; `lacking` says what is missing, that as well."""

    numbers: frozenset[str]
    cut: bool
    lacking: tuple[str, ...]


def referring(question: Question, parties: Sequence[Party]) -> Sequence[Referring]:
    """Return what the hub follows: nothing where nobody has what refers, or one member has it all."""
    if question.resource_type != PATIENT:
        return ()
    asked = [found for each in question.query.applied if (found := _read(each, question))]
    able = [_searching(each.source, parties) for each in asked]
    holders = _searching(PATIENT, parties)
    alone = all(len(holders | each) == 1 for each in able)
    cleared = any(each.clearing is not None for each in parties)
    return asked if all(able) and (cleared or not alone) else ()


def _searching(resource_type: str, parties: Sequence[Party]) -> frozenset[str]:
    """Return the members that search a type."""
    found = (each for each in parties if each.capabilities.searches(resource_type))
    return frozenset(each.line.member.id for each in found)


def _read(pair: Pair, question: Question) -> Referring | None:
    """Return a `_has` of one step to Patients, None for another parameter."""
    code, *parts = pair[0].split(":", _PARTS)
    if code != "_has" or len(parts) < _PARTS or parts[2].startswith("_has:"):
        return None
    source, reference, inner = parts
    parameter = question.definitions.search_parameters(source).get(reference)
    targets = () if parameter is None else parameter.targets
    return Referring(pair, source, reference, inner) if PATIENT in targets else None


async def referred(
    question: Question, parties: Sequence[Party], asked: Sequence[Referring]
) -> Sequence[Party]:
    """Return the members, those that have Patients with what they are asked in the place of each `_has`."""
    if not asked:
        return parties
    found = await asyncio.gather(*(_people(each, question, parties) for each in asked))
    numbers = frozenset.intersection(*(each.numbers for each in found))
    lacking = dict.fromkeys(told for each in found for told in each.lacking)
    people = _People(numbers, any(each.cut for each in found), tuple(lacking))
    return [
        replace(each, joined=_joined(each, asked, people))
        if each.capabilities.searches(PATIENT)
        else each
        for each in parties
    ]


def _joined(party: Party, asked: Sequence[Referring], people: _People) -> Joined:
    own: tuple[Pairs, ...] = ()
    if all(each.is_told_by(party) for each in asked):
        own = (tuple(each.pair for each in asked),)
    lacking = list(people.lacking)
    turns = in_turns("identifier", [f"{NHS_NUMBER}|{each}" for each in sorted(people.numbers)])
    if people.cut and own:
        # So that it goes on page by page: what is asked in turns is put in order here, and has to be little.
        turns = ()
    elif turns and not party.capabilities.knows(PATIENT, "identifier"):
        turns = ()
        lacking.append("it does not declare identifier, by which people are known elsewhere")
    elif len(people.numbers) > MOST:
        lacking.append(f"{len(people.numbers)} people are meant, of whom {MOST} were asked for")
    names = ", ".join(each.pair[0] for each in asked)
    told = f"{names} was followed in part: {'; '.join(lacking)}" if lacking else ""
    return Joined(tuple(each.pair for each in asked), (*own, *turns), told)


async def _people(asked: Referring, question: Question, parties: Sequence[Party]) -> _People:
    """Return who is referred to, as far as the members that can tell it know them by number."""
    able = [each for each in parties if each.capabilities.searches(asked.source)]
    query, source = asked.query(question), asked.source
    inner = replace(question, query=query, resource_type=source, duplicates=SHOW_ALL)
    found = await federated_search(inner, able)
    matches: dict[str, list[Match]] = defaultdict(list)
    for each in found.taken:
        matches[each.member].append(each.match)
    holding = [each for each in able if each.line.member.id in matches]
    named = await asyncio.gather(
        *(named_by(asked.reference, question, e, matches[e.line.member.id]) for e in holding)
    )
    numbers = frozenset[str]().union(*(each.numbers for each in named))
    lacking = _lacking(asked, found, list(zip(holding, named, strict=True)))
    return _People(numbers, found.cursor is not None, tuple(lacking))


def _lacking(
    asked: Referring, found: Federated, named: Sequence[tuple[Party, Named]]
) -> Sequence[str]:
    """Return what is missing from who is referred to, nothing where it is whole."""
    told = [f"{each.member} {each.state}" for each in found.accounts if each.state != "ok"]
    told += [f"{party.line.member.id} {each.problem}" for party, each in named if each.problem]
    # Whom a member knows by no number, it finds itself where it is asked itself.
    unknown = sum(each.unknown for party, each in named if not asked.is_told_by(party))
    if unknown:
        told.append(f"{unknown} that match name somebody who has no verified NHS number")
    return [*told, f"over {MOST_SOURCES} match"] if found.cursor is not None else told
