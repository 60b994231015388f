"""FHIRPath Patch on a resource."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from fhir_server.conformance.definitions import definitions_in
from fhir_server.fhir.errors import BadRequest, FhirError
from fhir_server.fhir.fhirpath_patch import apply_fhirpath_patch
from fhir_server.fhir.json_patch import PatchFailed
from fhir_server.fhir.resource import Resource
from fhir_server.fhir.xml import parse_xml
from tests.support.data import ROOT, shared_data

DEFINITIONS = definitions_in(ROOT / "profiles" / "r4")
PATIENT: Resource = {
    "resourceType": "Patient",
    "id": "ada",
    "name": [
        {"use": "official", "family": "Lovelace", "given": ["Ada", "Augusta"]},
        {"use": "nickname", "given": ["Countess"], "_given": [{"id": "g1"}]},
    ],
    "birthDate": "1815-12-10",
    "deceasedBoolean": True,
    "contact": [{"gender": "male"}, {"gender": "female"}],
}


def part(name: str, **value: Any) -> dict[str, Any]:
    """Return a part: `part("path", valueString="Patient")`."""
    return {"name": name, **value}


def operation(kind: str, path: str, *parts: dict[str, Any]) -> dict[str, Any]:
    """Return one operation as a parameter."""
    start = [part("type", valueCode=kind), part("path", valueString=path)]
    return {"name": "operation", "part": [*start, *parts]}


def patched(*operations: dict[str, Any], resource: Resource = PATIENT) -> Resource:
    """Return the resource after the operations."""
    parameters = {"resourceType": "Parameters", "parameter": list(operations)}
    return apply_fhirpath_patch(resource, parameters, DEFINITIONS)


VALUE = part("value", valueString="x")
NEW = part("value", part=[part("gender", valueCode="other")])


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"name": "other"}, "parameter 0 is named 'other'"),
        ({"name": "operation"}, "operation 0: the part 'type' is missing"),
        (operation("remove", "Patient.name"), "'remove' is none of add, insert"),
        (operation("add", "Patient", VALUE), "'name' is missing"),
        (operation("add", "Patient", part("name", valueString="x")), "'value' is missing"),
        (operation("replace", "Patient.birthDate", part("value")), "either one value[x]"),
        (operation("replace", "Patient.id", VALUE, VALUE), "'value' is missing or there twice"),
        (operation("insert", "Patient.name", VALUE), "'index' is missing"),
        (operation("insert", "Patient.name", VALUE, part("index", valueInteger=-1)), "'index'"),
        (operation("insert", "Patient.name", VALUE, part("index", valueBoolean=True)), "'index'"),
        (operation("delete", "Patient.name["), "at column"),
        (operation("delete", "Patient.nope"), "Patient has no element 'nope'"),
        (operation("delete", "Person.name"), "the path begins with Person"),
        (operation("delete", "Patient.name.count()"), "has to end in an element"),
        (operation("delete", "'text'"), "has to end in an element"),
        (operation("delete", "Patient.name.where(text.matches('(a+)+b'))"), "matches() cannot"),
        (operation("delete", "Patient.name.where(%resource.active)"), "%resource cannot"),
        (operation("delete", "Patient.name is HumanName"), "has to end in an element"),
        ({"name": "operation", "part": "x"}, "`part` is a list of objects"),
        (
            operation("replace", "Patient.contact[0]", part("value", part=[{}])),
            "each part has a name",
        ),
        (operation("replace", "Patient.contained", part("value", resource={})), "names its type"),
        (operation("delete", "Patient.name.where(nope = 'x')"), "HumanName has no element"),
    ],
)
def test_a_malformed_patch_is_refused_naming_the_operation(bad: dict[str, Any], said: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        patched(bad)

    assert said in str(refusal.value)


def test_what_is_no_parameters_is_refused() -> None:
    with pytest.raises(BadRequest, match="a Parameters resource, not 'Patient'"):
        apply_fhirpath_patch(PATIENT, PATIENT, DEFINITIONS)


@pytest.mark.parametrize(
    ("failing", "said"),
    [
        (operation("replace", "Patient.gender", VALUE), "0 elements match"),
        (operation("replace", "Patient.name", VALUE), "2 elements match"),
        (operation("delete", "Patient.contact"), "only one can be deleted"),
        (operation("add", "Patient", part("name", valueString="nope"), VALUE), "no element 'nope'"),
        (
            operation("add", "Patient", part("name", valueString="birthDate"), VALUE),
            "use `replace`",
        ),
        (
            operation("add", "Patient", part("name", valueString="deceased"), VALUE),
            "cannot be a String",
        ),
        (operation("add", "Patient.gender", part("name", valueString="id"), VALUE), "0 elements"),
        (
            operation("insert", "Patient.contact", NEW, part("index", valueInteger=3)),
            "beyond the 2",
        ),
        (
            operation("insert", "Patient.name[0]", VALUE, part("index", valueInteger=0)),
            "whole list",
        ),
        (operation("insert", "Patient.birthDate", VALUE, part("index", valueInteger=0)), "no list"),
        (
            operation("insert", "Patient.link", VALUE, part("index", valueInteger=0)),
            "`add` makes one",
        ),
        (
            operation(
                "move",
                "Patient.name",
                part("source", valueInteger=0),
                part("destination", valueInteger=2),
            ),
            "the list has 2 items",
        ),
        (operation("replace", "Patient.name[0]", VALUE), "is a HumanName, not a String"),
        (operation("delete", "Patient"), "can only be added to"),
        (operation("delete", "Patient.id"), "cannot change the id"),
        (operation("replace", "Patient.id", VALUE), "cannot change the id"),
    ],
)
def test_a_patch_that_does_not_fit_the_resource_fails(failing: dict[str, Any], said: str) -> None:
    with pytest.raises(PatchFailed) as failure:
        patched(failing)

    assert said in str(failure.value)
    assert failure.value.status == 422


def test_parts_within_parts_have_an_end() -> None:
    value = part("value", part=[])
    for _ in range(40):
        value = part("value", part=[value])

    with pytest.raises(BadRequest, match="nested more than 32 deep"):
        patched(operation("replace", "Patient.contact[0]", value))


def test_the_failing_operation_is_named() -> None:
    with pytest.raises(PatchFailed, match=r"operation 1, path 'Patient.birthDate': 0 elements"):
        patched(
            operation("delete", "Patient.birthDate"),
            operation("replace", "Patient.birthDate", part("value", valueDate="1816")),
        )


def test_to_delete_what_is_not_there_changes_nothing() -> None:
    assert patched(operation("delete", "Patient.gender")) == PATIENT
    assert patched(operation("delete", "Patient.contact.where(gender = 'other')")) == PATIENT


@pytest.mark.parametrize(
    "path",
    [
        "Patient.name.where(use = 'official').given[1]",
        "Patient.name.where(use = 'official').given.last()",
        "Patient.name.first().given.where($this = 'Augusta')",
        "name[0].given.skip(1)",
        "Patient.name[0].given.where($index = 1).first()",
    ],
)
def test_a_path_may_choose_in_many_ways(path: str) -> None:
    result = patched(operation("delete", path))

    assert result["name"][0]["given"] == ["Ada"]


def test_a_path_may_choose_by_extension_and_type() -> None:
    resource = {
        "resourceType": "Patient",
        "extension": [{"url": "http://a.test", "valueString": "a"}, {"url": "http://b.test"}],
    }

    chosen = patched(
        operation("delete", "(Patient.extension('http://a.test').value as string)"),
        resource=resource,
    )

    assert chosen["extension"] == [{"url": "http://a.test"}, {"url": "http://b.test"}]


def test_a_choice_gets_the_name_of_its_type() -> None:
    replaced = patched(
        operation("replace", "Patient.deceased", part("value", valueDateTime="1852"))
    )
    observation = patched(
        operation(
            "add",
            "Observation",
            part("name", valueString="value"),
            part("value", valueQuantity={"value": Decimal("1.50")}),
        ),
        resource={"resourceType": "Observation", "id": "o"},
    )

    assert replaced["deceasedDateTime"] == "1852"
    assert "deceasedBoolean" not in replaced
    assert str(observation["valueQuantity"]["value"]) == "1.50"


def test_a_backbone_is_given_part_by_part() -> None:
    contact = part(
        "value",
        part=[
            part("name", valueHumanName={"family": "Byron"}),
            part("relationship", valueCodeableConcept={"text": "father"}),
            part("relationship", valueCodeableConcept={"text": "poet"}),
        ],
    )
    provision = part("value", part=[part("code", valueCodeableConcept={"text": "c"})])

    result = patched(operation("add", "Patient", part("name", valueString="contact"), contact))
    consent = patched(
        operation(
            "add",
            "Consent",
            part("name", valueString="provision"),
            part("value", part=[part("provision", part=provision["part"])]),
        ),
        resource={"resourceType": "Consent"},
    )

    assert result["contact"][2] == {
        "name": {"family": "Byron"},
        "relationship": [{"text": "father"}, {"text": "poet"}],
    }
    assert consent["provision"] == {"provision": [{"code": [{"text": "c"}]}]}


def test_a_primitive_can_be_given_an_extension() -> None:
    extension = part(
        "value",
        part=[part("url", valueUri="http://x.test"), part("value", valueTime="10:00:00")],
    )
    name = part("name", valueString="extension")
    expected = {"extension": [{"url": "http://x.test", "valueTime": "10:00:00"}]}

    single = patched(operation("add", "Patient.birthDate", name, extension))
    listed = patched(operation("add", "Patient.name[0].given[1]", name, extension))

    assert single["_birthDate"] == expected
    assert listed["name"][0]["_given"] == [None, expected]


def test_lists_of_primitives_keep_what_is_beside_them_in_place() -> None:
    result = patched(
        operation(
            "insert",
            "Patient.name[1].given",
            part("index", valueInteger=0),
            part("value", valueString="Dear"),
        ),
    )

    assert result["name"][1] == {
        "use": "nickname",
        "given": ["Dear", "Countess"],
        "_given": [None, {"id": "g1"}],
    }


def test_a_resource_can_be_added_to_a_bundle_and_to_contained() -> None:
    organization = {"resourceType": "Organization", "id": "gp"}
    contained = patched(
        operation(
            "add",
            "Patient",
            part("name", valueString="contained"),
            part("value", resource=organization),
        ),
        operation(
            "add",
            "Patient.contained[0]",
            part("name", valueString="name"),
            part("value", valueString="Practice"),
        ),
    )

    assert contained["contained"] == [{**organization, "name": "Practice"}]


def test_what_is_emptied_is_left_out() -> None:
    result = patched(
        operation("delete", "Patient.contact[0].gender"), operation("delete", "Patient.contact[0]")
    )

    assert result["contact"] == [{"gender": "female"}]
    assert patched(operation("delete", "Patient.contact[1].gender"))["contact"] == [
        {"gender": "male"}
    ]


def test_the_official_cases_pass() -> None:
    tree = etree.parse(shared_data() / "patch" / "fhir-patch-tests.xml")
    cases = list(tree.getroot().iter("case"))

    for case in cases:
        before, patch, after = (
            parse_xml(etree.tostring(resource), DEFINITIONS)
            for name in ("input", "diff", "output")
            for resource in case.iterfind(f"{name}/*")
        )
        assert apply_fhirpath_patch(before, patch, DEFINITIONS) == after, case.get("name")
    assert len(cases) == 17


PATHS = st.sampled_from(
    [
        "Patient",
        "Patient.name",
        "Patient.name[0].given",
        "Patient.birthDate",
        "Patient.deceased",
        "Patient.name[0]",
        "contact.last()",
    ]
)
KINDS = st.sampled_from(["add", "insert", "delete", "replace", "move"])
PARTS = st.lists(
    st.sampled_from(
        [
            VALUE,
            part("value", part=[part("gender", valueCode="male")]),
            part("value", valueHumanName={"given": "x", "period": [1]}),
            part("value", valueBoolean=[{}]),
            part("name", valueString="contact"),
            part("index", valueInteger=1),
            part("source", valueInteger=1),
            part("destination", valueInteger=0),
        ]
    ),
    max_size=4,
)


@given(
    st.lists(st.builds(lambda k, p, rest: operation(k, p, *rest), KINDS, PATHS, PARTS), max_size=4)
)
def test_the_given_resource_and_patch_never_change(operations: list[dict[str, Any]]) -> None:
    before, given_operations = copy.deepcopy(PATIENT), copy.deepcopy(operations)

    try:
        result = patched(*operations)
    except FhirError:
        result = before

    assert before == PATIENT
    assert given_operations == operations
    assert result["id"] == "ada"
