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
    bases = ("", "", "", f"{BASE}/", "http://other.example/fhir/")
    texts = st.tuples(
        st.sampled_from(bases),
        st.sampled_from(targets),
        st.sampled_from((*IDS, "9")),
        st.sampled_from(("", "", "/_history/1")),
    ).map(lambda parts: f"{parts[0]}{parts[1]}/{parts[2]}{parts[3]}")
    return st.one_of(_with({"reference": texts}), _with({"identifier": identifiers}))


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
        {},
        meta=_meta,
        status=codes,
        code=concepts,
        category=_some(concepts),
        subject=reference_to("Patient", "Group"),
        performer=_some(reference_to("Organization", "Patient")),
        hasMember=_some(reference_to("Observation")),
        component=_some(_parts),
        identifier=_some(identifiers),
    ),
    _values,
    _when,
)
patients = _with(
    {},
    meta=_meta,
    active=st.booleans(),
    gender=st.sampled_from(("female", "male")),
    birthDate=days,
    name=_some(_with({}, family=words, given=_some(words))),
    address=_some(_with({}, city=words, postalCode=codes)),
    telecom=_some(_with({"value": codes}, system=st.sampled_from(("email", "phone")))),
    identifier=_some(identifiers),
    managingOrganization=reference_to("Organization"),
    link=_some(_with({"other": reference_to("Patient")})),
)
organizations = _with(
    {},
    meta=_meta,
    name=words,
    identifier=_some(identifiers),
    type=_some(concepts),
    partOf=reference_to("Organization"),
)
assessments = _with(
    {},
    subject=reference_to("Patient"),
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
CONTENT = {
    "Observation": observations,
    "Patient": patients,
    "Organization": organizations,
    "RiskAssessment": assessments,
    "ValueSet": value_sets,
}


@st.composite
def resources(draw: st.DrawFn, ids: _S = _ids) -> Resource:
    """Return a resource of one of the types, observations and patients the most."""
    kind = draw(st.sampled_from(("Observation", "Observation", "Patient", "Patient", *CONTENT)))
    content: Resource = draw(CONTENT[kind])
    return {"resourceType": kind, "id": draw(ids), **content}
