"""Words in narratives and in all text, together with all that a search can ask besides."""

from __future__ import annotations

import pytest

from fhir_server.fhir.errors import BadRequest, MultipleMatches
from fhir_server.fhir.resource import Key, Resource
from fhir_server.interactions.call import Call
from fhir_server.interactions.create import create
from fhir_server.interactions.outcomes import Saved
from fhir_server.interactions.search import search
from fhir_server.storage.sqlite import words
from tests.interactions.builders import a_patient, an_observation, put, seeing_only, seeing_types
from tests.interactions.test_search import NOW, ids, searched


def narrated(text: str) -> Resource:
    div = f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{text}</p></div>'
    return {"text": {"status": "generated", "div": div}}


RESOURCES = [
    a_patient(resource_id="ada", gender="female", **narrated("Ada, a writer")),
    a_patient(resource_id="bob", family="Smith", gender="male"),
    an_observation("Patient/ada", id="bone", **narrated("Metastases in the bone")),
    an_observation("Patient/bob", id="liver", **narrated("Metastases in the liver")),
    an_observation("Patient/bob", id="lung", status="amended", **narrated("Lung clear")),
]


@pytest.fixture(params=[0, 100])
async def filled(
    call: Call, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Call:
    """Return a caller of a store whose words are indexed, and of one where they are looked at as they are."""
    monkeypatch.setattr(words, "FRESH", request.param)
    for each in RESOURCES:
        await put(call, each)
    return call


@pytest.mark.parametrize("query", ["_text=(bone", "_content=bone or", "_text:exact=bone"])
async def test_a_query_that_cannot_be_read_is_refused(filled: Call, query: str) -> None:
    with pytest.raises(BadRequest, match=r"_(text|content)"):
        await searched(filled, "Observation", query)


FOUND = [
    ("Observation", "_text=(bone OR liver) and metastases", {"bone", "liver"}),
    ("Observation", "_text=metastases&status=final", {"bone", "liver"}),
    ("Observation", "_text=not metastases", {"lung"}),
    ("Observation", "_text=bone or not metastases", {"bone", "lung"}),
    ("Observation", "_text=metastases&_sort=_lastUpdated", {"bone", "liver"}),
    ("Observation", "_text=metastases&_sort=status", {"bone", "liver"}),
    ("Observation", "_text=clear&_id=bone,lung", {"lung"}),
    ("Observation", "subject:Patient._text=writer", {"bone"}),
    ("Observation", "patient._content=smith&_text=liver", {"liver"}),
    ("Observation", "subject:Patient._content=not smith", {"bone"}),
    ("Patient", "_has:Observation:patient:_text=metastases", {"ada", "bob"}),
    ("Patient", "_has:Observation:patient:_text=liver,lung", {"bob"}),
    ("Patient", "_content=male or writer", {"ada", "bob"}),
    ("Patient", "_content=ada", {"ada"}),
    (None, "_content=final", {"bone", "liver"}),
    (None, "_text=ada", {"ada"}),
    (None, "_text=ada or lung&_type=Observation", {"lung"}),
]


@pytest.mark.parametrize(("kind", "query", "expected"), FOUND)
async def test_words_are_asked_for_beside_anything_else(
    filled: Call, kind: str | None, query: str, expected: set[str]
) -> None:
    found = await searched(filled, kind, query)
    counted = await searched(filled, kind, query + "&_summary=count")

    assert ids(found) == expected
    assert counted.total == len(expected)


async def test_a_page_at_a_time_finds_each_once(filled: Call) -> None:
    pairs = [("_text", "metastases"), ("_count", "1")]
    first = await search(filled, "Observation", pairs, after=None, now=NOW)
    second = await search(filled, "Observation", pairs, after=first.next, now=NOW)

    assert ids(first) | ids(second) == {"bone", "liver"}
    assert second.next is None


async def test_what_is_hidden_has_no_words(filled: Call) -> None:
    hers = seeing_only(filled, "ada")
    no_patients = seeing_types(filled, "Observation")

    assert ids(await searched(hers, "Observation", "_text=metastases")) == {"bone"}
    assert (await searched(hers, "Observation", "_text=liver&_summary=count")).total == 0
    assert ids(await searched(hers, None, "_content=smith")) == set()
    assert ids(await searched(no_patients, "Observation", "subject:Patient._text=writer")) == set()
    assert ids(await searched(no_patients, "Patient", "_text=writer")) == set()


async def test_words_are_asked_for_in_a_compartment(filled: Call) -> None:
    bob = Key("Patient", "bob")

    pairs = [("_text", "metastases")]
    found = await search(filled, "Observation", pairs, after=None, now=NOW, owner=bob)

    assert ids(found) == {"liver"}


async def test_words_may_be_the_criteria_of_a_write(filled: Call) -> None:
    async def create_unless(criteria: str) -> Saved:
        return await create(filled, "Patient", a_patient(), if_none_exist=criteria)

    assert (await create_unless("_text=writer")).stored.key == Key("Patient", "ada")
    with pytest.raises(MultipleMatches):
        await create_unless("_content=male or female")
    assert (await create_unless("_text=nobody")).created
