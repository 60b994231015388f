"""A wrong query is refused by an outcome that names the parameter, its value, and what would work."""

from __future__ import annotations

import json
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import httpx2 as httpx
import pytest

from fhir_server.search.parameter_types.modifiers import modifiers_of
from fhir_server.search.parameter_types.prefix import PREFIXES
from tests.search.support import DEFINITIONS
from tests.support.raw_http import Ask, line_to

FORM = {"content-type": "application/x-www-form-urlencoded"}
ANY_MODIFIER = (
    "above", "below", "contains", "exact", "identifier", "in", "not", "not-in", "of-type", "text",
    "nonsense",
)  # fmt: skip
"""The modifiers of R4 (https://hl7.org/fhir/R4/search.html#modifiers), and one that it does not have."""

ONE_OF_EACH = {
    "composite": ("Observation", "code-value-quantity"),
    "date": ("Observation", "date"),
    "number": ("RiskAssessment", "probability"),
    "quantity": ("Observation", "value-quantity"),
    "reference": ("Observation", "patient"),
    "string": ("Patient", "family"),
    "token": ("Patient", "gender"),
    "uri": ("ValueSet", "url"),
    "id": ("Patient", "_id"),
    "moment": ("Patient", "_lastUpdated"),
    "label": ("Patient", "_tag"),
}


class Wrong(NamedTuple):
    """A search of a type, and what the refusal says: the parameter, the value, what would work."""

    kind: str
    name: str
    value: str
    says: tuple[str, ...]
    told: str | None = None
    """The value as it is told, where that is not as it was sent."""


def modified(kind: str, code: str) -> list[Wrong]:
    """Return a search with each modifier that a parameter does not have."""
    parameter = DEFINITIONS.search_parameters(kind)[code]
    known = modifiers_of(parameter)
    return [
        Wrong(kind, f"{code}:{each}", "x", (f":{each}", *told))
        for each in ANY_MODIFIER
        if each not in known
        for told in [
            ("list the codes",)
            if each in {"above", "below"} and "in" in known
            else ("none of these is part of another",)
            if each in {"above", "below"} and parameter.type == "reference"
            else tuple(f":{one}" for one in known)
        ]
    ]


DATES = ("yyyy-mm-dd", *PREFIXES)
NUMBERS = ("5.40", *PREFIXES)
LONG = "x" * 181
WRONG = [
    *(row for kind, code in ONE_OF_EACH.values() for row in modified(kind, code)),
    # Values
    Wrong("Observation", "date", "xx2020", DATES),
    Wrong("Observation", "date", "ge", DATES),
    Wrong("Observation", "date", "2020-13-01", DATES),
    Wrong("Observation", "date", "2020-02-30", DATES),
    Wrong("Observation", "date", "2020-02-01,tomorrow", DATES, told="tomorrow"),
    Wrong("Patient", "_lastUpdated", "yesterday", DATES),
    Wrong("RiskAssessment", "probability", "zz0.5", NUMBERS),
    Wrong("RiskAssessment", "probability", "NaN", NUMBERS),
    Wrong("Observation", "value-quantity", "xx5||mg", NUMBERS),
    Wrong("Observation", "value-quantity", "5|mg", ("`5.4||mg`",)),
    Wrong("Observation", "value-quantity", "5|a|b|c", ("`5.4||mg`",)),
    Wrong("Observation", "code-value-quantity", "8480-6", ("`code$value-quantity`",)),
    Wrong("Observation", "code-value-quantity", "8480-6$xx5", ("value-quantity=xx5", *NUMBERS)),
    Wrong("Observation", "code-value-date", "8480-6$2020-99", ("value-date=2020-99", *DATES)),
    Wrong("Patient", "family", "---", ("letter or digit",)),
    Wrong("Patient", "family", LONG, ("first 180 characters", "181"), told=LONG[:100]),
    Wrong("ValueSet", "url:below", f"http://{LONG}", ("first 180",), told=f"http://{LONG[:93]}"),
    Wrong("Patient", "identifier", "|", ("`system|code`",)),
    Wrong("Patient", "identifier", "a|b|c", ("`system|code`", r"\|")),
    Wrong("Patient", "identifier:of-type", "a|b", ("`system|code|value`",)),
    Wrong("Patient", "identifier", "a,,b", ("empty value",)),
    Wrong("Patient", "identifier", "a\x01b", ("U+0001",), told=r"a\u0001b"),
    Wrong("Patient", "family", "", ("no value", "family:missing=true")),
    Wrong("Patient", "birthdate:missing", "maybe", ("true or false",)),
    Wrong("Patient", "_id", "a/b", ("up to 64",)),
    Wrong("Patient", "_id", "a" * 65, ("up to 64",)),
    Wrong("Observation", "subject", "#p", ("`Type/id`",)),
    Wrong("Observation", "subject:Practitioner", "1", ("Patient", "Group")),
    Wrong("Observation", "subject:identifier", "|", ("`system|code`",)),
    # Too much of it
    Wrong("Patient", "identifier", ",".join("a" * 501), ("501", "500 are taken"), told="a,a,a"),
    Wrong("Patient", "_sort", ",".join(["name"] * 6), ("5 keys",)),
    # Chains
    Wrong("Observation", "subject.birthdate", "tomorrow", ("birthdate=tomorrow", *DATES)),
    Wrong("Observation", "subject.nam", "x", ("did you mean name?",), told="nam"),
    Wrong("Observation", "subject.family", "", ("no value", "family:missing=true")),
    Wrong("Observation", "subject:Pacient.name", "x", ("did you mean Patient?",), told="Pacient"),
    Wrong("Observation", "subject:Practitioner.name", "x", ("Patient", "Group"), told="Practitioner"),
    Wrong("Observation", "code.name", "x", ("only a reference", "subject", "patient"), told="code"),
    Wrong("Organization", f"{'partof.' * 5}name", "x", ("4 links",), told="partof.partof"),
    Wrong("Patient", "_has", "1", ("`_has:Type:reference:parameter`",), told="_has"),
    Wrong("Patient", "_has:Observatio:patient:code", "1", ("did you mean Observation",), told="Observatio"),
    Wrong("Patient", "_has:Observation:code:code", "1", ("only a reference", "patient"), told="code"),
    Wrong("Patient", "_has:Encounter:location:date", "1", ("to Location",), told="Encounter:location"),
    Wrong("Patient", "_has:Observation:patient:date", "xx", DATES),
    # Parameters of the result
    Wrong("Patient", "_count", "-1", ("0 or more",)),
    Wrong("Patient", "_count", "ten", ("0 or more",)),
    Wrong("Patient", "_count:exact", "1", ("no modifiers",)),
    Wrong("Patient", "_sort", "size", ("metadata",)),
    Wrong("Patient", "_sort", "-birthdat", ("did you mean birthdate?",)),
    Wrong("Patient", "_sort", "", ("leave it out",)),
    Wrong("Patient", "_total", "exact", ("none, estimate, accurate",)),
    Wrong("Patient", "_summary", "yes", ("true, text, data, count, false",)),
    Wrong("Patient", "_elements", "a b", ("separated by commas",)),
    Wrong("Patient", "_type", "Patient", ("search of all types",), told="_type"),
    Wrong("", "_type", "Pacient", ("did you mean Patient",)),
    Wrong("Patient", "_include", "Patient", ("`Type:parameter`",)),
    Wrong("Patient", "_include", "Patient:organisation", ("did you mean organization?",)),
    Wrong("Patient", "_include", "Pacient:organization", ("did you mean Patient",)),
    Wrong("Patient", "_include", "Patient:organization:Device", ("refers to Organization",)),
    Wrong("Patient", "_include", "Observation:subject", ("_include:iterate",)),
    Wrong("Patient", "_include:recurse", "Patient:link", (":iterate",), told="recurse"),
    Wrong("Patient", "_revinclude", "Encounter:location", ("refers to Location",)),
    # What there is not
    Wrong("Patient", "nmae", "x", ("did you mean name?", "metadata", "lenient"), told="nmae"),
    Wrong("Patient", "zzz", "x", ("metadata", "lenient"), told="zzz"),
]  # fmt: skip


def check(answer: httpx.Response, wrong: Wrong) -> None:
    """Check that a refusal names the parameter, the value and what would work."""
    assert answer.status_code == 400, answer.text
    (issue,) = answer.json()["issue"]
    assert issue["severity"] == "error"
    value = wrong.value if wrong.told is None else wrong.told
    told = issue["diagnostics"]
    assert len(told) < 1_000
    assert [each for each in (wrong.name, value, *wrong.says) if each not in told] == [], told


@pytest.mark.parametrize(
    "wrong", WRONG, ids=[f"{n} {each.kind}?{each.name[:30]}" for n, each in enumerate(WRONG)]
)
def test_a_wrong_query_is_told_what_is_wrong_and_what_would_work(
    client: httpx.Client, wrong: Wrong
) -> None:
    query = f"{quote(wrong.name)}={quote(wrong.value)}"

    check(client.get(f"{wrong.kind}?{query}"), wrong)
    place = f"{wrong.kind}/_search" if wrong.kind else "_search"
    check(client.post(place, content=query, headers=FORM), wrong)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("family=a&name=100%", ("name=100%", "%25")),
        ("family=a&name=%C3%28", ("name=%C3%28", "not UTF-8")),
        ("family=a&name=b%00c", ("name=b%00c", "NUL")),
        ("_count=1&family=a&_count=2", ("_count=2", "given twice", "once")),
        ("family=" + "&family=".join("a" * 101), ("101 parameters", "100 are taken")),
        ("a=b&" * 600, ("500 parameters",)),
    ],
    ids=["no escape", "no UTF-8", "NUL", "twice", "101 parameters", "600 parameters"],
)
def test_a_query_that_cannot_be_read_is_told_where(
    client: httpx.Client, query: str, says: tuple[str, ...]
) -> None:
    answers = [
        client.get(f"Patient?{query}"),
        client.post("Patient/_search", content=query, headers=FORM),
    ]

    for answer in answers:
        assert answer.status_code == 400
        told = answer.json()["issue"][0]["diagnostics"]
        assert [each for each in says if each not in told] == [], told


def test_a_long_query_is_to_be_posted(client: httpx.Client) -> None:
    answer = client.get("Patient?family=" + "a" * 20_000)

    assert answer.status_code == 400
    told = answer.json()["issue"][0]["diagnostics"]
    assert all(each in told for each in ("20007", "16384", "POST [type]/_search"))


def test_a_long_parameter_is_told_how_long_it_may_be(client: httpx.Client) -> None:
    answer = client.post("Patient/_search", content="identifier=" + "a" * 20_001, headers=FORM)

    assert answer.status_code == 400
    told = answer.json()["issue"][0]["diagnostics"]
    assert all(each in told for each in ("identifier=aaa", "20011", "20000 are taken"))
    assert len(told) < 300


def test_a_posted_query_of_a_megabyte_is_too_large(client: httpx.Client) -> None:
    answer = client.post("Patient/_search", content="family=" + "a" * 1_000_000, headers=FORM)

    assert answer.status_code == 413
    assert "100000" in answer.json()["issue"][0]["diagnostics"]


def test_a_megabyte_in_an_address_is_refused_and_the_next_request_served(
    base: str, client: httpx.Client
) -> None:
    port = urlsplit(base).port
    assert port is not None

    with line_to(port) as line:
        told = line.ask(Ask(b"GET", b"/fhir/Patient?family=" + b"a" * 1_000_000))

    assert told.status == 400
    said = json.loads(told.body)["issue"][0]["diagnostics"]
    assert all(each in said for each in ("Patient?family=aaa", "65535", "POST [type]/_search"))
    assert len(said) < 300
    assert client.get("Patient?_count=0").status_code == 200
