"""The query string of a search, and the criteria of conditional interactions."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.fhir.errors import BadRequest, FhirError, NotSupported
from fhir_server.search.expression import (
    EVERYTHING,
    NOTHING,
    AllOf,
    AnyOf,
    HasAnyTerm,
    HasId,
    HasTerm,
    HasTermBetween,
    Include,
    Limit,
    Plan,
    PointedToBy,
    PointsTo,
    SortKey,
    Updated,
)
from fhir_server.search.parameter_types.criterion import begins_with
from fhir_server.search.parameter_types.token import MEDIA_TYPES
from fhir_server.search.parsing import parse_criteria, parse_query
from fhir_server.search.paths import implied_systems
from fhir_server.search.record import token_term
from tests.search.support import BASE, DEFINITIONS, NOW, micros, query_of

GENDERS = "http://hl7.org/fhir/ValueSet/administrative-gender"
REFUSED = [
    ("Patient", "birthday=2000", "did you mean birthdate"),
    ("Patient", "nmae=x", "did you mean name"),
    ("Patient", "family", "family= has no value"),
    ("Patient", "family=a,,b", "empty value"),
    ("Patient", "family=", "no value"),
    ("Patient", "family=---", "letter or digit"),
    ("Patient", "family=" + "x" * 181, "first 180 characters"),
    ("Patient", "family:below=x", "has no modifier :below; it has :missing, :exact"),
    ("Patient", "family:starts=x", "has :missing, :exact, :contains"),
    ("Patient", "family:not=x", "no modifier :not"),
    ("Patient", "family:in=http://x", "no modifier :in"),
    ("Patient", "family:text=--", "a word is missing at the end"),
    ("Patient", "family:text=(a", "a parenthesis is not closed"),
    ("Patient", "family:text=a*", "whole words; a* would be a part of one"),
    ("Patient", "gender:in=http://x", "gender:in=http://x: no terminology service"),
    ("Patient", "gender:not-in=http://x", "gender:not-in=http://x: no terminology service"),
    ("Patient", f"gender:in={GENDERS}|5.0.0", "no terminology service is configured"),
    ("Patient", "gender:below=male", "the modifier :below of a token parameter needs"),
    ("Patient", "gender:above=male", "the modifier :above of a token parameter needs"),
    ("Patient", "gender:text=--", "letter or digit"),
    ("Patient", "gender:exact=x", "has :missing, :not, :of-type, :text, :in, :not-in"),
    ("Observation", "subject:text=x", "has :missing, :identifier, :[type]"),
    ("Task", "intent:in=http://hl7.org/fhir/ValueSet/task-intent", "no terminology service"),
    ("Patient", "identifier=|", "system|code"),
    ("Patient", "identifier=a|b|c", "system|code"),
    ("Patient", "identifier:of-type=a|b", "system|code|value"),
    ("Patient", "identifier:of-type=a||b", "system|code|value"),
    ("Patient", "birthdate=yesterday", "yyyy-mm-dd"),
    ("Patient", "birthdate=2013-13", "yyyy-mm-dd"),
    ("Patient", "birthdate=2013-02-30", "yyyy-mm-dd"),
    ("Patient", "birthdate=0000", "yyyy-mm-dd"),
    ("Patient", "birthdate=xx2013", "yyyy-mm-dd"),
    ("Patient", "birthdate=2013-01-01T25:00", "yyyy-mm-dd"),
    ("Patient", "birthdate=2013-01-01T10:00+99:00", "yyyy-mm-dd"),
    ("Patient", "birthdate=2013-01-01T10", "yyyy-mm-dd"),
    ("Patient", "birthdate:exact=2013", "has :missing"),
    ("Patient", "birthdate:missing=yes", "true or false"),
    ("Patient", "_id=a/b", "logical id alone"),
    ("Patient", "_id:exact=a", "no modifier :exact"),
    ("Patient", "family=a\x00b", "no FHIR value has"),
    ("Patient", "identifier=" + ",".join("a" * 501), "500 are taken"),
    ("Patient", "_content=", "no value"),
    ("Patient", "_text=--", "a word is missing at the end"),
    ("Patient", "_text=a,", "a word is missing at the end"),
    ("Patient", "_text=a or", "a word is missing at the end"),
    ("Patient", "_text=or a", "a word is missing before OR"),
    ("Patient", "_text=()", "a word is missing before )"),
    ("Patient", "_text=a and or b", "a word is missing before OR"),
    ("Patient", "_text=(a", "a parenthesis is not closed"),
    ("Patient", "_text=a)", "a parenthesis was not opened"),
    ("Patient", '_text="a', "a quote is not closed"),
    ("Patient", '_text="a, b"', "a quote is not closed"),
    ("Patient", '_text="--"', '"--" has no word'),
    ("Patient", "_text=metast*", "metast* would be a part"),
    ("Patient", "_text=a -b", "-b is written NOT b"),
    ("Patient", "_text=" + "a " * 101, "100 words at most"),
    ("Patient", "_text=" + "a," * 100 + "a", "100 words at most"),
    ("Patient", "_text=" + "(" * 100 + "a", "100 words at most"),
    ("Patient", "_text:contains=a", "_text has no modifiers"),
    ("Patient", "_text:missing=true", "_text has no modifiers"),
    ("Patient", "_sort=_text", "has no one order"),
    ("AllergyIntolerance", "_list=$current-allergies", "name one by id, as in patient=42"),
    ("AllergyIntolerance", "patient.name=x&_list=$current-allergies", "name one by id"),
    ("AllergyIntolerance", "patient=1&_list=$current-drug-allergies", "category=medication"),
    ("AllergyIntolerance", "patient=1&_list=$current-aches", "there are $current-problems"),
    ("AllergyIntolerance", "patient=1&_list:not=$current-allergies", "no modifiers"),
    ("AllergyIntolerance", "patient=1&_list=$current-allergies,List/1", "as 42 of List/42"),
    (None, "_list=$current-allergies", "search in Patient/42"),
    ("Patient", "_list=List/1", "as 42 of List/42"),
    ("Patient", "_list=1,", "as 42 of List/42"),
    ("Patient", "_list:not=1", "no modifiers"),
    ("Patient", "_list=", "has no value"),
    ("Patient", "_list=" + ",".join("1" * 101), "100 are taken"),
    ("Location", "partof:below=http://other.org/fhir/Location/1", "resource of this server"),
    ("Location", "partof:below=Organization/1", "can be part of another: Location/"),
    ("Location", "partof:below=", "has no value"),
    ("Location", "partof:below=1,", "empty value"),
    ("Location", "partof:under=1", "has no modifier :under; it has :missing, :identifier"),
    ("Observation", "subject:below=Group/1", "can be part of another: Location/"),
    ("Observation", "patient:above=1", "none of these is part of another"),
    ("QuestionnaireResponse", "questionnaire:above=http://a.org/q", "has no modifier :above"),
    ("QuestionnaireResponse", "questionnaire:below=|1", "`id`, `Type/id` or a URL"),
    ("DocumentReference", "contenttype:below=text", "`type/subtype` with `:below`, as in text/xml"),
    ("DocumentReference", "contenttype:below=urn:ietf:bcp:13|text/xml", "as in text/xml"),
    ("DocumentReference", "contenttype:above=text/xml", "needs a terminology service"),
    ("Slot", "schedule:below=1", "refers to Schedule, and none of these"),
    (None, "_list=List/1", "as 42 of List/42"),
    (None, "_list=", "has no value"),
    ("Observation", "subject._list=$current-problems", "not in a chain or filter"),
    ("Patient", "_filter:exact=name eq x", "_filter has no modifiers"),
    ("Patient", "_filter=", "_filter has no value"),
    ("Patient", "_filter=(name eq x", "`)` is expected at column 11, not ''"),
    ("Patient", "_filter=name eq x)", "`and`, `or` or the end is expected at column 10, not ')'"),
    ("Patient", "_filter=name is x", "is expected at column 6, not 'is x'"),
    ("Patient", "_filter=name eq", "a value is expected at column 8"),
    ("Patient", '_filter=name eq "x', 'a JSON string, "…" is expected at column 9'),
    ("Patient", "_filter=gender[family eq x] eq y", "`.` is expected at column 21"),
    ("Patient", "_filter=" + "(" * 11 + "name eq x", "nested 10 deep at most"),
    ("Patient", "_filter=" + " or ".join(["name eq x"] * 51), "50 comparisons at most"),
    ("Patient", "_filter=" + "x" * 20_001, "longer than 20000 characters"),
    (
        "Patient",
        "_filter=gender eq x and nam eq y",
        "'nam' (did you mean name?) (in _filter, column 17)",
    ),
    ("Patient", "_filter=name:exact eq x", "operators in place of modifiers"),
    ("Patient", "_filter=_filter eq x", "a filter holds others in parentheses"),
    ("Patient", "_filter=_text pr true", "no operator pr; it has eq"),
    ("Patient", '_filter=_text eq "(x"', "a parenthesis is not closed"),
    ("Patient", '_filter=name eq ""', "name eq has no value"),
    ("Patient", '_filter=name eq "\\u0001"', "no FHIR value has"),
    ("Patient", '_filter=name sw "--"', "letter or digit"),
    ("Patient", "_filter=name pr x", "pr is true or false"),
    ("Patient", "_filter=name po 2020", "a string parameter has no operator po; it has eq, ne, co"),
    ("Patient", "_filter=gender co x", "a token parameter has no operator co; it has eq, ne, pr"),
    ("Patient", "_filter=gender in http://x", "needs a terminology service"),
    ("Patient", "_filter=gender ne http://x|", "another code is asked for"),
    ("Patient", "_filter=birthdate sw 2010", "no operator sw; it has eq, ne, gt"),
    ("Patient", "_filter=birthdate po 2010-13", "a date parameter takes `yyyy`"),
    ("Patient", "_filter=birthdate eq ge2010", "a date parameter takes `yyyy`"),
    ("Patient", "_filter=organization eq Organization/1", "it has re, pr"),
    ("Observation", "_filter=value-quantity co 5", "no operator co"),
    ("Observation", "_filter=value-quantity gt five", "a number like"),
    ("Observation", "_filter=code.x eq y", "only a reference leads on"),
    ("Observation", "_filter=subject.nam eq y", "none of 4 types has 'nam' (did you mean name?)"),
    (
        "Observation",
        "_filter=subject[nam eq x].name eq y",
        "'nam' (did you mean name?) (in _filter, column 9)",
    ),
    (
        "Organization",
        "_filter=partof.partof.partof.partof.partof.name eq x",
        "more than the 4 links",
    ),
    (
        "Organization",
        "_filter=partof[partof.partof.partof.partof.name eq x].name eq x",
        "the 4 links",
    ),
    ("AuditEvent", "_filter=entity._id eq x or entity._id eq x", "more than 200 types"),
    ("Patient", "_contained=yes", "one of true, false, both"),
    ("Patient", "_contained=true&_contained=both", "given twice"),
    ("Patient", "_contained=true&_containedType=both", "one of container, contained"),
    ("Patient", "_containedType=contained", "add _contained=true"),
    (None, "_contained=true", "search of one type"),
    ("Patient", "_contained=true&_has:Observation:patient:_content=1", "type of the container"),
    ("Measure", "_contained=true&_has:Measure:depends-on:title=x", "referred to by its id"),
    ("Patient", "_contained=both&_text=fever", "type of the container"),
    ("Patient", "_contained=both&_filter=not (_content eq fever)", "type of the container"),
    ("Patient", "_contained=true&_sort=name", "ask for _containedType=contained"),
    ("Patient", "_contained=both&_elements=name", "ask for _containedType=contained"),
    ("Patient", "_contained=both&_include=Patient:link", "ask for _containedType=contained"),
    ("Patient", "_contained=both&_revinclude=Observation:patient", "nothing refers to a contained"),
    ("Patient", "organization._contained=true", "has no search parameter"),
    ("Patient", "_has=1", "`_has:Type:reference:parameter`"),
    ("Patient", "_has:Observation:patient=1", "`_has:Type:reference:parameter`"),
    ("Patient", "_has:Observation::code=1", "`_has:Type:reference:parameter`"),
    ("Patient", "_has:Observations:patient:code=1", "did you mean Observation"),
    ("Patient", "_has:Observation:patnt:code=1", "did you mean patient"),
    ("Patient", "_has:Observation:code:code=1", "only a reference leads on"),
    ("Patient", "_has:Observation:patient:cod=1", "Observation has 'cod' (did you mean code?)"),
    ("Patient", "_has:Observation:patient:code=", "has no value"),
    ("Patient", "_has:Observation:patient:code:exact=1", "no modifier :exact"),
    ("Patient", "_has:Encounter:location:status=x", "refers to Location, not to Patient"),
    ("Patient", "_has:Observation:patient:_has:Encounter:location:date=1", "not to Observation"),
    (None, "_has:Observation:patient=1", "`_has:Type:reference:parameter`"),
    (None, "_has:Observation:patient:cod=1", "did you mean code?"),
    (None, "_has:Observations:patient:code=1", "did you mean Observation"),
    (None, "_type=Device&_has:Observation:patient:code=1", "of Group, Patient, not of Device"),
    (None, "_filter=_has:Observation:patient:code eq 1", "in the search of one type"),
    ("Patient", "_type=Patient", "search of all types"),
    ("Patient", "_count=-1", "0 or more"),
    ("Patient", "_count=ten", "0 or more"),
    ("Patient", "_count=1&_count=2", "given twice"),
    ("Patient", "_count:x=1", "no modifiers"),
    ("Patient", "_sort=size", "no search parameter 'size'"),
    ("Patient", "_sort=name,", "no search parameter ''"),
    ("Patient", "_sort=name,name,name,name,name,name", "5 keys"),
    ("Patient", "_total=exact", "none, estimate, accurate"),
    ("Patient", "_summary=yes", "true, text, data, count, false"),
    ("Patient", "_summary=text&_include=Patient:organization", "no _include and no _revinclude"),
    ("Patient", "_revinclude=Observation:patient&_summary=text", "no _include and no _revinclude"),
    ("Patient", "_sort=-_score", "not ranked by relevance"),
    ("Patient", "_elements=a b", "names, separated by commas"),
    ("Observation", "subject.nam=x", "none of 4 types has 'nam' (did you mean name?)"),
    ("Observation", "subject:Patient.nam=x", "Patient has 'nam' (did you mean name?)"),
    ("Observation", "subject:Patient.general-practitioner.nam=x", "3 types has 'nam' (did you"),
    ("Observation", "subjct.name=x", "did you mean subject"),
    ("Observation", "subject.=x", "none of 4 types has ''"),
    ("Observation", "subject._count=1", "none of 4 types has '_count'"),
    ("Observation", "subject._text=(x", "a parenthesis is not closed"),
    ("Observation", "subject.name=", "has no value"),
    ("Observation", "subject.birthdate=yesterday", "yyyy-mm-dd"),
    ("Observation", "subject:Pacient.name=x", "did you mean Patient"),
    ("Observation", "subject:not.name=x", "no resource type 'not'"),
    ("Observation", "subject:Practitioner.name=x", "does not refer to Practitioner"),
    ("Observation", "code.name=x", "only a reference leads on"),
    ("QuestionnaireResponse", "questionnaire.titel=x", "Questionnaire has 'titel' (did you mean t"),
    ("ActivityDefinition", "depends-on:Patient.name=x", "by canonical URL, which no Patient is"),
    ("ActivityDefinition", "depends-on.birthdate=x", "none of 28 types has 'birthdate'"),
    ("Patient", "_has:Measure:depends-on:title=x", "refers to ActivityDefinition, Cap"),
    ("Organization", "partof.partof.partof.partof.partof.name=x", "more than the 4 links"),
    ("AuditEvent", "entity.entity.entity.identifier=x", "more than 200 types"),
    ("Observation", "subject=#p", "`id`, `Type/id` or a URL"),
    ("Observation", "subject:Practitioner=1", "does not refer to Practitioner"),
    ("Observation", "subject:in=1", "has :missing, :identifier, :[type]"),
    ("Observation", "value-quantity=5|mg", "5.4||mg"),
    ("Observation", "value-quantity=5|x|", "5.4||mg"),
    ("Observation", "value-quantity=a||mg", "a number like"),
    ("Observation", "value-quantity=1e99999", "a number like"),
    ("Observation", "value-quantity=NaN", "a number like"),
    ("Observation", "value-quantity:missing=1", "true or false"),
    ("Observation", "code-value-quantity=1", "code$value-quantity"),
    ("Observation", "code-value-quantity=1$2$3", "code$value-quantity"),
    ("Observation", "code-value-quantity=http://x|$2", "a code is needed"),
    ("Observation", "code-value-concept=a$urn:x|", "at least one part"),
    ("Observation", "code-value-concept:exact=a$b", "no modifier :exact"),
    ("Observation", "_sort=code-value-quantity", "no one order"),
    ("Location", "near=54", "latitude and longitude are needed"),
    ("Location", "near=54|-1|5|km|x", "latitude and longitude are needed"),
    ("Location", "near=91|0", "'91' is no number from -90 to 90"),
    ("Location", "near=north|0", "'north' is no number from -90 to 90"),
    ("Location", "near=0|180.5", "'180.5' is no number from -180 to 180"),
    ("Location", "near=0|nan", "'nan' is no number"),
    ("Location", "near=0|0|-5", "'-5' is no distance"),
    ("Location", "near=0|0|far", "'far' is no distance"),
    ("Location", "near=0|0|5|miles", "'miles' is no unit of length in UCUM"),
    ("Location", "near=0|0|5|kg", "'kg' is no unit of length in UCUM"),
    ("Location", "near:exact=0|0", "no modifier :exact"),
    ("Location", "near=" + ",".join(["0|0"] * 501), "500 are taken"),
    ("Location", "near=0|0,,1|1", "empty value"),
    ("Location", "_sort=near", "no one order"),
    ("Location", "_filter=near co 1|1", "a special parameter has no operator co; it has eq, pr"),
    ("Patient", "near=0|0", "no search parameter 'near'"),
    ("Observation", "_include=Observation", "Type:parameter"),
    ("Observation", "_include=Observation:", "Type:parameter"),
    ("Observation", "_include=Nothing:x", "no resource type Nothing"),
    ("Observation", "_include=Observation:code", "no reference parameter 'code'"),
    ("Observation", "_include=Observation:subjct", "did you mean subject"),
    ("Observation", "_include=Observation:subject:Practitioner", "refers to"),
    ("Observation", "_include=Patient:organization", "_include:iterate"),
    ("Observation", "_include:recurse=Observation:subject", "the only one is :iterate"),
    ("Patient", "_revinclude=Encounter:location", "not to Patient"),
    (None, "name=x", "a search of all types has no search parameter 'name'"),
    (None, "name=x", "with `_type=…` the types that have it can be searched together"),
    (None, "_type=Observation,Patient&patient=1", "no search parameter 'patient'"),
    (None, "patient=1&_type=Observation,Patient", "(did you mean active?) of Patient;"),
    (None, "_type=Condition,Observation&cod=1", "(did you mean code?) of Condition, Observation;"),
    (None, "_type=Condition,Observation&patient.nam=x", "'nam' (did you mean name?) of Condition"),
    (None, "_type=Condition,Observation&code:exact=x", "no modifier :exact"),
    (None, "_type=Condition,Observation&_sort=date", "no search parameter 'date'"),
    (None, "_type=DiagnosticReport,ServiceRequest&_sort=code-value", "no search parameter 'code-v"),
    (None, "_type=Observation,Composition&_sort=code,-date", "no search parameter 'code'"),
    (None, "_type=Patient,Person&_filter=gender eq x or deceased eq true", "of Person"),
    (None, "_type=Patient,Pacient", "did you mean"),
]


@pytest.mark.parametrize(("resource_type", "query", "said"), REFUSED)
def test_what_cannot_be_answered_is_refused_with_what_would_work(
    resource_type: str | None, query: str, said: str
) -> None:
    with pytest.raises(BadRequest) as refusal:
        query_of(resource_type, query)

    assert said in str(refusal.value)


def test_all_unknown_parameters_are_named_at_once() -> None:
    with pytest.raises(BadRequest) as refusal:
        query_of("Patient", "famly=x&gendr=y&name=z")

    assert "'famly' (did you mean family?)" in str(refusal.value)
    assert "'gendr' (did you mean gender or given?)" in str(refusal.value)


def test_too_many_parameters_are_refused() -> None:
    with pytest.raises(BadRequest, match="101 parameters"):
        parse_query("Patient", [("name", "x")] * 101, DEFINITIONS, now=NOW)


def test_a_parameter_that_is_too_long_is_refused() -> None:
    with pytest.raises(BadRequest, match="20010 characters; 20000 are taken"):
        query_of("Patient", "identifier=" + "x" * 20_000)


@pytest.mark.parametrize(
    "name",
    ["x" * 30_000, "family:" + "x" * 19_000, "link." * 5_000 + "name", "link." + "x" * 9_000],
)
def test_a_long_name_is_refused_in_few_words(name: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        query_of("Patient", f"{name}=x")

    assert len(str(refusal.value)) < 600


@pytest.mark.parametrize(
    "query",
    ["nonsense=1", "family=", "_has:List:subject:x=1", "_query=x", "subject.x=1", "link.x=1"],
)
def test_with_lenient_handling_what_is_not_served_is_left_out_and_told(query: str) -> None:
    found = query_of("Patient", f"gender=male&{query}", lenient=True)

    assert found.applied == (("gender", "male"),)
    assert found.plan == query_of("Patient", "gender=male").plan
    assert [name for name, _ in found.ignored] == [query.partition("=")[0]]
    assert all(reason for _, reason in found.ignored)


def test_lenient_handling_does_not_pass_a_malformed_value() -> None:
    with pytest.raises(BadRequest):
        query_of("Patient", "birthdate=yesterday", lenient=True)


def test_a_search_without_parameters_finds_everything_of_the_type() -> None:
    found = query_of("Patient", "")

    assert found.plan == Plan(frozenset({"Patient"}), EVERYTHING)
    assert (found.count, found.total, found.only_count, found.text) == (20, "none", False, "")


def test_a_search_of_all_types_may_name_some() -> None:
    found = query_of(None, "_type=Patient,Observation&_id=a")

    assert found.plan == Plan(frozenset({"Patient", "Observation"}), HasId(("a",)))
    assert query_of(None, "_id=a").plan.types is None


@pytest.mark.parametrize(
    ("text", "count", "only_count"),
    [
        ("_count=0", 0, True),
        ("_count=7", 7, False),
        ("_count=1001", 1000, False),
        ("_count=" + "9" * 5000, 1000, False),
        ("_summary=count", 20, True),
        ("", 20, False),
    ],
)
def test_the_count_is_held_to_the_largest_page(text: str, count: int, *, only_count: bool) -> None:
    found = query_of("Patient", text)

    assert (found.count, found.only_count) == (count, only_count)


def test_result_parameters_are_read() -> None:
    found = query_of("Patient", "_total=accurate&_summary=data&_elements=id,name&_format=json")

    assert (found.total, found.summary, found.elements) == ("accurate", "data", ("id", "name"))
    assert found.applied == (("_total", "accurate"), ("_summary", "data"), ("_elements", "id,name"))
    assert found.text == "_total=accurate&_summary=data&_elements=id%2Cname"


def test_sort_keys_know_their_type_and_direction() -> None:
    found = query_of("Patient", "_sort=-birthdate,family,phonetic&_sort=_id,-_lastUpdated")

    assert found.plan.sort == (
        SortKey("birthdate", "date", descending=True),
        SortKey("family", "string", descending=False),
        SortKey("phonetic", "string", descending=False, sources=("name",)),
        SortKey("_id", "token", descending=False),
        SortKey("_lastUpdated", "date", descending=True),
    )


def test_includes_are_read() -> None:
    found = query_of(
        "Observation",
        "_include=Observation:subject:Patient&_include=*&_include=Observation:*"
        "&_include:iterate=Patient:organization&_revinclude=Provenance:target"
        "&_revinclude:iterate=Provenance:*",
    )

    assert found.includes == (
        Include("Observation", "subject", "Patient"),
        Include("*", "*"),
        Include("Observation", "*"),
        Include("Patient", "organization", iterate=True),
    )
    assert found.revincludes == (
        Include("Provenance", "target"),
        Include("Provenance", "*", iterate=True),
    )


def test_alternatives_that_are_terms_become_one_predicate() -> None:
    found = query_of("Patient", "identifier=urn:a|1,urn:b|2,urn:a|1")

    assert found.plan.predicate == HasAnyTerm(
        (token_term("identifier", "urn:a", "1"), token_term("identifier", "urn:b", "2"))
    )


def test_a_moment_is_bounded_by_single_limits() -> None:
    found = query_of("Patient", "_lastUpdated=ge2024-01-01&_lastUpdated=lt2024-02-01")

    start, end = micros("2024-01-01T00:00:00+00:00"), micros("2024-02-01T00:00:00+00:00")
    assert found.plan.predicate == AllOf(
        (Updated((Limit("low", ">=", start),)), Updated((Limit("low", "<", end),)))
    )


def named(prefix: str) -> HasTermBetween:
    return begins_with(f"name^{prefix}")


def test_a_chain_leads_to_the_type_that_it_names() -> None:
    found = query_of("Observation", "subject:Patient.name=smith")

    assert found.plan.predicate == PointsTo("subject", "Patient", named("smith"))


def test_a_chain_that_names_no_type_leads_to_each_that_has_the_parameter() -> None:
    found = query_of("DiagnosticReport", "subject.general-practitioner.name=smith")

    practitioners = AnyOf(
        (
            PointsTo("general-practitioner", "Organization", named("smith")),
            PointsTo("general-practitioner", "Practitioner", named("smith")),
        )
    )
    assert found.plan.predicate == PointsTo("subject", "Patient", practitioners)


def test_a_reverse_chain_may_hold_another_and_a_chain() -> None:
    twice = query_of("Patient", "_has:Observation:patient:_has:AuditEvent:entity:agent=Device/1")
    forth = query_of("Patient", "_has:Observation:patient:performer:Practitioner.name=smith")
    back = query_of("Encounter", "subject:Patient._has:Observation:patient:status=final,amended")

    accessed = PointedToBy("AuditEvent", "entity", "Observation", HasTerm("agent>Device/1"))
    assert twice.plan.predicate == PointedToBy("Observation", "patient", "Patient", accessed)
    performed = PointsTo("performer", "Practitioner", named("smith"))
    assert forth.plan.predicate == PointedToBy("Observation", "patient", "Patient", performed)
    status = query_of("Observation", "status=final,amended").plan.predicate
    observed = PointedToBy("Observation", "patient", "Patient", status)
    assert back.plan.predicate == PointsTo("subject", "Patient", observed)


@pytest.mark.parametrize(
    "query", ["gender:not=male", "birthdate:missing=true", "_id=a,b", "_lastUpdated=2024", "_tag=x"]
)
def test_a_chain_ends_with_whatever_a_search_may_ask(query: str) -> None:
    chained = query_of("Observation", f"subject:Patient.{query}").plan.predicate
    reverse = query_of("Practitioner", f"_has:Patient:general-practitioner:{query}").plan.predicate

    asked = query_of("Patient", query).plan.predicate
    assert chained == PointsTo("subject", "Patient", asked)
    assert reverse == PointedToBy("Patient", "general-practitioner", "Practitioner", asked)


def test_criteria_may_be_chained() -> None:
    plan = parse_criteria("Observation", "subject:Patient.name=x", DEFINITIONS, now=NOW)

    assert plan == query_of("Observation", "subject:Patient.name=x").plan


def test_the_id_is_never_missing() -> None:
    assert query_of("Patient", "_id:missing=true").plan.predicate == NOTHING
    assert query_of("Patient", "_id:missing=false").plan.predicate == EVERYTHING


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "would select every resource"),
        ("?", "would select every resource"),
        ("identifier", "no query string"),
        ("identifier=", "no value"),
        ("identifer=1", "did you mean identifier"),
        ("_count=1", "_count says nothing"),
        ("identifier=1&_sort=name", "_sort says nothing"),
        ("_include:iterate=a", "says nothing"),
        ("_format=json", "_format says nothing"),
        ("general-practitioner.nam=x", "did you mean name"),
        ("&".join(["identifier=1"] * 101), "no query string"),
    ],
)
def test_criteria_that_might_select_too_much_are_refused(text: str, said: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        parse_criteria("Patient", text, DEFINITIONS, now=NOW)

    assert said in str(refusal.value)


def test_criteria_are_percent_decoded() -> None:
    plan = parse_criteria(
        "Patient", "identifier=http%3A%2F%2Facme.org%7C12+3", DEFINITIONS, now=NOW
    )

    assert plan == query_of("Patient", "identifier=http://acme.org|12 3").plan


def test_what_is_not_served_yet_is_a_kind_of_its_own() -> None:
    with pytest.raises(NotSupported):
        query_of("Patient", "_query=x")


NAMES = st.sampled_from(
    [
        "name",
        "identifier",
        "birthdate",
        "general-practitioner",
        "_id",
        "_lastUpdated",
        "_profile",
        "link",
        "_count",
        "_sort",
        "_include",
        "_revinclude",
        "_elements",
        "_type",
        "_has:a",
        "_has:Observation:patient:",
        "_has:Observation:patient:code",
        "general-practitioner.",
        "general-practitioner.name",
        "link:Patient._has:Observation:patient:subject.link",
    ]
)
MODIFIERS = st.sampled_from(
    ["", ":", ":exact", ":missing", ":not", ":identifier", ":above", ":of-type"]
)
VALUES = (
    st.text(st.sampled_from("aZ09-:.,|$\\/ #TeE+~*\x00\u00e9\U0001d400\u0301"), max_size=12)
    | st.text()
)


@given(st.text() | NAMES, MODIFIERS, VALUES)
def test_whatever_is_asked_is_understood_or_refused(name: str, modifier: str, value: str) -> None:
    try:
        parse_query("Patient", [(name + modifier, value)], DEFINITIONS, now=NOW, base_url=BASE)
    except FhirError as refusal:
        assert str(refusal)  # noqa: PT017 - any refusal will do, if it says something


OBSERVATION = st.sampled_from(
    [
        "value-quantity",
        "code-value-quantity",
        "code-value-concept",
        "code-value-string",
        "code-value-date",
        "combo-code-value-quantity",
        "subject",
        "date",
        "value-date",
    ]
)


@given(OBSERVATION, st.text(st.sampled_from("5.e-1|$\\,ag+:/\u00b2\u0665"), max_size=12))
def test_whatever_is_measured_is_understood_or_refused(name: str, value: str) -> None:
    try:
        parse_query("Observation", [(name, value)], DEFINITIONS, now=NOW)
    except FhirError as refusal:
        assert str(refusal)  # noqa: PT017 - any refusal will do, if it says something


@given(st.text(st.sampled_from("90185.-|,+ekmi[]_/*\\\u00b2")))
def test_whatever_is_nearby_is_understood_or_refused(value: str) -> None:
    try:
        parse_query("Location", [("near", value)], DEFINITIONS, now=NOW)
    except FhirError as refusal:
        assert str(refusal)  # noqa: PT017 - any refusal will do, if it says something


@given(st.sampled_from(("0|0|1|", "54|-1.9|12|")), st.text(st.sampled_from("km[]_.iftd/10*^{}-+2")))
def test_whatever_the_unit_is_it_is_understood_or_refused(place: str, unit: str) -> None:
    with suppress(BadRequest):
        parse_query("Location", [("near", place + unit)], DEFINITIONS, now=NOW)


@given(st.text())
def test_whatever_the_criteria_are_they_are_understood_or_refused(text: str) -> None:
    try:
        parse_criteria("Patient", text, DEFINITIONS, now=NOW)
    except FhirError as refusal:
        assert str(refusal)  # noqa: PT017 - any refusal will do, if it says something


def test_types_that_are_named_are_asked_by_what_they_share_each_in_its_own_way() -> None:
    code = begins_with("code=a\x1f")

    found = query_of(None, "code=a&_lastUpdated=gt2024&_type=Observation,Condition").plan

    assert found.types == frozenset({"Observation", "Condition"})
    assert found.placed == (("Condition", AllOf((code,))), ("Observation", AllOf((code,))))
    assert isinstance(found.predicate, Updated)


def test_a_parameter_of_one_name_is_asked_of_each_type_by_its_own_type() -> None:
    placed = dict(query_of(None, "_type=Patient,ValueSet&name=ada").plan.placed)

    assert placed == {
        "Patient": AllOf((begins_with("name^ada"),)),
        "ValueSet": AllOf((begins_with("name^ada"),)),
    }


def test_types_are_sorted_together_by_what_they_share() -> None:
    by_date = query_of(None, "_sort=-date,code&_type=Procedure,DiagnosticReport").plan.sort

    assert by_date == query_of("Procedure", "_sort=-date,code").plan.sort
    assert by_date == query_of("DiagnosticReport", "_sort=-date,code").plan.sort


def test_a_list_by_its_function_is_of_the_patient_that_types_share() -> None:
    asked = "_type=Condition,AllergyIntolerance&patient=1&_list=$current-problems"

    found = query_of(None, asked)

    assert [(each.function, each.patient) for each in found.lists] == [("$current-problems", "1")]
    assert dict(found.plan.placed)["Condition"] != NOTHING


def test_elements_with_media_types_are_those_that_the_definitions_bind_to_them() -> None:
    bound = {
        each.expression
        for kind in DEFINITIONS.resource_types
        for each in DEFINITIONS.search_parameters(kind).values()
        if each.type == "token"
        and implied_systems(DEFINITIONS, each.expression) == "urn:ietf:bcp:13"
    }

    assert bound == MEDIA_TYPES
