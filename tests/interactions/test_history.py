"""Tests of the history interaction."""

from __future__ import annotations

import pytest

from fhir_server.fhir.errors import BadRequest, NotFound, NotSupported
from fhir_server.interactions.call import Call
from fhir_server.interactions.delete import delete
from fhir_server.interactions.history import history, history_scope
from fhir_server.storage.pages import HistoryScope
from tests.interactions.builders import ADA, a_patient, an_observation, put, seeing_only

OF_ADA = HistoryScope("Patient", "ada")


@pytest.mark.parametrize(
    "pair",
    [
        ("_count", "0"),
        ("_count", "-1"),
        ("_count", "many"),
        ("_count", "٣"),
        ("_count", ""),
        ("_since", ""),
        ("_since", "yesterday"),
        ("_since", "2026-13-01T00:00:00Z"),
        ("_since", "2026-06-01"),
        ("_since", "2026-06-01T00:00:00"),
        ("family", "lovelace"),
        ("_id", "ada"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused(pair: tuple[str, str]) -> None:
    with pytest.raises(BadRequest):
        history_scope("Patient", "ada", [pair])


@pytest.mark.parametrize("name", ["_at", "_list", "_sort"])
def test_a_parameter_that_is_not_served_is_refused(name: str) -> None:
    with pytest.raises(NotSupported, match="not served"):
        history_scope("Patient", "ada", [(name, "2026")])


async def test_the_history_of_what_never_was_is_not_found(call: Call) -> None:
    with pytest.raises(NotFound):
        await history(call, OF_ADA, count=20, after=None)


async def test_the_history_of_an_unknown_type_is_not_found(call: Call) -> None:
    with pytest.raises(NotFound, match="did you mean Patient"):
        await history(call, HistoryScope("Patients"), count=20, after=None)


async def test_the_history_of_a_hidden_resource_is_not_found(call: Call) -> None:
    await put(call, a_patient(resource_id="ada"))

    with pytest.raises(NotFound):
        await history(seeing_only(call, "grace"), OF_ADA, count=20, after=None)


@pytest.mark.parametrize(
    ("since", "moment"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000),
        ("2026-06-01T00:00:00 01:00", 1_780_268_400_000_000),
        ("2026-06-01T00:00:00.5+01:00", 1_780_268_400_500_000),
    ],
)
def test_since_is_a_moment(since: str, moment: int) -> None:
    scope, _ = history_scope(None, None, [("_since", since), ("_format", "json")])

    assert scope == HistoryScope(since=moment)


@pytest.mark.parametrize(
    ("pairs", "count"), [([], 20), ([("_count", "5")], 5), ([("_count", "99999999999")], 1000)]
)
def test_count_is_capped(pairs: list[tuple[str, str]], count: int) -> None:
    assert history_scope("Patient", None, pairs) == (HistoryScope("Patient"), count)


async def test_the_history_has_each_version_the_newest_first(call: Call) -> None:
    await put(call, a_patient(resource_id="ada", family="Byron"))
    await put(call, a_patient(resource_id="ada"))
    await delete(call, ADA)

    page = await history(call, OF_ADA, count=20, after=None)

    assert [each.version for each in page.versions] == [3, 2, 1]
    assert [each.method for each in page.versions] == ["DELETE", "PUT", "PUT"]


async def test_a_span_without_versions_is_empty_and_no_error(call: Call) -> None:
    saved = await put(call, a_patient(resource_id="ada"))
    later = HistoryScope("Patient", "ada", since=saved.stored.moment + 1)

    assert (await history(call, later, count=20, after=None)).versions == ()


async def test_pages_of_a_history_follow_each_other(call: Call) -> None:
    for number in range(5):
        await put(call, a_patient(resource_id="ada", family=f"Name {number}"))

    first = await history(call, OF_ADA, count=3, after=None)
    second = await history(call, OF_ADA, count=3, after=first.next)

    assert [each.version for each in (*first.versions, *second.versions)] == [5, 4, 3, 2, 1]
    assert second.next is None


async def test_the_histories_of_type_and_system(call: Call) -> None:
    await put(call, a_patient(resource_id="ada"))
    await put(call, an_observation(id="pulse"))

    of_type = await history(call, HistoryScope("Patient"), count=20, after=None)
    of_system = await history(call, HistoryScope(), count=20, after=None)

    assert [each.key.type for each in of_type.versions] == ["Patient"]
    assert [each.key.type for each in of_system.versions] == ["Observation", "Patient"]
