"""Stock, requests and deliveries: gloves, bed pans, blood and vaccines, moving between store, wards and clinic.

R4 has no stock resource: a count is an Observation of a Location. https://hl7.org/fhir/R4/supplydelivery.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from fhir_server.demonstration.codes import (
    GTIN,
    HL7,
    PLATFORM,
    concept,
    identifier,
    own_extension,
    reference,
)
from fhir_server.demonstration.identifiers import gtin
from fhir_server.demonstration.immunisation import COVID, FLU, MMR, Vaccine, batch
from fhir_server.demonstration.moments import at, days_before
from fhir_server.demonstration.organisations import SUPPLIER
from fhir_server.demonstration.places import clinic, store
from fhir_server.demonstration.trust import WARDS, Trust
from fhir_server.fhir.resource import Resource

_STOCK = concept(f"{PLATFORM}/CodeSystem/obs-category", "stock", "Stock")
_ON_HAND = concept(f"{PLATFORM}/CodeSystem/stock", "stock-on-hand", "Stock on hand")
_ITEM = concept(f"{PLATFORM}/CodeSystem/stock", "item", "Item")
_LOT = concept(f"{PLATFORM}/CodeSystem/stock", "lot", "Lot number")
_EXPIRY = concept(f"{PLATFORM}/CodeSystem/stock", "expiry", "Expiry date")
_WARD_STOCK = concept(f"{HL7}/supplyrequest-reason", "ward-stock", "Ward Stock")
_CENTRAL = concept(f"{HL7}/supply-kind", "central", "Central Supply")
_DEVICE = concept(f"{HL7}/supply-item-type", "device", "Device")
_MEDICATION = concept(f"{HL7}/supply-item-type", "medication", "Medication")


@dataclass(frozen=True, slots=True)
class Item:
    """Something that is stocked and moved, counted in its base unit."""

    key: str
    code: Resource
    unit: str
    vaccine: Vaccine | None = None


def _goods(number: int, name: str) -> Resource:
    return concept(GTIN, gtin(number), name)


GLOVES = Item("gloves", _goods(1, "Examination gloves, nitrile, medium"), "each")
BED_PANS = Item("bed-pans", _goods(2, "Disposable bed pan"), "each")
BLOOD = Item("red-cells", _goods(3, "Red cells, O RhD negative, adult unit"), "unit")
VACCINES = tuple(
    Item(f"{vaccine.key}-vaccine", vaccine.product, "dose", vaccine)
    for vaccine in (FLU, COVID, MMR)
)


@dataclass(frozen=True, slots=True)
class Movement:
    """So much of an item on its way from one location to another."""

    number: int
    item: Item
    amount: int
    source: str
    destination: str
    status: str
    days_ago: int


def supply(trust: Trust) -> Iterator[Resource]:
    """Yield this morning's counts, then requests, each with its delivery once it has been sent."""
    draw = trust.dice("supply")
    yield from _counts(trust, draw)
    for movement in _movements(trust, draw):
        yield _request(trust, movement)
        if movement.status != "requested":
            yield _delivery(trust, movement)


def _counts(trust: Trust, draw: Random) -> Iterator[Resource]:
    # The first ward has run out of what the second, in the same building, has too many of.
    bed_pans = [0, 140, *(draw.randint(10, 40) for _ in range(WARDS - 2))]
    for number, amount in enumerate(bed_pans, 1):
        yield _count(trust, trust.ward(number), GLOVES, draw.randint(40, 600))
        yield _count(trust, trust.ward(number), BED_PANS, amount)
    yield _count(trust, store(trust), GLOVES, draw.randint(4000, 9000))
    yield _count(trust, store(trust), BLOOD, draw.randint(8, 30))
    for item in VACCINES:
        yield _count(trust, clinic(trust), item, draw.randint(15, 220))


def _movements(trust: Trust, draw: Random) -> Iterator[Movement]:
    wards = [trust.ward(number) for number in range(1, WARDS + 1)]
    items = (GLOVES, BED_PANS, BLOOD, *VACCINES)
    for number in range(1, 41):
        item = draw.choice(items)
        destination = clinic(trust) if item.vaccine else draw.choice(wards)
        status = draw.choices(
            ("completed", "in-progress", "requested", "abandoned"), (60, 20, 15, 5)
        )[0]
        amount = draw.randint(2, 8) if item is BLOOD else 10 * draw.randint(1, 40)
        days_ago = draw.randint(2, 30) if status == "completed" else draw.randint(0, 2)
        yield Movement(number, item, amount, store(trust), destination, status, days_ago)


def _count(trust: Trust, location: str, item: Item, amount: int) -> Resource:
    component: list[Resource] = [{"code": _ITEM, "valueCodeableConcept": item.code}]
    if item.vaccine is not None:
        lot, expires = batch(trust, item.vaccine, trust.today)
        component += [
            {"code": _LOT, "valueString": lot},
            {"code": _EXPIRY, "valueDateTime": expires.isoformat()},
        ]
    return {
        "resourceType": "Observation",
        "id": f"stock-{location}-{item.key}",
        "status": "final",
        "category": [_STOCK],
        "code": _ON_HAND,
        "subject": reference("Location", location),
        "effectiveDateTime": at(trust.today, 8),
        "performer": [trust.itself],
        "valueQuantity": {"value": amount, "unit": item.unit},
        "component": component,
    }


def _request(trust: Trust, movement: Movement) -> Resource:
    sent = movement.status != "requested"
    return {
        "resourceType": "SupplyRequest",
        "id": f"supply-request-{trust.number}-{movement.number}",
        "status": "completed" if movement.status == "completed" else "active",
        "category": _CENTRAL,
        "priority": "routine" if sent else "urgent",
        "itemCodeableConcept": movement.item.code,
        "quantity": {"value": movement.amount, "unit": movement.item.unit},
        "authoredOn": at(days_before(trust.today, movement.days_ago + 1), 7, 30),
        "requester": trust.itself,
        "supplier": [reference("Organization", SUPPLIER)],
        "reasonCode": [_WARD_STOCK],
        "deliverFrom": reference("Location", movement.source),
        "deliverTo": reference("Location", movement.destination),
    }


def _delivery(trust: Trust, movement: Movement) -> Resource:
    key = f"supply-delivery-{trust.number}-{movement.number}"
    return {
        "resourceType": "SupplyDelivery",
        "id": key,
        "extension": [
            own_extension(
                "supply-source-location", valueReference=reference("Location", movement.source)
            )
        ],
        "identifier": [identifier(f"https://{trust.id}.example/deliveries", key)],
        "basedOn": [reference("SupplyRequest", f"supply-request-{trust.number}-{movement.number}")],
        "status": movement.status,
        "type": _MEDICATION if movement.item.vaccine else _DEVICE,
        "suppliedItem": {
            "quantity": {"value": movement.amount, "unit": movement.item.unit},
            "itemCodeableConcept": movement.item.code,
        },
        "occurrenceDateTime": at(days_before(trust.today, movement.days_ago), 11),
        "supplier": reference("Organization", SUPPLIER),
        "destination": reference("Location", movement.destination),
    }
