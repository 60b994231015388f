"""The index record of a resource."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from decimal import Decimal

import pytest

from fhir_server.fhir.errors import TooLarge
from fhir_server.fhir.resource import Resource
from fhir_server.search.indexing import MOST_ENTRIES, Extractor
from fhir_server.search.record import NO_DATE, Range, packed, posted_terms, unpacked
from tests.search.cases import a
from tests.search.support import BASE, DEFINITIONS, EXTRACTOR, micros, record_of
from tests.support.data import package, shared_data


def decoded(text: str | bytes) -> Resource:
    resource: Resource = json.loads(text, parse_float=Decimal)
    return resource


def examples() -> Iterator[Resource]:
    with tarfile.open(package("hl7.fhir.r4.examples-4.0.1.tgz")) as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is None or not member.name.endswith(".json") or "/.index" in member.name:
                continue
            resource = decoded(file.read())
            if resource.get("resourceType") in DEFINITIONS.resource_types:
                yield resource


def records() -> Iterator[Resource]:
    for path in sorted((shared_data() / "records").glob("*.ndjson")):
        with path.open("rb") as lines:
            yield from map(decoded, lines)


def test_a_resource_with_too_many_entries_is_refused() -> None:
    crowd = [{"family": f"name {number}"} for number in range(MOST_ENTRIES)]

    with pytest.raises(TooLarge, match="this Patient could be found by"):
        record_of(a("Patient", name=crowd))


BOB = {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "999 000 0026"}


@pytest.mark.parametrize(
    ("resource", "named"),
    [
        (a("Observation", subject={"identifier": BOB}), ("9990000026",)),
        (a("Observation", focus=[{"reference": "Patient/ada"}, {"identifier": BOB}]), ("9990000026",)),
        (a("Observation", contained=[a("Patient", identifier=[BOB])]), ("9990000026",)),
        (a("RelatedPerson", patient={"reference": "Patient/ada"}, identifier=[BOB]), ("9990000026",)),
        (a("Patient", link=[{"other": {"identifier": BOB}, "type": "seealso"}]), ("9990000026",)),
        (a("Patient", identifier=[BOB]), ()),
        (a("Observation", subject={"identifier": BOB | {"value": "9990000027"}}), ()),
        (a("Observation", subject={"identifier": BOB | {"system": "urn:mrn"}}), ()),
        (a("Observation", subject={"identifier": {"system": BOB["system"]}}), ()),
    ],
)  # fmt: skip
def test_whom_a_resource_names_by_an_nhs_number_is_told(
    resource: Resource, named: tuple[str, ...]
) -> None:
    """All but who a Patient says to be itself, and what is nobody's number."""
    assert record_of(resource).named == named


def test_what_a_list_has_is_counted_once() -> None:
    items = [{"item": {"reference": f"Patient/{each}"}} for each in range(MOST_ENTRIES - 100)]

    found = record_of(a("List", entry=items))

    assert len([each for each in found.terms if each.startswith("_list>")]) == len(items)
    with pytest.raises(TooLarge, match="the index takes"):
        record_of(
            a(
                "List",
                entry=[*items, *({"item": {"reference": f"Group/{each}"}} for each in range(101))],
            )
        )


def test_contained_resources_are_indexed_inside_their_container() -> None:
    medicine = {"resourceType": "Medication", "id": "m", "code": {"coding": [{"code": "x"}]}}
    strange = {"resourceType": "Nonsense", "id": "n"}

    found = record_of(
        a(
            "MedicationRequest",
            contained=[medicine, strange],
            medicationReference={"reference": "#m"},
            subject={"reference": "#"},
        )
    )

    assert [(kind, each.id, each.terms) for kind, each in found.contained] == [
        ("Medication", "#m", ("code=x\x1f",))
    ]
    assert found.terms == ("medication<", "medication<m")
    assert posted_terms(found) == ["medication<"]


def test_a_resource_without_anything_has_an_empty_record() -> None:
    found = record_of({"resourceType": "Observation"})

    assert (found.id, found.terms, found.ranges, found.present) == ("", (), (), ())
    assert (found.primary, found.compartments, found.mentions) == (NO_DATE, (), ())


def test_terms_and_ranges_are_sorted_and_unique() -> None:
    found = record_of(
        a(
            "Patient",
            name=[{"family": "B", "given": ["A", "A"]}, {"family": "B"}],
            birthDate="2000-01-01",
        )
    )

    assert list(found.terms) == sorted(set(found.terms))
    assert [each for each in found.terms if each.startswith("family")] == ["family!B", "family^b"]
    assert found.ranges == (
        Range(
            "birthdate",
            micros("2000-01-01T00:00:00+00:00"),
            micros("2000-01-02T00:00:00+00:00") - 1,
        ),
    )


def test_keys_in_another_order_make_the_same_record() -> None:
    one = a("Patient", name=[{"family": "A"}], birthDate="2000-01-01", gender="male")
    other = dict(reversed(one.items()))

    assert record_of(one) == record_of(other) == Extractor(DEFINITIONS).extract(one)


def test_what_is_present_is_about_elements() -> None:
    found = record_of(
        a(
            "Observation",
            code={"text": "no code"},
            _status={"extension": []},
            valueQuantity={"value": 1},
        )
    )

    assert {"code", "combo-code", "value-quantity", "combo-value-quantity"} <= set(found.present)
    assert "status" not in found.present
    assert "code-value-quantity" in found.present


@pytest.mark.parametrize(
    ("resource", "primary"),
    [
        (
            a(
                "Observation",
                effectiveDateTime="2020-01-01T00:00:00Z",
                issued="2021-01-01T00:00:00Z",
            ),
            "2020-01-01",
        ),
        (
            a("Observation", effectivePeriod={"start": "2020-01-01", "end": "2021-01-01"}),
            "2020-01-01",
        ),
        (a("Condition", recordedDate="2021-01-01", onsetDateTime="2020-01-01"), "2020-01-01"),
        (a("Condition", recordedDate="2020-01-01", onsetString="long ago"), "2020-01-01"),
        (a("Immunization", occurrenceDateTime="2020-01-01", recorded="2021-01-01"), "2020-01-01"),
        (a("MedicationRequest", authoredOn="2020-01-01"), "2020-01-01"),
        (a("Slot", start="2020-01-01T00:00:00Z", end="2020-02-01T00:00:00Z"), "2020-01-01"),
        (a("Encounter", period={"start": "2020-01-01"}), "2020-01-01"),
    ],
)
def test_the_primary_date_is_when_it_happened(resource: Resource, primary: str) -> None:
    assert record_of(resource).primary == micros(f"{primary}T00:00:00+00:00")


@pytest.mark.parametrize(
    "resource",
    [
        a("Patient", birthDate="2000-01-01", deceasedDateTime="2020-01-01"),
        a("Encounter", period={"end": "2020-01-01"}),
        a("Observation", effectiveInstant=None),
    ],
)
def test_neither_birth_nor_an_open_beginning_is_a_primary_date(resource: Resource) -> None:
    assert record_of(resource).primary == NO_DATE


def test_compartments_are_those_of_the_definition() -> None:
    found = record_of(
        a(
            "Observation",
            subject={"reference": "Patient/1"},
            performer=[
                {"reference": f"{BASE}/Patient/2/_history/3"},
                {"reference": "Practitioner/9"},
            ],
            focus=[{"reference": "Patient/4"}],
            note=[{"authorReference": {"reference": "Patient/5"}}],
        )
    )

    assert found.compartments == ("1", "2")
    assert found.mentions == ("1", "2", "4", "5")


def test_a_patient_is_in_its_own_compartment_whatever_it_is_linked_to() -> None:
    found = record_of(a("Patient", link=[{"type": "seealso", "other": {"reference": "Patient/2"}}]))

    assert found.compartments == ("ada",)
    assert found.mentions == ("2", "ada")


def test_patients_of_other_servers_are_not_mentioned() -> None:
    found = record_of(a("Observation", subject={"reference": "http://other.org/fhir/Patient/1"}))

    assert (found.compartments, found.mentions) == ((), ())


def test_mentions_are_found_in_contained_resources_and_extensions() -> None:
    found = record_of(
        a(
            "Basic",
            contained=[{"resourceType": "Basic", "subject": {"reference": "Patient/1"}}],
            extension=[{"url": "urn:x", "valueReference": {"reference": "Patient/2"}}],
        )
    )

    assert found.mentions == ("1", "2")


def test_parameters_that_others_cover_have_no_entries_of_their_own() -> None:
    found = record_of(a("Observation", code={"coding": [{"code": "x"}]}))

    assert not [each for each in found.terms if each.startswith("combo-")]


def test_extensions_are_found_by_their_values() -> None:
    url = "http://hl7.org/fhir/StructureDefinition/patient-extensions-Patient-mothersMaidenName"
    found = record_of(a("Patient", extension=[{"url": url, "valueString": "King"}]))

    assert "mothersMaidenName^king" in found.terms


@pytest.mark.parametrize("value", ["1e50000", "-1e50000", "1e-50000", "1" * 300])
def test_numbers_beyond_the_index_are_kept_at_its_ends(value: str) -> None:
    found = record_of(a("Observation", valueQuantity={"value": Decimal(value)}))

    assert [each.axis for each in found.ranges] == ["value-quantity\x1f"]


def test_a_record_survives_being_kept() -> None:
    for resource in list(records())[::50]:
        found = record_of(resource)

        assert unpacked(packed(found)) == found


def test_every_record_of_others_can_be_indexed() -> None:
    count = 0
    for resource in records():
        found = record_of(resource)
        count += 1

        assert found.id == resource["id"]
        assert found.terms

    assert count > 6_000


def test_every_official_example_can_be_indexed_the_same_each_time() -> None:
    fresh = Extractor(DEFINITIONS, base_url=BASE)
    count = 0
    for resource in examples():
        found = EXTRACTOR.extract(resource)
        count += 1

        assert fresh.extract(dict(reversed(resource.items()))) == found
        assert all(each.low <= each.high for each in found.ranges)  # type: ignore[operator]

    assert count > 5_000
