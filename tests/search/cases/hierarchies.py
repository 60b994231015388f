"""Searching hierarchies: https://hl7.org/fhir/R4/search.html#recursive."""

from typing import Any

from fhir_server.fhir.resource import Resource
from tests.search.cases import Rule, a

BASE = "http://example.org/fhir"


def part(kind: str, logical_id: str, whole: str | None = None, **more: Any) -> Resource:
    """Return a resource that is part of another of its type."""
    found = a(kind, **more) | {"id": logical_id}
    return found if whole is None else found | {"partOf": {"reference": f"{kind}/{whole}"}}


HOSPITAL = (
    part("Location", "hospital"),
    part("Location", "wing", "hospital"),
    part("Location", "ward", "wing"),
    part("Location", "bed", "ward"),
    part("Location", "clinic"),
)
CIRCLE = (part("Location", "a", "c"), part("Location", "b", "a"), part("Location", "c", "b"))


def at(place: str) -> Resource:
    return a("Procedure", location={"reference": f"Location/{place}"})


RULES = [
    Rule(
        "Procedure?location:below=42 returns all procedures that occurred at location with id 42",
        at("wing"),
        ("location:below=wing", "location:below=Location/wing", "location:above=wing"),
        ("location:below=ward", "location:below=clinic", "location:below=nowhere"),
        HOSPITAL,
    ),
    Rule(
        "… but also any procedures that occurred in locations that are part of location with id 42",
        at("bed"),
        (
            "location:below=ward",
            "location:below=hospital",
            "location:below=clinic,wing",
            f"location:below={BASE}/Location/hospital",
            "location:below=hospital&location:below=ward",
        ),
        ("location=ward", "location:above=ward", "location:below=clinic,nowhere"),
        HOSPITAL,
    ),
    Rule(
        "… or during any parent encounter of that encounter",
        at("wing"),
        ("location:above=bed", "location:above=ward", "location:above=wing"),
        ("location:above=hospital", "location:above=clinic", "location:above=nowhere"),
        HOSPITAL,
    ),
    Rule(
        "MedicationAdministration?encounter:above=21",
        a("MedicationAdministration", context={"reference": "Encounter/20"}),
        ("context:above=Encounter/21", "context:below=Encounter/19", "context:below=20"),
        ("context:above=Encounter/19", "context:below=Encounter/21"),
        (part("Encounter", "19"), part("Encounter", "20", "19"), part("Encounter", "21", "20")),
    ),
    Rule(
        "The reference points to another resource of the same type",
        part("Location", "ada", "ward"),
        ("partof:below=ward", "partof:below=hospital", "partof:above=bed", "partof:above=ward"),
        ("partof:below=ada", "partof:below=bed", "partof:above=wing", "partof:below=clinic"),
        HOSPITAL,
    ),
    Rule(
        "A hierarchy is searched transitively at the end of a chain as well",
        a("Slot", schedule={"reference": "Schedule/s"}),
        (
            "schedule.actor:below=Location/hospital",
            "schedule.actor:Location.partof:below=Location/hospital",
            "schedule.actor:Location.partof:below=wing",
        ),
        (
            "schedule.actor:Location.partof:below=ward",
            "schedule.actor:Location.partof:above=hospital",
            "schedule.actor:below=Location/clinic",
        ),
        (*HOSPITAL, a("Schedule", actor=[{"reference": "Location/ward"}]) | {"id": "s"}),
    ),
    Rule(
        "References of this kind may be circular, and the search ends all the same",
        at("a"),
        ("location:below=a", "location:below=b", "location:below=c", "location:above=b"),
        ("location:below=hospital", "location:above=hospital"),
        (*HOSPITAL, *CIRCLE),
    ),
    Rule(
        "A specimen is part of its parents, which may be several",
        a("Observation", specimen={"reference": "Specimen/drop"}),
        ("specimen:below=blood", "specimen:below=pool"),
        ("specimen:below=urine",),
        (
            a("Specimen") | {"id": "blood"},
            a("Specimen") | {"id": "urine"},
            a("Specimen", parent=[{"reference": "Specimen/blood"}, {"reference": "Specimen/pool"}])
            | {"id": "drop"},
        ),
    ),
    Rule(
        "What a plan replaces is a way of its own",
        a("CarePlan", replaces=[{"reference": "CarePlan/2"}]),
        ("replaces:below=1", "replaces:below=2", "replaces:above=3"),
        ("part-of:below=1", "replaces:above=1"),
        (
            a("CarePlan", replaces=[{"reference": "CarePlan/1"}]) | {"id": "2"},
            a("CarePlan", replaces=[{"reference": "CarePlan/2"}]) | {"id": "3"},
        ),
    ),
    Rule(
        "What cannot be found ends the way",
        at("bed"),
        ("location:below=ward",),
        ("location:below=hospital",),
        (part("Location", "hospital"), part("Location", "bed", "ward")),
    ),
]
