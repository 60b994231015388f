"""What members follow within themselves alone is told on each page, and only where it may be less."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from fhir_server.federation.crossing import WITHIN_MEMBERS, crossings
from fhir_server.federation.members import Capabilities
from fhir_server.federation.search import Party, Question
from fhir_server.search.parsing import parse_query
from tests.federation.trusts import CARE, Trust, Trusts
from tests.search.support import DEFINITIONS

CODES = frozenset({"_id", "identifier", "name", "family", "partof", "code", "subject", "patient"})
BEDS = ("Location", "Encounter")
PRACTICE = ("Patient",)
LABORATORY = ("Observation",)
ALL = (*BEDS, *PRACTICE, *LABORATORY, "Practitioner", "PractitionerRole")


def parties(*members: Sequence[str]) -> list[Party]:
    """Return a member for each of these lists of types that it searches."""
    trusts = [Trust(f"m{number}", (), 3, CODES) for number in range(len(members))]
    judge = Trusts(trusts, {}, CARE).judge()
    return [
        replace(
            trust.party(judge),
            clearing=None,
            capabilities=Capabilities(dict.fromkeys(types, CODES)),
        )
        for trust, types in zip(trusts, members, strict=True)
    ]


async def told(asked: str, members: Sequence[Party]) -> bool:
    """Tell whether pages say that members followed something within themselves."""
    resource_type, _, query = asked.partition("?")
    (pair,) = [tuple(each.split("=", 1)) for each in query.split("&")]
    parsed = parse_query(resource_type, (pair,), DEFINITIONS, now=0)  # type: ignore[arg-type]
    until = asyncio.get_running_loop().time() + 60
    said = crossings(Question(parsed, resource_type, DEFINITIONS, {}, 0, until), members)
    assert list(said) in ([], [WITHIN_MEMBERS])
    return bool(said)


@pytest.mark.parametrize(
    "asked",
    [
        "Location?_has:Encounter:location:status=in-progress",
        "Practitioner?_has:PractitionerRole:practitioner:role=R0260",
        "Patient?_has:Encounter:patient:_has:Observation:encounter:code=x",
        "Observation?subject:Patient.family=smith",
        "Observation?patient.name=smith",
        "Encounter?location.name:exact=Ward",
        "Location?partof:below=ward",
        "Location?_filter=partof.name eq ward",
    ],
)
async def test_what_may_lead_from_one_member_to_another_is_told(asked: str) -> None:
    assert await told(asked, parties(ALL, ALL))
    assert not await told(asked, parties(ALL))
    assert not await told(asked, parties(ALL, ("Slot",)))


@pytest.mark.parametrize(
    "asked",
    [
        "Location?name=ward",
        "Observation?subject=Patient/1",
        "Observation?subject:identifier=x|1",
        # Of Patients the hub follows it, by NHS number.
        "Patient?_has:Observation:patient:code=x",
    ],
)
async def test_nothing_is_told_of_what_leads_nowhere_or_is_followed(asked: str) -> None:
    assert not await told(asked, parties(ALL, ALL))


async def test_what_refers_may_all_be_at_one_member_and_what_it_refers_to_at_another() -> None:
    asked = "Location?_has:Encounter:location:status=in-progress"
    assert await told(asked, parties(("Location",), ("Encounter",)))
    assert not await told(asked, parties(BEDS, PRACTICE))


async def test_a_chain_that_leads_to_one_member_alone_is_followed_there_and_whole() -> None:
    asked = "Observation?subject:Patient.family=smith"
    assert not await told(asked, parties(LABORATORY, PRACTICE))
    assert not await told(asked, parties(LABORATORY, (*LABORATORY, *PRACTICE)))
    assert await told(asked, parties((*LABORATORY, *PRACTICE), PRACTICE))
