"""Chains and includes along canonical URLs, over stored resources and under a caller's sight."""

from __future__ import annotations

import pytest

from fhir_server.fhir.resource import Key
from fhir_server.interactions.call import Call
from fhir_server.interactions.delete import delete
from fhir_server.interactions.search import Found
from tests.interactions.builders import a_patient, put, seeing_types
from tests.interactions.test_chaining import a, to
from tests.interactions.test_search import assert_found, ids, searched

FALLS = "http://example.org/Questionnaire/falls"
PAIN = "http://example.org/Questionnaire/pain"
PATHWAY = "http://example.org/PlanDefinition/pathway"


def answers(name: str, questionnaire: str | None = None, patient: str = "ada") -> dict[str, object]:
    said = {} if questionnaire is None else {"questionnaire": questionnaire}
    subject = to(f"Patient/{patient}")
    return a("QuestionnaireResponse", name, status="completed", subject=subject, **said)


RESOURCES = [
    a_patient(resource_id="ada"),
    a_patient(resource_id="bob"),
    a("Questionnaire", "falls-1", url=FALLS, version="1", title="Falls", status="retired"),
    a("Questionnaire", "falls-2", url=FALLS, version="2", title="Falls again", status="active"),
    a("Questionnaire", "pain", url=PAIN, title="Pain", status="active"),
    a("Questionnaire", "nameless", title="Falls", status="draft"),
    a("PlanDefinition", "pathway", url=PATHWAY, version="1", title="Pathway", status="active"),
    answers("first", f"{FALLS}|1"),
    answers("second", f"{FALLS}|2", "bob"),
    answers("any", FALLS),
    answers("third", f"{FALLS}|3"),
    answers("of-pain", PAIN, "bob"),
    answers("of-a-pain", f"{PAIN}|1", "bob"),
    answers("elsewhere", "http://example.org/Questionnaire/other"),
    answers("of-none"),
    a(
        "CarePlan",
        "plan",
        status="active",
        intent="plan",
        subject=to("Patient/ada"),
        instantiatesCanonical=[f"{PATHWAY}|1", PAIN],
    ),
]


async def fill(call: Call) -> None:
    for each in RESOURCES:
        await put(call, each)


FOUND = [
    ("QuestionnaireResponse", "questionnaire.title=falls", {"first", "second", "any"}),
    ("QuestionnaireResponse", "questionnaire.title:exact=Falls", {"first", "any"}),
    ("QuestionnaireResponse", "questionnaire:Questionnaire.status=active", {"second", "any", "of-pain"}),
    ("QuestionnaireResponse", "questionnaire._id=pain", {"of-pain"}),
    ("QuestionnaireResponse", "questionnaire.title=falls&subject=Patient/bob", {"second"}),
    ("QuestionnaireResponse", "questionnaire.title=nothing", set()),
    ("QuestionnaireResponse", "_filter=questionnaire[version eq 2].title sw falls", {"second", "any"}),
    ("CarePlan", "instantiates-canonical.title=path", {"plan"}),
    ("CarePlan", "instantiates-canonical:Questionnaire.title=pain", {"plan"}),
    ("CarePlan", "instantiates-canonical:Questionnaire.title=path", set()),
    ("Questionnaire", "_has:QuestionnaireResponse:questionnaire:patient=bob", {"falls-2", "pain"}),
    ("Questionnaire", "_has:QuestionnaireResponse:questionnaire:_id=any", {"falls-1", "falls-2"}),
    ("Questionnaire", "_has:QuestionnaireResponse:questionnaire:_id=third,of-a-pain", set()),
    ("PlanDefinition", "_has:CarePlan:instantiates-canonical:status=active", {"pathway"}),
    ("Patient", "_has:QuestionnaireResponse:patient:questionnaire.title=pain", {"bob"}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "query", "expected"), FOUND)
async def test_a_chain_follows_a_url_and_the_version_that_it_names(
    call: Call, kind: str, query: str, expected: set[str]
) -> None:
    await fill(call)

    await assert_found(call, kind, query, expected)


@pytest.mark.parametrize(("kind", "query", "expected"), FOUND)
async def test_what_is_hidden_cannot_be_inferred_through_a_url(
    call: Call, kind: str, query: str, expected: set[str]
) -> None:
    await fill(call)
    own = seeing_types(call, kind)

    assert ids(await searched(call, kind, query)) == expected
    assert ids(await searched(own, kind, query)) == set()


async def test_a_url_of_what_was_deleted_leads_nowhere(call: Call) -> None:
    await fill(call)
    await delete(call, Key("Questionnaire", "falls-1"))

    found = await searched(call, "QuestionnaireResponse", "questionnaire.title=falls")

    assert ids(found) == {"second", "any"}


def included(found: Found) -> set[str]:
    return {row.stored.key.id for row in found.included}


ITERATED = (
    "_revinclude=QuestionnaireResponse:subject&_include:iterate=QuestionnaireResponse:questionnaire"
)
INCLUDED = [
    ("QuestionnaireResponse", "_id=first&_include=QuestionnaireResponse:questionnaire", {"falls-1"}),
    (
        "QuestionnaireResponse",
        "_id=any,of-pain&_include=QuestionnaireResponse:questionnaire",
        {"falls-1", "falls-2", "pain"},
    ),
    ("QuestionnaireResponse", "_id=third,of-none&_include=QuestionnaireResponse:questionnaire", set()),
    ("QuestionnaireResponse", "_id=first&_include=*", {"ada", "falls-1"}),
    ("CarePlan", "_include=CarePlan:instantiates-canonical", {"pathway", "pain"}),
    ("CarePlan", "_include=CarePlan:instantiates-canonical:Questionnaire", {"pain"}),
    ("Questionnaire", "_id=pain&_revinclude=QuestionnaireResponse:questionnaire", {"of-pain"}),
    (
        "Questionnaire",
        "_id=falls-1&_revinclude=QuestionnaireResponse:questionnaire",
        {"first", "any"},
    ),
    ("Questionnaire", "_id=pain&_revinclude=CarePlan:*", {"plan"}),
    ("Patient", f"_id=bob&{ITERATED}", {"second", "of-pain", "of-a-pain", "falls-2", "pain"}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "query", "expected"), INCLUDED)
async def test_includes_follow_urls_both_ways(
    call: Call, kind: str, query: str, expected: set[str]
) -> None:
    await fill(call)

    assert included(await searched(call, kind, query)) == expected


async def test_what_is_hidden_is_not_included(call: Call) -> None:
    await fill(call)
    blind = seeing_types(call, "QuestionnaireResponse")

    query = "_include=QuestionnaireResponse:questionnaire"

    assert included(await searched(blind, "QuestionnaireResponse", query)) == set()
