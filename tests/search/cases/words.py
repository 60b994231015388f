"""Words in narratives and in all text: https://hl7.org/fhir/R4/search.html#content."""

from fhir_server.fhir.resource import Resource
from tests.search.cases import Rule, a


def narrated(div: str, **elements: object) -> Resource:
    text = {
        "status": "generated",
        "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{div}</div>',
    }
    return a("Condition", text=text, **elements)


BONE = narrated("<p>Metastases of the <b>bone</b></p>")
LIVER = narrated("<p>Liver: no metastases</p>")
LUNG = narrated("<p>Lung, clear</p>")
EXAMPLE = "_text=(bone OR liver) and metastases"

RULES = [
    Rule(
        "_text=(bone OR liver) and metastases: the word metastases and either bone or liver",
        BONE,
        (EXAMPLE, "_text=bone", "_text=bone metastases", "_text=METASTASES AND BONE"),
        ("_text=liver", "_text=bone and liver", "_text=metastas", "_text=xhtml", "_text=p"),
    ),
    Rule(
        "_text=(bone OR liver) and metastases: or liver, too",
        LIVER,
        (EXAMPLE, "_text=bone or liver", "_text=liver not bone", "_text=not (bone or lung)"),
        ("_text=bone", "_text=not liver", "_text=metastases not (liver or bone)"),
    ),
    Rule(
        "_text=(bone OR liver) and metastases: neither is not enough",
        LUNG,
        ("_text=lung", "_text=NOT bone", "_text=not not lung", "_text=bone or not liver"),
        (EXAMPLE, "_text=lung metastases", "_text=not lung", "_text=bone or not lung"),
    ),
    Rule(
        "AND binds before OR",
        LUNG,
        ("_text=lung or bone and liver", "_text=bone and liver or lung"),
        ("_text=(lung or bone) and liver", "_text=bone and (liver or lung)"),
    ),
    Rule(
        "Quoted words stand one after the other, whatever is between them",
        narrated("<p>Chest x-ray,<br/>first of two</p>"),
        ('_text="chest x ray"', "_text=x-ray", '_text="ray first"', '_text=two "first of"'),
        ('_text="ray chest"', '_text="chest ray"', "_text=xray", '_text="x-ray first two"'),
    ),
    Rule(
        "In quotes an operator is a word",
        narrated("<p>To be or not to be</p>"),
        ('_text="or not"', '_text="not" "or" "be"', '_text="NOT to"'),
        ('_text="and"', "_text=be and not to"),
    ),
    Rule(
        "Commas are alternatives",
        BONE,
        ("_text=liver,bone", "_text=liver,bone and metastases", "_text=x,not liver"),
        ("_text=liver,lung", "_text=liver,not bone"),
    ),
    Rule(
        "Repeated parameters must all hold",
        BONE,
        ("_text=bone&_text=metastases", "_text=bone&_content=of"),
        ("_text=bone&_text=liver",),
    ),
    Rule(
        "Case, accents and punctuation are not significant, as for strings",
        narrated("<p>M&uuml;ller&#8217;s <i>K&#xF6;rper</i>chen: 37&#xB0;C</p>"),
        ("_text=muller", "_text=MÜLLER", "_text=korperchen", "_text=37 c", "_text=müller's"),
        ("_text=mueller", "_text=korper", "_text=uuml"),
    ),
    Rule(
        "_text: the narrative of the resource alone",
        narrated("<p>Seen</p>", code={"text": "Asthma"}, note=[{"text": "Wheezing at night"}]),
        ("_text=seen", "_content=seen", "_content=asthma wheezing", "_content=seen asthma"),
        ("_text=asthma", "_text=seen asthma", "_text=generated"),
    ),
    Rule(
        "A resource without narrative has no words there",
        a("Condition", code={"text": "Asthma"}),
        ("_text=not asthma", "_content=asthma"),
        ("_text=asthma",),
    ),
    Rule(
        "_content: the entire content, of each element however deep",
        a(
            "Patient",
            name=[{"family": "Chalmers", "given": ["Peter", "James"]}],
            contained=[{"resourceType": "Organization", "id": "o", "name": "Acme Hospital"}],
            extension=[{"url": "http://x.org/faith", "valueString": "Quaker"}],
            gender="male",
        ),
        ("_content=chalmers quaker", "_content=acme", "_content=male", '_content="acme hospital"'),
        ("_content=female", "_content=acm"),
    ),
    Rule(
        "_content: a phrase is within one string",
        a("Patient", name=[{"family": "Chalmers", "given": ["Peter", "James"]}]),
        ("_content=peter james", '_content="peter" "james"'),
        ('_content="peter james"', '_content="chalmers peter"'),
    ),
    Rule(
        "_content: what is no text is left out: ids, references, URLs, dates, binary data",
        a(
            "DocumentReference",
            subject={"reference": "Patient/grace"},
            identifier=[{"system": "http://acme.org/documents", "value": "D-17"}],
            date="2024-06-01T10:00:00Z",
            content=[{"attachment": {"data": "aGVsbG8=", "url": "notes/hopper", "title": "Hello"}}],
        ),
        ("_content=hello", "_content=d-17"),
        (
            "_content=ada",
            "_content=grace",
            "_content=acme",
            "_content=2024",
            "_content=agvsbg8",
            "_content=hopper",
            "_content=documentreference",
        ),
    ),
]
