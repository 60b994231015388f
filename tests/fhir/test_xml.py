"""The XML form: what is refused, and both ways by example."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.conformance.definitions import Definitions
from fhir_server.fhir.errors import BadSyntax, NotAcceptable
from fhir_server.fhir.json import Limits, dump, parse_resource
from fhir_server.fhir.resource import Resource
from fhir_server.fhir.xml import parse_xml, to_xml

R4 = Definitions(Path(__file__).resolve().parents[2] / "profiles" / "r4")
DIV = (
    '<div xmlns="http://www.w3.org/1999/xhtml"><p title=\'a "b" >\'>1 &lt; 2 &#160;<br/></p></div>'
)

PATIENT_XML = f"""<?xml version="1.0" encoding="UTF-8"?>
<!-- dropped --><?also dropped?>
<Patient xmlns="http://hl7.org/fhir" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    xsi:schemaLocation="http://hl7.org/fhir ../patient.xsd">
  <id value="ada"/>
  <text>
    <status value="generated"/>
    {DIV}
  </text>
  <contained>
    <Organization>
      <id value="o1"/>
      <active value="false"/>
    </Organization>
  </contained>
  <extension url="http://e/weight">
    <valueQuantity>
      <value value="1.00"/>
    </valueQuantity>
  </extension>
  <active value="true"/>
  <name id="n1">
    <family value="A &amp; &quot;B&quot; &lt;&#10;&#9;é"/>
    <given value="Ada"/>
    <given>
      <extension url="http://e/absent">
        <valueCode value="unknown"/>
      </extension>
    </given>
    <given id="g3" value="May"/>
  </name>
  <birthDate>
    <extension url="http://e/x">
      <extension url="inner">
        <valueInteger value="3"/>
      </extension>
    </extension>
  </birthDate>
  <multipleBirthInteger value="2"/>
</Patient>
""".encode()

PATIENT: Resource = parse_resource(
    dump(
        {
            "resourceType": "Patient",
            "id": "ada",
            "text": {"status": "generated", "div": DIV},
            "contained": [{"resourceType": "Organization", "id": "o1", "active": False}],
            "extension": [{"url": "http://e/weight", "valueQuantity": {"value": "WEIGHT"}}],
            "active": True,
            "name": [
                {
                    "id": "n1",
                    "family": 'A & "B" <\n\té',
                    "given": ["Ada", None, "May"],
                    "_given": [
                        None,
                        {"extension": [{"url": "http://e/absent", "valueCode": "unknown"}]},
                        {"id": "g3"},
                    ],
                }
            ],
            "_birthDate": {
                "extension": [
                    {"url": "http://e/x", "extension": [{"url": "inner", "valueInteger": 3}]}
                ]
            },
            "multipleBirthInteger": 2,
        }
    ).replace(b'"WEIGHT"', b"1.00")
)


def xml(content: str, root: str = "Patient", attributes: str = "") -> bytes:
    return f'<{root} xmlns="http://hl7.org/fhir"{attributes}>{content}</{root}>'.encode()


def narrative(div: str) -> bytes:
    return xml(f'<text><status value="generated"/>{div}</text>')


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"),
        (b"  ", "empty"),
        (b'{"resourceType":"Patient"}', "malformed"),
        (xml("<name>"), "malformed: mismatched tag: line 1"),
        (xml("") + xml(""), "malformed: junk after document element"),
        (xml('<id value="&nope;"/>'), "undefined entity"),
        (xml('<id value="&#1;"/>'), "malformed"),
        (xml('<id value="&#xd800;"/>'), "malformed"),
        (xml('<id value="\x01"/>'), "malformed"),
        (xml('<id value="a"/>').replace(b'"a"', b'"\xff"'), "malformed"),
        (xml("").decode().encode("utf-16"), "UTF-16"),
        (b'<?xml version="1.0" encoding="latin-1"?>' + xml(""), "declares latin-1"),
        (b"<Patient/>", 'namespace ""'),
        (b'<Patient xmlns="urn:hl7-org:v3"/>', 'namespace "urn:hl7-org:v3"'),
        (xml("", root="Person2"), "Person2 is not a resource type"),
        (xml("", root="HumanName"), "HumanName is not a resource type"),
        (xml("", root="DomainResource"), "DomainResource is not a resource type"),
        (xml("", attributes=' colour="red"'), 'attribute "colour"'),
    ],
)
def test_what_is_no_xml_of_a_resource_is_refused_with_the_reason(body: bytes, said: str) -> None:
    with pytest.raises(BadSyntax, match=said):
        parse_xml(body, R4)


@pytest.mark.parametrize(
    "declaration",
    [
        "<!DOCTYPE Patient>",
        '<!DOCTYPE Patient SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE Patient [<!ENTITY a "b">]>',
        '<!DOCTYPE Patient [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
    ],
)
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-7", "cp037"]
)
def test_a_doctype_is_refused_in_any_encoding(declaration: str, encoding: str) -> None:
    document = f'<?xml version="1.0" encoding="{encoding}"?>{declaration}{xml("").decode()}'

    with pytest.raises(BadSyntax):
        parse_xml(document.encode(encoding), R4)


@pytest.mark.parametrize(
    ("content", "said", "place"),
    [
        ("<colour/>", "colour is not an element of Patient", "Patient.colour"),
        (
            '<name><use value="a"/><first/></name>',
            "not an element of HumanName",
            "Patient.name[0].first",
        ),
        ('<name/><name><given value="a"/><b/></name>', "HumanName", "Patient.name[1].b"),
        ("<contact><party/></contact>", "element of Patient.contact", "Patient.contact[0].party"),
        ('<id xmlns="urn:x" value="a"/>', 'in the namespace "urn:x"', "Patient.id"),
        (
            '<gender value="male"/><active value="true"/>',
            "active comes before gender",
            "Patient.active",
        ),
        ('<gender value="male"/><gender value="male"/>', "appears twice", "Patient.gender"),
        ("<name/><telecom/><name/>", "name comes before telecom", "Patient.name[0]"),
        (
            '<deceasedBoolean value="true"/><deceasedDateTime value="2020"/>',
            "deceasedBoolean excludes it",
            "Patient.deceasedDateTime",
        ),
        ('<active value="yes"/>', "'yes' is not true or false", "Patient.active"),
        ('<multipleBirthInteger value="1.0"/>', "not an integer", "Patient.multipleBirthInteger"),
        ('<active value="true" lang="en"/>', 'attribute "lang"', "Patient.active"),
        ('<name value="Ada"/>', 'attribute "value"', "Patient.name[0]"),
        ("<active/>", "neither a value nor an extension", "Patient.active"),
        ('<active value="true"><b/></active>', "not an element of Element", "Patient.active.b"),
        ("<name>\xa0</name>", "text between the elements", "Patient.name[0]"),
        ("<name>Ada</name>", "text between the elements", "Patient.name[0]"),
        ('<active value="true">yes</active>', "text between the elements", "Patient.active"),
        ("<contained/>", "contained holds no resource", "Patient.contained"),
        (
            "<contained><Basic/><Basic/></contained>",
            "more than one resource",
            "Patient.contained[0]",
        ),
        ("<contained><name/></contained>", "name is not a resource type", None),
        ('<contained id="c"><Basic/></contained>', 'attribute "id"', "Patient.contained"),
    ],
)
def test_what_breaks_the_rules_of_the_form_is_refused_with_its_place(
    content: str, said: str, place: str | None
) -> None:
    with pytest.raises(BadSyntax, match=said) as refusal:
        parse_xml(xml(content), R4)

    assert refusal.value.expression == place


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("1,5", "not a decimal"),
        ("01", "not a decimal"),
        (" 1", "not a decimal"),
        ("٣", "not a decimal"),
        ("1" * 101, "more than 100 digits"),
        ("1e999", "out of range"),
    ],
)
def test_a_value_that_is_no_decimal_is_refused(value: str, said: str) -> None:
    content = f'<valueQuantity><value value="{value}"/></valueQuantity>'

    with pytest.raises(BadSyntax, match=said) as refusal:
        parse_xml(xml(content, root="Observation"), R4)

    assert refusal.value.expression == "Observation.valueQuantity.value"


@pytest.mark.parametrize(
    ("div", "said"),
    [
        ("<div>no namespace</div>", "div is not an element of Narrative"),
        ('<h:div xmlns:h="http://www.w3.org/1999/xhtml">x</h:div>', "does not begin with <div"),
        ('<p xmlns="http://www.w3.org/1999/xhtml">x</p>', "p in the namespace"),
    ],
)
def test_a_narrative_that_cannot_stand_by_itself_is_refused(div: str, said: str) -> None:
    with pytest.raises(BadSyntax, match=said):
        parse_xml(narrative(div), R4)


def test_a_narrative_that_borrows_its_namespace_is_refused() -> None:
    body = (
        '<f:Patient xmlns:f="http://hl7.org/fhir" xmlns="http://www.w3.org/1999/xhtml">'
        '<f:text><f:status value="generated"/><div>x</div></f:text></f:Patient>'
    )

    with pytest.raises(BadSyntax, match="does not declare xmlns") as refusal:
        parse_xml(body.encode(), R4)

    assert refusal.value.expression == "Patient.text.div"


def test_what_nests_too_deep_is_refused() -> None:
    deep = '<extension url="a">' * 100 + "</extension>" * 100

    with pytest.raises(BadSyntax, match="deeper than 64"):
        parse_xml(xml(deep), R4)
    with pytest.raises(BadSyntax, match="deeper than 3"):
        parse_xml(PATIENT_XML, R4, limits=Limits(depth=3))


def test_a_document_is_read_into_its_json_form() -> None:
    found = parse_xml(PATIENT_XML, R4)

    assert dump(found) == dump(PATIENT)


def test_a_resource_is_written_in_the_order_of_the_definitions() -> None:
    shuffled = dict(reversed(PATIENT.items()))

    written = to_xml(shuffled, R4, pretty=True)

    # What only a document has: comments, instructions, and where its schema is.
    expected = re.sub(rb"<!--.*\n| xmlns:xsi=[^>]*", b"", PATIENT_XML)
    assert written == expected.rstrip()


def test_the_compact_form_has_no_white_space_between_elements() -> None:
    written = to_xml({"resourceType": "Patient", "name": [{"given": ["A", "B"]}]}, R4)

    assert written.decode() == (
        '<?xml version="1.0" encoding="UTF-8"?><Patient xmlns="http://hl7.org/fhir">'
        '<name><given value="A"/><given value="B"/></name></Patient>'
    )


def test_a_prefix_for_fhirs_namespace_makes_no_difference() -> None:
    body = b'<f:Patient xmlns:f="http://hl7.org/fhir"><f:id value="a"/></f:Patient>'

    assert parse_xml(body, R4) == {"resourceType": "Patient", "id": "a"}


@pytest.mark.parametrize(
    "div",
    [
        '<div xmlns="http://www.w3.org/1999/xhtml"/>',
        '<div title="/>" xmlns="http://www.w3.org/1999/xhtml" />',
        "<div xmlns='http://www.w3.org/1999/xhtml' title='\">'><br></br></div >",
        '<div xmlns="http://www.w3.org/1999/xhtml"><!-- > --><div>é<p/></div></div>',
        '<div xmlns="http://www.w3.org/1999/xhtml"><![CDATA[</div>]]></div>',
    ],
)
def test_a_narrative_stays_the_text_it_was(div: str) -> None:
    found = parse_xml(b"\xef\xbb\xbf" + narrative(div), R4)

    assert found["text"]["div"] == div
    assert parse_xml(to_xml(found, R4), R4) == found


@pytest.mark.parametrize(
    ("content", "member"),
    [
        ('<given><extension url="a"/></given>', {"_given": [{"extension": [{"url": "a"}]}]}),
        (
            '<given id="1" value="A"><extension url="a"/></given>',
            {"given": ["A"], "_given": [{"id": "1", "extension": [{"url": "a"}]}]},
        ),
        (
            '<given id="1"/><given value="B"/>',
            {"given": [None, "B"], "_given": [{"id": "1"}, None]},
        ),
        (
            '<given value="A"/><given value="B" id="2"/><given value="C"/>',
            {"given": ["A", "B", "C"], "_given": [None, {"id": "2"}, None]},
        ),
    ],
)
def test_the_two_arrays_of_a_repeating_primitive_are_in_step(
    content: str, member: dict[str, Any]
) -> None:
    found = parse_xml(xml(f"<name>{content}</name>"), R4)

    assert found["name"] == [member]
    assert parse_xml(to_xml(found, R4), R4) == found


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        ({}, "None is not a resource type"),
        ({"resourceType": "Nothing"}, "Nothing is not a resource type"),
        ({"resourceType": "Patient", "colour": 1}, "Patient.colour: R4 has no such element"),
        ({"resourceType": "Patient", "_name": [{}]}, "Patient._name: R4 has no such element"),
        ({"resourceType": "Patient", "name": {}}, "Patient.name: it is not an array"),
        ({"resourceType": "Patient", "name": ["Ada"]}, "Patient.name: it is not an object"),
        ({"resourceType": "Patient", "maritalStatus": []}, "maritalStatus: it is not an object"),
        ({"resourceType": "Patient", "active": {}}, "Patient.active: it is not a primitive"),
        ({"resourceType": "Patient", "active": None}, "Patient.active: it has no value"),
        ({"resourceType": "Patient", "_active": "a"}, "Patient._active: it is not an object"),
        (
            {"resourceType": "Patient", "name": [{"given": "A"}]},
            "HumanName.given: it is not an arr",
        ),
        ({"resourceType": "Patient", "name": [{"id": 1}]}, "HumanName.id: it is not text"),
        ({"resourceType": "Patient", "gender": "a\x00"}, r"cannot hold the character U\+0000"),
        ({"resourceType": "Patient", "gender": "a\ud800"}, r"cannot hold the character U\+D800"),
        ({"resourceType": "Patient", "gender": "a\uffff"}, r"cannot hold the character U\+FFFF"),
        ({"resourceType": "Patient", "contained": [{}]}, "None is not a resource type"),
        ({"resourceType": "Patient", "contained": [1]}, "None is not a resource type"),
        ({"resourceType": "Patient", "text": {"div": 1}}, "Narrative.div: it is not text"),
        ({"resourceType": "Patient", "text": {"div": "<p/>"}}, "does not begin with <div"),
        ({"resourceType": "Patient", "text": {"div": "<div/>"}}, "does not declare xmlns"),
        ({"resourceType": "Patient", "text": {"div": "<div>&nbsp;</div>"}}, "not well-formed"),
        ({"resourceType": "Patient", "text": {"div": "<div>\ud800</div>"}}, "not well-formed"),
        ({"resourceType": "Patient", "text": {"div": f"{DIV}<script/>"}}, "not well-formed"),
    ],
)
def test_what_has_no_xml_form_is_refused_not_left_out(resource: Resource, said: str) -> None:
    with pytest.raises(NotAcceptable, match=said):
        to_xml(resource, R4)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1))
def test_any_text_that_xml_can_hold_comes_back(text: str) -> None:
    patient: Resource = {"resourceType": "Patient", "name": [{"id": text, "family": text}]}
    try:
        written = to_xml(patient, R4)
    except NotAcceptable:
        assert re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", text)
        return

    assert parse_xml(written, R4) == patient


@given(
    st.integers(0, len(PATIENT_XML)),
    st.integers(0, 40),
    st.sampled_from([*"<>&\"'/= \0\xff!", ""]),
)
def test_a_damaged_document_is_read_or_refused(at: int, length: int, by: str) -> None:
    body = PATIENT_XML[:at] + by.encode("latin-1") + PATIENT_XML[at + length :]
    try:
        found = parse_xml(body, R4)
    except BadSyntax:
        return

    assert parse_xml(to_xml(found, R4), R4) == found
