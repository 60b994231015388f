"""When a member is left unasked: where it is known what it would answer, and how long that takes; else it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fhir_server.auth.behalf import Behalf
from fhir_server.auth.server.signing import SigningKeys
from fhir_server.demonstration.identifiers import nhs_number
from fhir_server.federation.accounts import Account, outcome_of
from fhir_server.federation.breaker import SECOND
from fhir_server.federation.calling import Calling, line_for
from fhir_server.federation.lines import Line
from fhir_server.federation.members import Capabilities, Credentials, Member
from fhir_server.federation.persons import PersonIndex
from fhir_server.federation.search import Party, Question, federated_count, federated_search
from fhir_server.federation.sparing import (
    ENOUGH,
    FRESH,
    LAPSED,
    LARGEST,
    Shapes,
    spared,
    tell_as_of,
)
from fhir_server.federation.tokens import Tokens
from fhir_server.federation.transport import Failed, Reply
from fhir_server.fhir.json import dump
from fhir_server.fhir.resource import Resource
from fhir_server.policy.person_marks import mark_of
from fhir_server.policy.personal import NHS_NUMBER
from fhir_server.search.parsing import parse_query
from tests.rest.trusting import a_patient
from tests.search.support import DEFINITIONS, EXTRACTOR
from tests.support.remembering import Memory
from tests.support.virtual import in_virtual_time, moment

HERE, GONE = nhs_number(1), nhs_number(2)
"""Somebody whom the member knows and does not show, and somebody whom it does not know."""

JSON = {"content-type": "application/fhir+json"}
CODES = frozenset({"identifier", "birthdate", "_id"})
KEY = b"k" * 32
INDEX = PersonIndex(7, KEY, mark_of(KEY, HERE))
SHOWS: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": 0}

Answer = Callable[[int], Reply]
"""What is answered to the n-th request."""


def bundle(**changes: Any) -> Reply:
    told = {name: value for name, value in (SHOWS | changes).items() if value is not None}
    return Reply(200, JSON, dump(told))


@dataclass
class Asked:
    """A member that shows nobody, after so many seconds; it tells whom it was asked about, and counts tokens."""

    answer: Answer = lambda _: bundle()
    seconds: Callable[[int], float] = lambda _: 0.0
    urls: list[str] = field(default_factory=list)
    tokens: int = 0
    refused: bool = False

    async def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        """Answer a search."""
        assert headers["accept"]
        self.urls.append(url)
        number = len(self.urls) - 1
        await asyncio.sleep(self.seconds(number))
        return self.answer(number)

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes = b""
    ) -> Reply:
        """Give a token, or none."""
        assert (method, url) == ("POST", "https://a.example/token"), (headers, content)
        self.tokens += 1
        if self.refused:
            return Reply(400, JSON, b'{"error":"invalid_grant"}')
        told = {"access_token": f"t{self.tokens}", "token_type": "Bearer", "expires_in": 300}
        return Reply(200, JSON, dump(told))


@dataclass
class Counted:
    """Counts the questions that were not put."""

    number: int = 0

    def began(self, member: str) -> None:
        """Take no note."""

    def ended(self, member: str, status: str, seconds: float) -> None:
        """Take no note."""

    def spared(self, member: str) -> None:
        """Count it."""
        assert member == "a"
        self.number += 1


def party(asked: Asked, **about: Any) -> Party:
    member = Member("a", "A", "https://a.example/fhir", **about)
    line = Line(member, asked, moment)
    return Party(line, Capabilities({"Patient": CODES}), EXTRACTOR, persons=INDEX)


def shapes(enough: int = 1) -> Shapes:
    return Shapes(moment, Counted(), Random(1), enough)


def question(number: str, more: str = "", *, seconds: float = 60.0) -> Question:
    asked = f"identifier={NHS_NUMBER}|{number}{more}"
    pairs = tuple(tuple(each.split("=", 1)) for each in asked.split("&"))
    query = parse_query("Patient", pairs, DEFINITIONS, now=0)  # type: ignore[arg-type]
    until = asyncio.get_running_loop().time() + seconds
    headers = {"accept": "application/fhir+json"}
    return Question(query, "Patient", DEFINITIONS, headers, 0, until)


async def told(question: Question, party: Party, known: Shapes) -> Account:
    """Return what is told of the member, by a search for somebody."""
    parties = spared(question, [party], known)
    search = federated_count if question.query.only_count else federated_search
    (account,) = (found := await search(question, parties)).accounts
    tell_as_of(found.accounts, parties)
    assert not found.taken
    return account


def about(urls: Sequence[str], number: str) -> list[bool]:
    return [number in each for each in urls]


OUTCOME = {"resourceType": "OperationOutcome", "issue": []}
ENTRY = {"resource": OUTCOME, "search": {"mode": "outcome"}}
ALWAYS: dict[str, Reply] = {
    "nobody": bundle(),
    "no total": bundle(total=None),
    "a warning": bundle(entry=[ENTRY]),
    "a refusal": Reply(403, JSON, b""),
    "no token taken": Reply(401, JSON, b""),
    "a parameter that it does not know": Reply(400, JSON, dump(OUTCOME)),
    "a failure": Reply(500, JSON, b""),
    "busy": Reply(503, {"retry-after": "0"}, b""),
    "busy for long": Reply(503, {"retry-after": "100"}, b""),
    "no JSON": Reply(200, {"content-type": "text/html"}, b"<html>"),
    "no Bundle": Reply(200, JSON, b"{}"),
    "another Bundle": bundle(type="history"),
}


@pytest.mark.parametrize("more", ["", "&_summary=count", "&_total=accurate"])
@pytest.mark.parametrize("name", ALWAYS)
def test_whatever_a_member_answers_is_told_of_who_is_hidden_and_of_who_is_not_there_alike(
    name: str, more: str
) -> None:
    async def found(number: str) -> list[Resource]:
        known, there = shapes(), party(Asked(lambda _: ALWAYS[name]))
        accounts = [await told(question(number, more), there, known) for _ in range(8)]
        return [outcome_of([each]) for each in accounts]

    hidden = in_virtual_time(found(HERE))
    assert in_virtual_time(found(GONE)) == hidden


def test_nobody_but_a_member_that_knows_somebody_is_told_of_them() -> None:
    async def found() -> Asked:
        asked = Asked()
        known = shapes(3)
        for number in (GONE, HERE, GONE, GONE, GONE, HERE):
            await told(question(number), party(asked), known)
        assert isinstance(known.watch, Counted)
        assert known.watch.number == 1
        return asked

    asked = in_virtual_time(found())
    assert about(asked.urls, HERE) == [False, True, False, False, True]
    assert not any(about(asked.urls, GONE))
    assert all("|999" in each for each in asked.urls)


def test_until_its_answers_are_known_well_enough_it_is_asked() -> None:
    async def found() -> int:
        asked = Asked()
        known = Shapes(moment)
        for _ in range(ENOUGH + 5):
            await told(question(GONE), party(asked), known)
        return len(asked.urls)

    assert in_virtual_time(found()) == ENOUGH


def test_what_it_answered_a_while_ago_is_asked_again() -> None:
    async def found() -> int:
        asked, known = Asked(), shapes()
        for _ in range(3):
            await told(question(GONE), party(asked), known)
            await asyncio.sleep(FRESH / SECOND)
        return len(asked.urls)

    assert in_virtual_time(found()) == 3


@pytest.mark.parametrize("more", ["&birthdate=1951-01-01", "&_count=7", "&_sort=birthdate"])
def test_another_question_is_asked(more: str) -> None:
    async def found() -> int:
        asked, known = Asked(), shapes()
        for each in ("", more, more):
            await told(question(GONE, each), party(asked), known)
        return len(asked.urls)

    assert in_virtual_time(found()) == 2


def test_an_answer_takes_as_long_as_others_did() -> None:
    async def found() -> list[int]:
        asked, known = Asked(seconds=lambda number: 0.1 * (1 + number % 4)), shapes(4)
        return [(await told(question(GONE), party(asked), known)).milliseconds for _ in range(40)]

    took = in_virtual_time(found())
    assert took[:4] == [100, 200, 300, 400]
    assert all(100 <= each <= 400 for each in took[4:])
    assert len(set(took[4:])) > 20
    assert min(took[4:]) < 170
    assert max(took[4:]) > 330


@pytest.mark.parametrize("number", [HERE, GONE])
def test_who_is_in_a_hurry_is_told_that_time_was_up(number: str) -> None:
    async def found() -> str:
        known, there = shapes(), party(Asked(seconds=lambda _: 1.0))
        for _ in range(2):
            assert (await told(question(number), there, known)).state == "ok"
        return (await told(question(number, seconds=0.5), there, known)).state

    assert in_virtual_time(found()) == "timeout"


@pytest.mark.parametrize("fails", [HERE, GONE])
def test_after_a_failure_it_is_asked_whoever_met_it(fails: str) -> None:
    def answer(number: int) -> Reply:
        return bundle() if number < 1 else Reply(500, JSON, b"")

    async def found() -> list[str]:
        asked, known = Asked(answer), shapes()
        there = party(asked)
        await told(question(GONE), there, known)
        if fails == GONE:
            await asyncio.sleep(FRESH / SECOND)
        first = await told(question(fails), there, known)
        return [first.state, (await told(question(GONE), there, known)).state]

    assert in_virtual_time(found()) == ["error", "error"]


def test_a_failure_of_anything_else_has_it_asked_too() -> None:
    async def found() -> str:
        asked, known = Asked(), shapes()
        there = party(asked)
        await told(question(GONE), there, known)
        asked.answer = lambda _: Reply(500, JSON, b"")
        with pytest.raises(Failed):
            await there.line.get("https://a.example/fhir/Slot", {"accept": "x"}, until=1e9)
        return (await told(question(GONE), there, known)).state

    assert in_virtual_time(found()) == "error"


def test_what_was_doubted_is_asked_once_before_it_counts_again() -> None:
    async def found() -> int:
        asked, known = Asked(), shapes(3)
        there = party(asked)
        for _ in range(4):
            await told(question(GONE), there, known)
        asked.answer = lambda number: Reply(500, JSON, b"") if number == 3 else bundle()
        assert [(await told(question(HERE), there, known)).state for _ in range(2)] == [
            "error",
            "ok",
        ]
        for _ in range(4):
            await told(question(GONE), there, known)
        return len(asked.urls)

    assert in_virtual_time(found()) == 3 + 2 + 1


def test_how_long_it_took_long_ago_is_not_gone_by() -> None:
    async def found() -> int:
        asked, known = Asked(), shapes(3)
        for pause in (0, 0, 0, LAPSED / SECOND + 1, 0, 0, 0):
            await asyncio.sleep(pause)
            await told(question(GONE), party(asked), known)
        return len(asked.urls)

    assert in_virtual_time(found()) == 6


def test_a_failure_during_the_wait_has_it_asked() -> None:
    async def found() -> str:
        asked, known = Asked(seconds=lambda _: 1.0), shapes()
        there = party(asked)
        await told(question(GONE), there, known)
        waiting = asyncio.create_task(told(question(GONE), there, known))
        await asyncio.sleep(0.5)
        asked.answer, asked.seconds = lambda _: Reply(500, JSON, b""), lambda _: 0.0
        with pytest.raises(Failed):
            await there.line.get("https://a.example/fhir/Slot", {"accept": "x"}, until=1e9)
        return (await waiting).state

    assert in_virtual_time(found()) == "error"


def test_what_has_an_answer_about_nobody_is_asked_what_was_asked() -> None:
    """Of a member that leaves the criterion out, say: as without a locator."""
    match = {"resource": a_patient("p", 3), "search": {"mode": "match"}}

    async def found() -> list[str]:
        asked, known = Asked(lambda _: bundle(entry=[match], total=1)), shapes()
        parties = spared(question(GONE), [party(asked)], known)
        page = await federated_search(question(GONE), parties)
        assert [each.match.id for each in page.taken] == ["p"]
        return asked.urls

    assert about(in_virtual_time(found()), GONE) == [False, True]


def test_a_huge_answer_about_nobody_is_not_remembered() -> None:
    async def found() -> int:
        asked, known = Asked(lambda _: bundle(id="x" * LARGEST)), shapes()
        for _ in range(3):
            await told(question(GONE), party(asked), known)
        return len(asked.urls)

    assert in_virtual_time(found()) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"persons": None},
        {"capabilities": Capabilities({"Patient": frozenset({"birthdate"})})},
    ],
)
def test_where_it_is_not_known_whom_it_knows_it_is_asked_about_everyone(
    changes: dict[str, Any],
) -> None:
    there = replace(party(Asked()), **changes)

    async def found() -> Sequence[Party]:
        return spared(question(GONE), [there], shapes())

    assert in_virtual_time(found()) == [there]


def test_the_address_of_a_member_is_never_changed() -> None:
    async def found() -> list[str]:
        asked = Asked()
        there = party(asked)
        member = Member("a", "A", f"https://a.example/{GONE}")
        await told(question(GONE), replace(there, line=Line(member, asked, moment)), shapes())
        return asked.urls

    (url,) = in_virtual_time(found())
    assert url.startswith(f"https://a.example/{GONE}/Patient?")
    assert url.count(GONE) == 1


def test_of_two_criteria_both_have_to_be_about_somebody_it_knows() -> None:
    async def found() -> Asked:
        asked = Asked()
        more = f"&identifier={NHS_NUMBER}|{GONE}"
        await told(question(HERE, more), party(asked), shapes())
        await told(question(f"{HERE},{NHS_NUMBER}|{GONE}"), party(asked), shapes())
        return asked

    asked = in_virtual_time(found())
    assert about(asked.urls, HERE) == [False, True]


CREDENTIALS = Credentials("hub", "https://a.example/token", ("system/*.rs",))
ADA = Behalf("https://hub.example#ada", "RXX01", "R8000", "TREAT")


def calling(asked: Asked, behalf: Behalf) -> Party:
    """Return the member as a caller with a token reaches it."""
    there = party(asked, credentials=CREDENTIALS)
    keys = SigningKeys(Memory(), AESGCM(b"s" * 32))
    tokens = Tokens(keys, asked, moment, lambda: "id")
    who = Calling(behalf, ("system/Patient.rs",), bound=False)
    return replace(there, line=line_for(there.line, who, tokens))


@pytest.mark.parametrize("number", [HERE, GONE])
async def test_who_gets_no_token_is_told_so_whoever_is_asked_about(number: str) -> None:
    asked, known = Asked(), shapes()
    assert (await told(question(number), calling(asked, ADA), known)).state == "ok"

    asked.refused = True
    other = replace(ADA, subject="https://hub.example#eve")
    account = await told(question(number), calling(asked, other), known)

    assert account.state == "unauthorised"
    assert "invalid_grant" in account.problem


@pytest.mark.parametrize(
    ("changes", "requests"),
    [
        ({"subject": "https://hub.example#grace"}, 1),
        ({"organisation": "RXX02"}, 2),
        ({"role": "R8001"}, 2),
        ({"purpose": "PATADMIN"}, 2),
        ({"programme": "flows"}, 2),
    ],
)
async def test_what_is_answered_to_one_is_known_of_others_of_the_same_role_alone(
    changes: dict[str, str], requests: int
) -> None:
    asked, known = Asked(), shapes()
    for each in (ADA, replace(ADA, **changes)):
        await told(question(GONE), calling(asked, each), known)
    assert (len(asked.urls), asked.tokens) == (requests, 2)


def test_who_may_not_be_asked_is_not_asked_about_nobody_either() -> None:
    async def found() -> tuple[str, int | None, Asked]:
        asked = Asked()
        there = party(asked, credentials=CREDENTIALS)
        tokens = Tokens(SigningKeys(Memory(), AESGCM(b"s" * 32)), asked, moment, lambda: "id")
        refused = replace(there, line=line_for(there.line, None, tokens))
        account = await told(question(GONE), refused, shapes())
        return account.state, account.persons_as_of, asked

    state, persons_as_of, asked = in_virtual_time(found())
    assert (state, persons_as_of, asked.urls, asked.tokens) == ("unauthorised", None, [], 0)
