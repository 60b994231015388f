"""Chains to resources that stand at other members: followed by the hub, by identifiers that mean the same everywhere.

`Observation?subject:Patient.name=smith` of a member that has no Patients becomes a search for `subject:identifier` there,
with those that the other members' Patients of that name have. https://hl7.org/fhir/R4/search.html#chaining
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from fhir_server.federation.duplicates import SHOW_ALL
from fhir_server.federation.joined import MOST, Joined, in_turns
from fhir_server.federation.members import Capabilities
from fhir_server.federation.referring import referred, referring
from fhir_server.federation.search import Federated, Party, Question, federated_search
from fhir_server.federation.sparing import Shapes, as_of, spared
from fhir_server.fhir.errors import FhirError
from fhir_server.fhir.json import parse
from fhir_server.fhir.resource import Resource
from fhir_server.policy.personal import NHS_NUMBER
from fhir_server.search.parameter_types.criterion import escape
from fhir_server.search.parsing import parse_query

MOST_TARGETS = 500
"""Resources that a chain may lead through."""


@dataclass(frozen=True, slots=True)
class Chain:
    """One criterion of a search: by what it refers, to which type, and what is asked of that."""

    pair: tuple[str, str]
    reference: str
    target: str
    inner: str

    def is_elsewhere(self, resource_type: str, capabilities: Capabilities) -> bool:
        """Tell whether a member has what refers, and cannot search what is referred to."""
        refers = capabilities.knows(resource_type, self.reference)
        return refers and not self.is_known_by(capabilities)

    def is_known_by(self, capabilities: Capabilities) -> bool:
        """Tell whether a member can search what is referred to."""
        return capabilities.knows(self.target, self.inner.partition(":")[0])


async def joined(question: Question, parties: Sequence[Party], shapes: Shapes) -> Sequence[Party]:
    """Return the members, those to whom a chain or `_has` leads elsewhere with what they are asked in its place.

    Who is meant by a chain is asked of those alone who may know, as `shapes` has it.
    """
    if asked := referring(question, parties):
        return await referred(question, parties, asked)
    for chain in _chains(question):
        concerned = {
            each.line.member.id
            for each in parties
            if chain.is_elsewhere(question.resource_type, each.capabilities)
        }
        able = [each for each in parties if chain.is_known_by(each.capabilities)]
        if concerned and able:
            followed = await _followed(chain, question, able, shapes)
            return [
                replace(each, joined=followed) if each.line.member.id in concerned else each
                for each in parties
            ]
    return parties


def _chains(question: Question) -> Iterator[Chain]:
    """Yield the chains of one link to one type."""
    known = question.definitions.search_parameters(question.resource_type)
    for name, value in question.query.applied:
        head, _, inner = name.partition(".")
        reference, _, told = head.partition(":")
        if not inner or "." in inner or reference not in known:
            continue
        targets = (told,) if told else tuple(known[reference].targets)
        if len(targets) == 1:
            yield Chain((name, value), reference, targets[0], inner)


async def _followed(
    chain: Chain, question: Question, able: Sequence[Party], shapes: Shapes
) -> Joined:
    """Return what the chain leads to at the members that can tell, as identifiers."""
    pairs = ((chain.inner, chain.pair[1]), ("_count", str(MOST_TARGETS)))
    query = parse_query(chain.target, pairs, question.definitions, now=question.moment)
    inner = replace(question, query=query, resource_type=chain.target, duplicates=SHOW_ALL)
    able = spared(inner, able, shapes)
    found = await federated_search(inner, able)
    identifiers = sorted(set(_identifiers(found)))
    values = [f"{escape(system)}|{escape(value)}" for system, value in identifiers]
    turns = in_turns(f"{chain.reference}:identifier", values)
    lacking = _lacking(chain, found, len(identifiers))
    return Joined((chain.pair,), turns, lacking, min(as_of(able).values(), default=None))


def _identifiers(found: Federated) -> Iterator[tuple[str, str]]:
    for each in found.taken:
        try:
            yield from _of(parse(each.match.resource))
        except (FhirError, AttributeError, TypeError):
            # Of a resource that cannot be read nothing can be followed.
            continue


def _of(resource: Resource) -> Iterator[tuple[str, str]]:
    """Yield the identifiers in force; of people the NHS number alone, which every member knows them by."""
    listed: Iterable[Resource] = resource.get("identifier", ())
    for each in listed:
        system, value = each.get("system"), each.get("value")
        people = resource["resourceType"] == "Patient" and system != NHS_NUMBER
        if system and value and not people and each.get("use") != "old":
            yield str(system), str(value)


def _lacking(chain: Chain, found: Federated, identifiers: int) -> str:
    """Return what is missing from what a chain led through, nothing where it is whole."""
    told = [f"{each.member} {each.state}" for each in found.accounts if each.state != "ok"]
    if found.cursor is not None:
        told.append(f"over {MOST_TARGETS} match")
    if identifiers > MOST:
        told.append(f"they have {identifiers} identifiers, of which {MOST} were asked for")
    return f"{chain.pair[0]} was followed in part: {'; '.join(told)}" if told else ""
