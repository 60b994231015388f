"""Observation/$lastn on a real store, and its groups against a plain reading of the rule."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.fhir.errors import BadRequest, TooCostly
from fhir_server.interactions.call import Call
from fhir_server.operations import lastn
from fhir_server.operations.lastn import OBSERVATION_LASTN, Groups
from fhir_server.operations.operation import Invocation, Listed
from fhir_server.policy.visibility import Visibility
from fhir_server.search.expression import Plan
from fhir_server.search.record import NO_DATE, IndexRecord, packed
from fhir_server.storage.contract import Store
from fhir_server.storage.pages import Page, Position, Row
from tests.interactions.builders import a_patient, an_observation, put, seeing_only

NOW = 1_800_000_000_000_000


async def last(call: Call, query: str) -> Listed:
    """Return what is listed, the query written as `a=b&c=d`."""
    named = [each.partition("=") for each in query.split("&") if each]
    pairs = [(name, value) for name, _, value in named]
    OBSERVATION_LASTN.check(pairs)
    asked = Invocation("Observation", None, pairs, None, NOW)
    listed = await OBSERVATION_LASTN.run(call, asked)
    assert isinstance(listed, Listed)
    return listed


def ids(listed: Listed) -> list[str]:
    return [row.stored.key.id for row in listed.matches]


def measured(name: str, day: int | None, *codes: str, **more: Any) -> dict[str, Any]:
    """Return an observation of Ada on a day, with these codes; without one, of this text."""
    coding = [{"system": "http://loinc.org", "code": each} for each in codes]
    when = {} if day is None else {"effectiveDateTime": f"2026-01-{day:02}"}
    return an_observation(**({"id": name, "code": {"coding": coding}} | when | more))


@pytest.fixture
async def ward(call: Call) -> Call:
    """Pulses and weights of one patient, a pulse of another."""
    for day in (1, 2, 3, 4):
        await put(call, measured(f"pulse-{day}", day, "8867-4"))
    await put(call, measured("pulse-undated", None, "8867-4"))
    await put(call, measured("weight-2", 2, "29463-7", status="amended"))
    await put(call, measured("text-1", 1, code={"text": "Mood"}))
    await put(call, measured("text-3", 3, code={"text": "Mood"}))
    await put(call, measured("other-text", 1, code={"text": "Sleep"}))
    hers = {"subject": {"reference": "Patient/grace"}}
    await put(call, measured("another", 9, "8867-4") | hers)
    for name in ("ada", "grace"):
        await put(call, a_patient(resource_id=name, number=f"999000000{len(name)}"))
    return call


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "name it with patient"),
        ("code=8867-4", "name it with patient"),
        ("patient:missing=true", "name it with patient"),
        ("encounter.patient=ada", "name it with patient"),
        ("performer:Patient.name=love", "name it with patient"),
        ("patient.name=lovelace", "the chain leads to several"),
        ("subject:Patient._id=ada,grace&code=8867-4", "the chain leads to several"),
        ("patient=ada&max=0", "no positive whole number"),
        ("patient=ada&max=many", "no positive whole number"),
        ("patient=ada&max=1&max=2", "takes one max"),
        ("patient=ada&_sort=date", "no parameter _sort"),
        ("patient=ada&_count=1", "no parameter _count"),
        ("patient=ada&nonsense=1", "no search parameter 'nonsense'"),
    ],
)
async def test_what_cannot_be_understood_is_refused(ward: Call, query: str, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        await last(ward, query)


@dataclass
class Endless:
    """A store with one more page, each time."""

    store: Store
    asked: int = 0

    async def search(
        self, sight: Visibility, plan: Plan, after: Position | None, limit: int
    ) -> Page:
        """Return the first page again, and that there is another."""
        assert after is None or after == (None, self.asked)
        page = await self.store.search(sight, plan, None, limit)
        self.asked += 1
        return Page(page.rows, (None, self.asked))


async def test_too_many_observations_are_refused_after_bounded_work(ward: Call) -> None:
    endless = Endless(ward.store)

    with pytest.raises(TooCostly, match="narrow it by code"):
        await last(replace(ward, store=cast("Store", endless)), "patient=ada")
    assert endless.asked == 20


async def test_too_many_groups_are_refused(ward: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lastn, "MOST_LISTED", 3)

    with pytest.raises(TooCostly, match="would return 4"):
        await last(ward, "patient=ada")


async def test_what_is_hidden_is_not_the_newest(ward: Call) -> None:
    both = await last(ward, "patient=ada,grace&code=8867-4")

    assert ids(both) == ["another"]
    assert ids(await last(seeing_only(ward, "ada"), "patient=ada,grace&code=8867-4")) == ["pulse-4"]
    assert ids(await last(seeing_only(ward, "grace"), "patient=ada")) == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("patient=ada", ["pulse-4", "text-3", "weight-2", "other-text"]),
        ("subject=Patient/ada&code=8867-4&max=2", ["pulse-4", "pulse-3"]),
        (
            "patient=ada&code=8867-4&max=99",
            ["pulse-4", "pulse-3", "pulse-2", "pulse-1", "pulse-undated"],
        ),
        ("patient=ada&code=8867-4&date=lt2026-01-03", ["pulse-2"]),
        ("patient=ada&status=amended", ["weight-2"]),
        ("patient=nobody", []),
        ("patient._id=ada&code=8867-4", ["pulse-4"]),
        ("subject:Patient.identifier=9990000003&max=1&code=8867-4", ["pulse-4"]),
        ("patient=ada&patient.name=lovelace&code=8867-4", ["pulse-4"]),
        ("patient.name=nobody", []),
    ],
)
async def test_the_newest_of_each_code_are_listed(
    ward: Call, query: str, expected: list[str]
) -> None:
    found = await last(ward, query)

    assert ids(found) == expected
    assert found.total == len(expected)
    assert found.next is None


async def test_a_chain_leads_to_one_subject_of_those_that_may_be_seen(ward: Call) -> None:
    found = await last(seeing_only(ward, "ada"), "patient.name=lovelace&code=8867-4")

    assert ids(found) == ["pulse-4"]


async def test_what_is_of_the_same_moment_as_the_last_is_listed_as_well(call: Call) -> None:
    for name, day in (("new", 3), ("old", 2), ("same", 2), ("older", 1)):
        await put(call, measured(name, day, "8867-4"))
    await put(call, measured("other", 2, "8867-4", "1234-5"))
    await put(call, measured("undated", None, "9999-9"))
    await put(call, measured("undated-too", None, "9999-9"))

    assert ids(await last(call, "patient=ada&code=8867-4")) == ["new"]
    assert set(ids(await last(call, "patient=ada&code=8867-4&max=2"))) == {
        "new",
        "old",
        "same",
        "other",
    }
    assert len(ids(await last(call, "patient=ada&code=9999-9"))) == 1


async def test_a_coding_in_common_makes_one_group(call: Call) -> None:
    await put(call, measured("loinc", 5, "a"))
    await put(call, measured("local", 4, "b"))
    await put(call, measured("both", 1, "b", "a"))

    assert ids(await last(call, "patient=ada")) == ["loinc"]
    assert ids(await last(call, "patient=ada&max=2")) == ["loinc", "local"]


async def test_one_code_of_two_systems_is_two_groups(call: Call) -> None:
    other = {"coding": [{"system": "http://example.org", "code": "a"}]}
    await put(call, measured("loinc", 5, "a"))
    await put(call, measured("local", 4, code=other))

    assert ids(await last(call, "patient=ada")) == ["loinc", "local"]


def a_row(number: int, codes: frozenset[str], date: int) -> Row:
    terms = tuple(f"code={each}" for each in sorted(codes))
    record = IndexRecord(str(number), terms, (), (), date, (), ())
    return Row("Observation", str(number), 1, 0, "PUT", b"{}", packed(record))


def by_the_rule(observations: list[tuple[frozenset[str], int]], most: int) -> list[str]:
    """Return the first of each group with their ties, the groups grown until none has a coding in common."""
    groups: list[tuple[frozenset[str], list[int]]] = []
    dates = [date for _, date in observations]
    for number, (codes, _) in enumerate(observations):
        joined = [each for each in groups if each[0] & codes]
        groups = [each for each in groups if each not in joined]
        members = sorted([number, *(one for _, some in joined for one in some)])
        groups.append((codes.union(*(each[0] for each in joined)), members))
    return [
        str(one)
        for _, some in sorted(groups, key=lambda each: each[1])
        for place, one in enumerate(some)
        if place < most or dates[one] == dates[some[most - 1]] != NO_DATE
    ]


@given(
    st.lists(
        st.tuples(
            st.frozensets(st.sampled_from("abcdef"), min_size=1, max_size=3),
            st.sampled_from((NO_DATE, 1, 2, 3)),
        )
    ).map(lambda each: sorted(each, key=lambda coded: -coded[1])),
    st.integers(1, 3),
)
def test_groups_are_those_of_the_rule(
    observations: list[tuple[frozenset[str], int]], most: int
) -> None:
    groups = Groups(most)
    for number, (codes, date) in enumerate(observations):
        groups.add(a_row(number, codes, date))

    assert [row.stored.key.id for row in groups.newest()] == by_the_rule(observations, most)
