"""Filters as text: what they mean is what the same predicates mean, however they are written."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.fhir.errors import BadRequest
from fhir_server.search.expression import AllOf, Not, PointedToBy, PointsTo, Predicate
from fhir_server.search.filter_language import Comparison, Filter, Junction, Negation, parsed
from fhir_server.search.matching import matches
from fhir_server.search.parameter_types.criterion import any_of
from fhir_server.search.parsing import parse_criteria, parse_query
from tests.search.cases import filters
from tests.search.support import DEFINITIONS, NOW, UPDATED, query_of, record_of

SAME = [
    ("Patient", "name co pet", "name:contains=pet"),
    ("Patient", "name sw pet", "name=pet"),
    ("Patient", "name pr true", "name:missing=false"),
    ("Patient", "birthdate ap 2010", "birthdate=ap2010"),
    ("Patient", "_lastUpdated le 2010", "_lastUpdated=le2010"),
    ("Patient", "_id eq a or _id eq b", "_id=a,b"),
    ("Patient", "gender eq male or gender eq female", "gender=male,female"),
    ("Patient", "organization re Organization/1", "organization=Organization/1"),
    ("Observation", "code eq loinc|1-8", "code=http://loinc.org|1-8"),
    ("Observation", "value-quantity gt 5|ucum|mg", "value-quantity=gt5|http://unitsofmeasure.org|mg"),
    ("Observation", "combo-code eq a", "combo-code=a"),
    ("Observation", "combo-code-value-quantity eq a$lt5", "combo-code-value-quantity=a$lt5"),
    ("Observation", "subject.name sw pet", "subject.name=pet"),
    ("Observation", "subject:Patient.name sw pet", "subject:Patient.name=pet"),
    ("Observation", "patient.organization.name sw x", "patient.organization.name=x"),
    ("Patient", "_has:Observation:patient:code eq a|b", "_has:Observation:patient:code=a|b"),
    ("Observation", "not (code eq a|b)", "code:not=a|b"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "ordinary"), SAME)
def test_a_filter_is_what_the_same_parameters_are(kind: str, text: str, ordinary: str) -> None:
    query = parse_query(kind, [("_filter", text)], DEFINITIONS, now=NOW)

    assert query.plan == query_of(kind, ordinary).plan


def test_what_is_in_brackets_holds_of_the_resource_that_the_path_goes_on_from() -> None:
    text = "_filter=patient[active eq true and gender eq male].name sw ada"

    found = query_of("Observation", text).plan.predicate

    of_patient = query_of("Patient", "active=true&gender=male").plan.predicate
    name = query_of("Patient", "name=ada").plan.predicate
    assert found == PointsTo("patient", "Patient", AllOf((of_patient, name)))


def test_a_bracket_leaves_out_the_types_that_have_no_such_parameter() -> None:
    found = query_of("Observation", "_filter=subject[gender eq male]._id eq 1").plan.predicate

    assert isinstance(found, PointsTo)
    assert found.target == "Patient"


def test_a_filter_may_end_a_chain_so_that_all_of_it_is_of_one_resource() -> None:
    name = "_has:Observation:patient:_filter"
    found = query_of("Patient", f"{name}=code eq a|b and status eq final").plan.predicate

    of_one = query_of("Observation", "code=a|b&_filter=status eq final").plan.predicate
    assert found == PointedToBy("Observation", "patient", "Patient", of_one)


def test_a_filter_may_be_the_criteria_of_a_conditional_interaction() -> None:
    plan = parse_criteria("Patient", "_filter=name+co+pet", DEFINITIONS, now=NOW)

    assert plan == query_of("Patient", "name:contains=pet").plan


def test_a_filter_of_an_unknown_parameter_is_left_out_where_the_client_is_lenient() -> None:
    query = query_of("Patient", "_filter=nam eq x&gender=male", lenient=True)

    ((name, reason),) = query.ignored
    assert name == "_filter"
    assert "did you mean name" in reason
    assert query.plan == query_of("Patient", "gender=male").plan


LEAVES = (
    "given eq peter",
    'family ew "ersson"',
    "birthdate ge 2014-10-11",
    "gender ne male",
    "death-date pr true",
    "general-practitioner re Practitioner/4",
)
BLANKS = st.sampled_from((" ", "  ", "\t", "\n "))
leaves = st.sampled_from([parsed(each) for each in LEAVES])
trees: st.SearchStrategy[Filter] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Negation, inner),
        st.builds(
            Junction,
            st.sampled_from(("and", "or")),
            st.lists(inner, min_size=2, max_size=3).map(tuple),
        ),
    ),
    max_leaves=8,
)


def written(tree: Filter, blank: str) -> str:
    """Return a tree as text, each junction in parentheses."""
    match tree:
        case Comparison(path, operator, value):
            return f"{path}{blank}{operator}{blank}{json.dumps(value)}"
        case Negation(inner):
            return f"not{blank}({blank}{written(inner, blank)}{blank})"
        case Junction(word, filters):
            parts = f"{blank}{word}{blank}".join(f"({written(e, blank)})" for e in filters)
            return f"{blank}{parts}"


def built(tree: Filter) -> Predicate:
    """Return the predicate that a tree stands for, put together from those of its comparisons."""
    match tree:
        case Comparison(path, operator, value):
            return query_of("Patient", f"_filter={path} {operator} {value}").plan.predicate
        case Negation(inner):
            return Not(built(inner))
        case Junction("and", filters):
            return AllOf(tuple(map(built, filters)))
        case Junction(_, filters):
            return any_of(map(built, filters))


@given(trees, BLANKS)
def test_what_is_written_out_means_what_was_built(tree: Filter, blank: str) -> None:
    query = parse_query("Patient", [("_filter", written(tree, blank))], DEFINITIONS, now=NOW)

    record = record_of(filters.PETER)
    assert matches(query.plan.predicate, record, updated=UPDATED) == matches(
        built(tree), record, updated=UPDATED
    )


PIECES = st.sampled_from(
    [
        *("(", ")", "[", "]", ".", '"', "\\", " ", "  ", "and", "or", "not", "not(", "$", "|", ","),
        *("eq", "ne", "co", "ew", "gt", "po", "pr", "re", "in", "true", "name", "subject", "code"),
        *("_id", "_has:Patient:link:name", "patient", "value-quantity", "2020-01-01", "5", "é"),
    ]
)


@given(st.lists(st.one_of(PIECES, st.text(max_size=2)), max_size=25).map("".join))
def test_whatever_is_written_is_understood_or_refused_as_a_bad_request(text: str) -> None:
    with suppress(BadRequest):
        parse_query("Observation", [("_filter", text)], DEFINITIONS, now=NOW)
