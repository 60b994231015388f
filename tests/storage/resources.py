"""Random small resources that refer to each other, of a few types that have parameters of every kind."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from fhir_server.fhir.resource import Resource
from tests.search.support import BASE

IDS = ("1", "2", "3")
SYSTEMS = ("http://a.example", "http://b.example")
CODES = ("a", "b", "a|b")
WORDS = ("Smith", "smithe", "SMÍTH", "O'Brien", "van der Berg", "Müller", "Straße", "x" * 200)
ADDRESSES = ("http://a.example/fhir/ValueSet/1", "http://a.example/fhir", "urn:oid:1.2.3")
DATES = (
    "2019", "2020", "2020-02", "2020-02-29", "2020-03-01", "2020-02-29T23:59:59Z",
    "2020-03-01T00:30:00+01:00", "2020-02-29T23:30:00.123Z", "1850-01-01",
)  # fmt: skip
NUMBERS = ("5", "5.0", "5.4", "0.005", "100", "-1", "0")
UCUM = "http://unitsofmeasure.org"

_S = st.SearchStrategy[Any]


def _some(each: _S, most: int = 2) -> _S:
    return st.lists(each, min_size=1, max_size=most)


def _with(required: dict[str, _S], **optional: _S) -> _S:
    return st.fixed_dictionaries(required, optional=optional)


def reference_to(*targets: str) -> _S:
    """Return references, relative or absolute, to a version, by identifier, or to what is not there."""
    bases = (*[""] * 6, f"{BASE}/", "http://other.example/fhir/")
    texts = st.tuples(
        st.sampled_from(bases),
        st.sampled_from(targets),
        st.sampled_from((*IDS, *IDS, "9")),
        st.sampled_from(("", "", "/_history/1")),
    ).map(lambda parts: f"{parts[0]}{parts[1]}/{parts[2]}{parts[3]}")
    references = _with({"reference": texts})
    return st.one_of(references, references, references, _with({"identifier": identifiers}))


_ids = st.sampled_from(IDS)
codes = st.sampled_from(CODES)
words = st.sampled_from(WORDS)
dates = st.sampled_from(DATES)
days = st.sampled_from([each for each in DATES if "T" not in each])
decimals = st.sampled_from(NUMBERS).map(Decimal)
codings = _with({"code": codes}, system=st.sampled_from(SYSTEMS))
concepts = _with({}, coding=_some(codings), text=words)
identifiers = _with(
    {"value": codes},
    system=st.sampled_from(SYSTEMS),
    type=_with({"coding": _some(codings, 1)}),
)
periods = _with({"start": days}, end=st.just("2021-01-01")) | _with({"end": days})
units = st.sampled_from(
    [
        {},
        {"unit": "mg"},
        {"unit": "milligram", "system": UCUM, "code": "mg"},
        {"system": UCUM, "code": "g"},
        {"system": "http://a.example", "code": "a"},
    ]
)
quantities = st.builds(
    lambda value, unit, how: {"value": value, **unit, **how},
    decimals,
    units,
    st.sampled_from([{}, {}, {}, {"comparator": "<"}, {"comparator": ">="}]),
)
ranges = _with({"low": st.builds(lambda v, u: {"value": v, **u}, decimals, units)})

_measured = {
    "valueQuantity": quantities,
    "valueCodeableConcept": concepts,
    "valueString": words,
    "valueDateTime": dates,
    "valuePeriod": periods,
}
_values: _S = st.one_of(st.just({}), *(_with({name: each}) for name, each in _measured.items()))
_parts: _S = st.builds(lambda code, value: {"code": code, **value}, concepts, _values)
_when: _S = st.one_of(
    st.just({}), _with({"effectiveDateTime": dates}), _with({"effectivePeriod": periods})
)
_meta = _with({}, tag=_some(codings, 1), profile=st.lists(st.sampled_from(ADDRESSES), max_size=1))

observations = st.builds(
    lambda content, value, when: {**content, **value, **when},
    _with(
        {"subject": reference_to("Patient", "Patient", "Patient", "Group"), "code": concepts},
        meta=_meta,
        status=codes,
        category=_some(concepts),
        performer=_some(reference_to("Organization", "Patient")),
        hasMember=_some(reference_to("Observation")),
        component=_some(_parts),
        identifier=_some(identifiers),
    ),
    _values,
    _when,
)
patients = _with(
    {"managingOrganization": reference_to("Organization")},
    meta=_meta,
    active=st.booleans(),
    gender=st.sampled_from(("female", "male")),
    birthDate=days,
    name=_some(_with({}, family=words, given=_some(words))),
    address=_some(_with({}, city=words, postalCode=codes)),
    telecom=_some(_with({"value": codes}, system=st.sampled_from(("email", "phone")))),
    identifier=_some(identifiers),
    link=_some(_with({"other": reference_to("Patient")})),
)
organizations = _with(
    {"name": words, "partOf": reference_to("Organization")},
    meta=_meta,
    identifier=_some(identifiers),
    type=_some(concepts),
)
assessments = _with(
    {"subject": reference_to("Patient")},
    occurrenceDateTime=dates,
    prediction=_some(
        _with({"probabilityDecimal": decimals}) | _with({"probabilityRange": ranges}), 1
    ),
)
value_sets = _with(
    {},
    url=st.sampled_from(ADDRESSES),
    version=codes,
    date=dates,
    title=words,
    useContext=_some(
        st.builds(
            lambda coding, value: {"code": coding, **value},
            codings,
            _with({"valueQuantity": quantities}) | _with({"valueCodeableConcept": concepts}),
        )
    ),
)
USES = "http://terminology.hl7.org/CodeSystem/list-example-use-codes"
lists = _with(
    {
        "status": st.sampled_from(("current", "current", "retired")),
        "mode": st.sampled_from(("working", "working", "snapshot")),
        "code": st.just({"coding": [{"system": USES, "code": "problems"}]}) | concepts,
        "subject": reference_to("Patient"),
        "entry": _some(
            _with(
                {"item": reference_to(*["Observation"] * 3, "Patient", "Organization", "Location")},
                deleted=st.booleans(),
            ),
            5,
        ),
    },
)
locations = _with(
    {"partOf": reference_to("Location")},
    name=words,
    managingOrganization=reference_to("Organization"),
    position=st.sampled_from(
        [
            {"latitude": Decimal("54.0"), "longitude": Decimal("-1.9")},
            {"latitude": Decimal("54.1"), "longitude": Decimal("-1.9")},
            {"latitude": Decimal("-33.9"), "longitude": Decimal("151.2")},
        ]
    ),
)
CONTENT = {
    "Observation": observations,
    "Patient": patients,
    "Organization": organizations,
    "RiskAssessment": assessments,
    "ValueSet": value_sets,
    "List": lists,
    "Location": locations,
}


@st.composite
def resources(draw: st.DrawFn, ids: _S = _ids) -> Resource:
    """Return a resource of one of the types, observations and patients the most."""
    kind = draw(
        st.sampled_from(("Observation", "Observation", "Patient", "Patient", "List", *CONTENT))
    )
    content: Resource = draw(CONTENT[kind])
    return {"resourceType": kind, "id": draw(ids), **content}


def _a(kind: str, logical_id: str, **elements: Any) -> Resource:
    return {"resourceType": kind, "id": logical_id, **elements}


def _to(reference: str) -> Resource:
    return {"reference": reference}


CONNECTED = [
    _a("Organization", "1", name="Smith", partOf=_to("Organization/3"), identifier=[{"value": "a"}]),
    _a("Organization", "3", name="van der Berg"),
    _a("Location", "1", name="Smith", partOf=_to("Location/3"), managingOrganization=_to("Organization/1")),
    _a("Location", "3", name="Müller", position={"latitude": Decimal(54), "longitude": Decimal("-1.9")}),
    _a(
        "Patient", "1", name=[{"family": "van der Berg", "given": ["O'Brien"]}], gender="female",
        managingOrganization=_to("Organization/1"), link=[{"other": _to("Patient/3")}],
        identifier=[{"system": SYSTEMS[0], "value": "a", "type": {"coding": [{"system": SYSTEMS[0], "code": "a"}]}}],
    ),
    _a("Patient", "3", name=[{"family": "Smith"}], birthDate="2020-02-29"),
    _a(
        "Observation", "1", status="a", code={"coding": [{"code": "a"}], "text": "Smith"}, subject=_to("Patient/1"),
        performer=[_to("Organization/1")], hasMember=[_to("Observation/3")], effectiveDateTime="2020-02-29",
        identifier=[{"value": "a"}],
    ),
    _a("Observation", "3", status="b", code={"coding": [{"code": "b"}]}, subject={"identifier": {"value": "a"}}),
    _a("RiskAssessment", "1", subject=_to("Patient/1"), occurrenceDateTime="2020-03-01"),
    _a(
        "List", "1", status="current", mode="working", code={"coding": [{"system": USES, "code": "problems"}]},
        subject=_to("Patient/1"),
        entry=[{"item": _to(each)} for each in ("Observation/1", "Patient/1", "Organization/1", "Location/1")],
    ),
]  # fmt: skip
"""Resources that refer to each other by each reference that is followed."""
