"""Places nearby: https://hl7.org/fhir/R4/location.html#search."""

from decimal import Decimal

from fhir_server.fhir.resource import Resource
from tests.search.cases import Rule, a


def at(latitude: str, longitude: str) -> Resource:
    position = {"latitude": Decimal(latitude), "longitude": Decimal(longitude)}
    return a("Location", status="active", position=position)


# 222.4 m north of 54.000, and 0.138 miles.
HOSPITAL = at("54.002", "-1.900")

RULES = [
    Rule(
        "near finds what is within a distance of [latitude]|[longitude]|[distance]|[units]",
        HOSPITAL,
        (
            "near=54.000|-1.900|0.223|km",
            "near=54|-1.9|223|m",
            "near=54|-1.9|0.14|[mi_i]",
            "near=54|-1.9|0.14|[mi_us]",
            "near=54|-1.9|0.13|[nmi_i]",
            "near=54.002|-1.9|0|m",
            "near=51.5|-0.12|310|km",
        ),
        (
            "near=54.000|-1.900|0.222|km",
            "near=54|-1.9|222|m",
            "near=54|-1.9|0.138|[mi_i]",
            "near=54.001|-1.9|0|m",
            "near=51.5|-0.12|250|km",
            "near=-54.002|-1.9|5|km",
            "near=54.002|1.9|5|km",
        ),
    ),
    Rule(
        "If the units are omitted, then kms should be assumed",
        HOSPITAL,
        ("near=54|-1.9|0.223", "near=54|-1.9|0.223|"),
        ("near=54|-1.9|0.222",),
    ),
    Rule(
        "If the distance is omitted, then the server can use its own discretion (and units are irrelevant)",
        HOSPITAL,
        ("near=54.040|-1.900", "near=54.040|-1.900||", "near=54.040|-1.900||m"),
        ("near=54.050|-1.900", "near=54.050|-1.900||"),
    ),
    Rule(
        "Commas are alternatives, repetition is both",
        HOSPITAL,
        ("near=0|0|1,54|-1.9|1", "near=54|-1.9|1&near=54.004|-1.9|1", "_filter=near eq 54|-1.9|1"),
        ("near=0|0|1,1|1|1", "near=54|-1.9|1&near=0|0|1", "_filter=not (near eq 54|-1.9|1)"),
    ),
    Rule(
        "The distance is the same across the antimeridian",
        at("-16.8", "179.999"),
        ("near=-16.8|-179.999|0.3", "near=-16.8|180|0.15", "near=-16.8|-180|0.15"),
        ("near=-16.8|-179.999|0.2", "near=-16.8|180|0.1"),
    ),
    Rule(
        "The distance is the same across a pole",
        at("89.999", "0"),
        ("near=89.999|180|0.3", "near=90|90|0.12"),
        ("near=89.999|180|0.2", "near=90|90|0.1", "near=-89.999|0|1"),
    ),
    Rule(
        "A location without a position is near nothing; :missing asks for it",
        a("Location", status="active"),
        ("near:missing=true", "_filter=near pr false"),
        ("near=0|0|20100", "near:missing=false"),
    ),
    Rule(
        "near:missing=false: there is a position",
        HOSPITAL,
        ("near:missing=false", "near=0|0|20100"),
        ("near:missing=true",),
    ),
]
