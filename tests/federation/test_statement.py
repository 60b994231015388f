"""The statement of a hub says of each parameter who answers it."""

from __future__ import annotations

from fhir_server.federation.members import Capabilities
from fhir_server.federation.statement import SUPPORT, told_by_member
from fhir_server.fhir.resource import Resource

MEMBERS = {
    "all": Capabilities({"Patient": frozenset({"name", "birthdate", "_filter"})}),
    "some": Capabilities({"Patient": frozenset({"name", "colour"})}),
    "none": Capabilities({"Slot": frozenset({"start"})}),
}
STATEMENT: Resource = {
    "resourceType": "CapabilityStatement",
    "rest": [
        {
            "resource": [
                {
                    "type": "Patient",
                    "searchParam": [
                        {"name": each} for each in ("name", "birthdate", "_filter", "_id")
                    ],
                }
            ]
        }
    ],
}


def parameters() -> dict[str, Resource]:
    told = told_by_member(STATEMENT, MEMBERS)
    return {each["name"]: each for each in told["rest"][0]["resource"][0]["searchParam"]}


def test_what_all_answer_themselves_needs_no_words() -> None:
    assert parameters()["name"] == {"name": "name"}
    assert parameters()["_id"] == {"name": "_id"}


def test_what_the_hub_looks_at_is_marked_by_member_and_said_in_words() -> None:
    told = parameters()["birthdate"]
    assert told["extension"] == [
        {
            "url": SUPPORT,
            "extension": [
                {"url": "member", "valueString": "some"},
                {"url": "answeredBy", "valueCode": "hub"},
            ],
        }
    ]
    assert told["documentation"].startswith(
        "Answered by all. This server looks at it on what some answer"
    )


def test_what_nobody_has_to_declare_counts_where_the_self_link_has_it() -> None:
    told = parameters()["_filter"]
    assert told["extension"][0]["extension"][1] == {"url": "answeredBy", "valueCode": "self-link"}
    assert "Asked of some" in told["documentation"]


def test_who_searches_a_type_is_said_and_what_is_declared_in_vain() -> None:
    (patient,) = told_by_member(STATEMENT, MEMBERS)["rest"][0]["resource"]
    assert patient["documentation"] == (
        "Searched at all, some. Members declare parameters that are not served here: colour."
    )


def test_nothing_else_is_changed() -> None:
    assert STATEMENT["rest"][0]["resource"][0]["searchParam"][1] == {"name": "birthdate"}
