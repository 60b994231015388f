"""The code systems and codes that the synthetic data uses, as FHIR codings.

SNOMED CT codes are a handful of UK Edition codes; https://hl7.org/fhir/R4/terminologies-systems.html lists the systems.
"""

from __future__ import annotations

from decimal import Decimal

from fhir_server.fhir.resource import Resource

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
HL7 = "http://terminology.hl7.org/CodeSystem"
UK_CORE = "https://fhir.hl7.org.uk"
NHS = "https://fhir.nhs.uk"
PLATFORM = "https://example.org/fdp"
"""The base of this platform's own code systems and extensions."""

NHS_NUMBER = f"{NHS}/Id/nhs-number"
ODS_ORGANISATION = f"{NHS}/Id/ods-organization-code"
ODS_SITE = f"{NHS}/Id/ods-site-code"
SDS_USER = f"{NHS}/Id/sds-user-id"
GTIN = "https://www.gs1.org/gtin"
ODS_ROLE = (
    "https://digital.nhs.uk/services/organisation-data-service/CodeSystem/ODSOrganisationRole"
)
SPECIALTY = f"{UK_CORE}/CodeSystem/UKCore-PracticeSettingCode"
ETHNICITY = f"{UK_CORE}/CodeSystem/UKCore-EthnicCategoryEngland"
VERIFICATION = f"{UK_CORE}/CodeSystem/UKCore-NHSNumberVerificationStatusEngland"


def coding(system: str, code: str, display: str) -> Resource:
    """Return a Coding."""
    return {"system": system, "code": code, "display": display}


def concept(system: str, code: str, display: str) -> Resource:
    """Return a CodeableConcept of one coding."""
    return {"coding": [coding(system, code, display)]}


def snomed(code: str, display: str) -> Resource:
    """Return a CodeableConcept of one SNOMED CT code."""
    return concept(SNOMED, code, display)


def measured(code: str, loinc: str, display: str) -> Resource:
    """Return what is measured, in SNOMED CT and in LOINC."""
    return {"coding": [coding(SNOMED, code, display), coding(LOINC, loinc, display)]}


def quantity(value: Decimal | int, unit: str, code: str | None = None) -> Resource:
    """Return a Quantity in a UCUM unit; `code` where it differs from how people write the unit."""
    return {"value": value, "unit": unit, "system": UCUM, "code": code or unit}


def identifier(system: str, value: str) -> Resource:
    """Return an Identifier."""
    return {"system": system, "value": value}


def reference(resource_type: str, logical_id: str, display: str | None = None) -> Resource:
    """Return a literal Reference."""
    target = {"reference": f"{resource_type}/{logical_id}"}
    return target if display is None else {**target, "display": display}


def uk_core(name: str, value: Resource) -> Resource:
    """Return a UK Core extension whose value is a CodeableConcept."""
    url = f"{UK_CORE}/StructureDefinition/Extension-UKCore-{name}"
    return {"url": url, "valueCodeableConcept": value}


def own_extension(name: str, **value: object) -> Resource:
    """Return an extension of this platform; its one keyword is the value: valueDate, valueCoding."""
    return {"url": f"{PLATFORM}/StructureDefinition/{name}", **value}


BED_STATUS = {
    code: coding(f"{HL7}/v2-0116", code, display)
    for code, display in (
        ("O", "Occupied"),
        ("U", "Unoccupied"),
        ("H", "Housekeeping"),
        ("K", "Contaminated"),
        ("I", "Isolated"),
        ("C", "Closed"),
    )
}

PHYSICAL_TYPE = {
    code: concept(f"{HL7}/location-physical-type", code, display)
    for code, display in (
        ("si", "Site"),
        ("wa", "Ward"),
        ("ro", "Room"),
        ("bd", "Bed"),
        ("ho", "House"),
        ("vi", "Virtual"),
    )
}

HOSPITAL = concept(f"{HL7}/v3-RoleCode", "HOSP", "Hospital")
UNIT = concept(f"{HL7}/v3-RoleCode", "HU", "Hospital unit")
INTENSIVE_CARE = concept(f"{HL7}/v3-RoleCode", "ICU", "Intensive care unit")
CARE_HOME = concept(f"{HL7}/v3-RoleCode", "NCCF", "Nursing or custodial care facility")
COMMUNITY = concept(f"{HL7}/v3-RoleCode", "COMM", "Community Location")
THEATRE = snomed("225738002", "Operating theatre")
BED = snomed("229772003", "Bed")

HBA1C = measured("999791000000106", "59261-8", "Haemoglobin A1c level - IFCC standardised")
BLOOD_PRESSURE = measured("75367002", "85354-9", "Blood pressure")
SYSTOLIC = measured("72313002", "8480-6", "Systolic arterial pressure")
DIASTOLIC = measured("1091811000000102", "8462-4", "Diastolic arterial pressure")
WEIGHT = measured("27113001", "29463-7", "Body weight")
FOOT_CHECK = snomed("401191002", "Diabetic foot examination")
TYPE_2_DIABETES = snomed("44054006", "Type 2 diabetes mellitus")
TYPE_1_DIABETES = snomed("46635009", "Type 1 diabetes mellitus")

VITAL_SIGNS = concept(f"{HL7}/observation-category", "vital-signs", "Vital Signs")
LABORATORY = concept(f"{HL7}/observation-category", "laboratory", "Laboratory")
EXAM = concept(f"{HL7}/observation-category", "exam", "Exam")

ORTHOPAEDICS = concept(SPECIALTY, "110", "Trauma and Orthopaedic Service")
OPHTHALMOLOGY = concept(SPECIALTY, "130", "Ophthalmology Service")
GENERAL_SURGERY = concept(SPECIALTY, "100", "General Surgery Service")
DIABETES = concept(SPECIALTY, "302", "Endocrinology and Diabetes Service")
GENERAL_PRACTICE = concept(SPECIALTY, "600", "General Practice Service")
