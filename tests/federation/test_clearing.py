"""What decides on a member's page: who people are, as far as the member tells."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from fhir_server.federation.answers import Match, MemberPage
from fhir_server.federation.clearing import MOST_PEOPLE, Clearing, Judge
from fhir_server.federation.identities import NOBODY, TOGETHER, Directory, Identity, identity_of
from fhir_server.federation.lines import Line
from fhir_server.federation.members import Member
from fhir_server.federation.transport import Failed, Reply
from fhir_server.fhir.json import dump
from fhir_server.policy.decision import Audience, Person
from fhir_server.policy.personal import NHS_NUMBER
from fhir_server.policy.visibility import Visibility
from fhir_server.rules import policy
from tests.federation.trusts import PERSONAL
from tests.rest.trusting import a_patient, an_observation, identifier
from tests.search.support import EXTRACTOR

BASE = "https://a.example/fhir"


@dataclass
class Patients:
    """A member that answers who Patients are by `reply`, or that it has none of them."""

    reply: Reply | Failed | None = None
    asked: list[str] = field(default_factory=list)

    async def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        """Answer."""
        assert headers == {"accept": "application/fhir+json"}
        self.asked.append(url)
        if isinstance(self.reply, Failed):
            raise self.reply
        nothing = dump({"resourceType": "Bundle", "type": "searchset"})
        return self.reply or Reply(200, {"content-type": "application/json"}, nothing)

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes = b""
    ) -> Reply:
        """Nothing is sent to it."""
        raise AssertionError(f"{method} {url} {len(headers)} {len(content)}")


async def cleared(
    patients: Patients, *resources: dict[str, Any], purpose: str = "TREAT"
) -> list[str]:
    """Return the ids of what may be shown of a page with these resources."""

    async def people(numbers: Collection[str]) -> Mapping[str, Person]:
        return {each: Person() for each in numbers}

    sight, bound = Visibility.everything("a test"), purpose == "HRESCH"
    judge = Judge(policy(), PERSONAL, Audience(purpose), sight, bound, 0, people)
    line = Line(Member("a", "A", BASE), patients, lambda: 0)
    clearing = Clearing(judge, Directory(line, {"accept": "application/fhir+json"}), EXTRACTOR)
    matches = tuple(
        Match(
            f"{BASE}/{each['resourceType']}/{each['id']}",
            dump(each),
            each["resourceType"],
            each["id"],
        )
        for each in resources
    )
    page = MemberPage(matches, (), None, 7, frozenset(), warned=False)
    found = await clearing.cleared(page, until=asyncio.get_running_loop().time() + 5)
    assert found.total is None
    return [each.id for each in found.matches]


ADA = frozenset({"9990000018"})


@pytest.mark.parametrize(
    ("identifiers", "expected"),
    [
        ([], NOBODY),
        ([{"system": "urn:other", "value": "9990000018"}], NOBODY),
        ([{"system": NHS_NUMBER}], Identity(frozenset({""}))),
        ([{"system": NHS_NUMBER, "value": "9990000019"}], Identity(frozenset({"9990000019"}))),
        ([identifier(0, "03")], Identity(frozenset({"9990000018"}))),
        ([identifier(0, "01")], Identity(ADA, known=True, verified=ADA)),
        ([identifier(0)], Identity(ADA, known=True, verified=ADA)),
        ([identifier(0) | {"use": "old"}], Identity(ADA, known=True)),
        (
            [{"system": NHS_NUMBER, "value": "999 000 0018"}],
            Identity(ADA, known=True, verified=ADA),
        ),
        (
            [identifier(0, "03"), identifier(1, "01")],
            Identity(ADA | {"9990000026"}, known=True, verified=frozenset({"9990000026"})),
        ),
    ],
)
def test_a_person_is_known_by_a_number_that_nobody_doubts(
    identifiers: list[dict[str, Any]], expected: Identity
) -> None:
    assert identity_of(a_patient("p", identifier=identifiers)) == expected


@pytest.mark.parametrize(
    "reply",
    [
        None,
        Failed("unauthorised", ""),
        Failed("unsupported", "it does not search Patient"),
        Reply(403, {}, b""),
        Reply(404, {}, b""),
    ],
)
async def test_who_is_not_told_is_left_out_where_opt_outs_bind_and_shown_for_care(
    reply: Reply | Failed | None,
) -> None:
    observation = an_observation("o", "p")
    assert await cleared(Patients(reply), observation, purpose="HRESCH") == []
    assert await cleared(Patients(reply), observation) == ["o"]


@pytest.mark.parametrize(
    "reply",
    [
        Failed("timeout", ""),
        Failed("error", "it cannot be reached"),
        Reply(500, {}, b""),
        Reply(200, {"content-type": "application/json"}, b"[]"),
        Reply(200, {"content-type": "text/html"}, b"<p>"),
    ],
)
@pytest.mark.parametrize("purpose", ["TREAT", "HRESCH"])
async def test_a_member_that_cannot_say_who_that_is_has_failed(
    reply: Reply | Failed, purpose: str
) -> None:
    with pytest.raises(Failed) as failed:
        await cleared(Patients(reply), an_observation("o", "p"), purpose=purpose)
    assert failed.value.state in {"timeout", "error"}


async def test_a_page_that_tells_of_too_many_people_is_none() -> None:
    many = [an_observation(f"o{each}", f"p{each}") for each in range(MOST_PEOPLE + 1)]
    patients = Patients()
    with pytest.raises(Failed, match="over 2000 people"):
        await cleared(patients, *many)
    assert patients.asked == []


async def test_many_people_are_looked_up_some_at_a_time_and_each_once() -> None:
    several = [an_observation(f"o{each}", f"p{each % 60}") for each in range(90)]
    patients = Patients()
    await cleared(patients, *several)
    assert len(patients.asked) == -(-60 // TOGETHER)


async def test_who_is_named_by_number_alone_is_known_by_it() -> None:
    by_number = an_observation("o", "p") | {"subject": {"identifier": identifier(1)}}
    contained = an_observation("c", "p") | {
        "contained": [a_patient("inside", 2)],
        "subject": {"reference": "#inside"},
    }
    wrong = an_observation("w", "p") | {"subject": {"identifier": identifier(1) | {"value": "1"}}}
    found = await cleared(Patients(), by_number, contained, wrong, purpose="HRESCH")
    assert found == ["o", "c"]


async def test_patients_of_the_page_itself_are_not_looked_up() -> None:
    patients = Patients()
    found = await cleared(patients, a_patient("p", 1), an_observation("o", "p"), purpose="HRESCH")
    assert found == ["p", "o"]
    assert patients.asked == []
