"""What a List names: https://hl7.org/fhir/R4/search.html#list."""

from typing import Any

from fhir_server.fhir.resource import Resource
from tests.search.cases import Rule, a

BASE = "http://example.org/fhir"


def a_list(logical_id: str, *entries: dict[str, Any]) -> Resource:
    return a("List", status="current", mode="changes", entry=list(entries)) | {"id": logical_id}


def entry(reference: str, **more: Any) -> dict[str, Any]:
    return {"item": {"reference": reference}, **more}


RULES = [
    Rule(
        "All Patient resources that are referenced from the list found at [base]/List/42",
        a("Patient", gender="female"),
        ("_list=42", "_list=42&gender=female", "_list=7,42", "_list=43", "_list=42&_list=43"),
        ("_list=7", "_list=42&gender=male", "_list=4", "_list=42&_list=7", "_list=44", "_list=45"),
        (
            a_list("42", entry("Patient/bob"), entry("Patient/ada")),
            a_list("43", entry(f"{BASE}/Patient/ada/_history/3")),
            a_list("44", entry("http://other.org/fhir/Patient/ada"), entry("Group/ada")),
            a_list("45", {"item": {"identifier": {"value": "ada"}}}),
            a_list("7", entry("Patient/bob")),
        ),
    ),
    Rule(
        "List.entry.deleted: true if this item is marked as deleted in the list",
        a("Patient"),
        ("_list=2", "_list=3", "_has:List:item:_id=1"),
        ("_list=1",),
        (
            a_list("1", entry("Patient/ada", deleted=True)),
            a_list("2", entry("Patient/ada", deleted=False)),
            a_list("3", entry("Patient/ada", deleted=True), entry("Patient/ada")),
        ),
    ),
    Rule(
        "A list may be asked of what a chain leads to",
        a("Observation", subject={"reference": "Patient/ada"}),
        ("subject:Patient._list=42", "subject._list=42", "patient._list=42"),
        ("_list=42", "subject:Group._list=42", "subject:Patient._list=7"),
        (a("Patient"), a("Group"), a_list("42", entry("Patient/ada"))),
    ),
    Rule(
        "Lists are allowed to contain other lists",
        a("List", status="current", mode="working"),
        ("_list=42",),
        ("_list=7",),
        (a_list("42", entry("List/ada")),),
    ),
]
