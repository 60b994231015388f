"""Where care happens: the tree of sites, wards, bays, beds, theatres, care homes and virtual wards.

https://hl7.org/fhir/R4/location.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from fhir_server.demonstration import words
from fhir_server.demonstration.codes import (
    BED,
    BED_STATUS,
    CARE_HOME,
    COMMUNITY,
    HOSPITAL,
    INTENSIVE_CARE,
    ODS_SITE,
    PHYSICAL_TYPE,
    THEATRE,
    UNIT,
    identifier,
    reference,
)
from fhir_server.demonstration.organisations import care_provider
from fhir_server.demonstration.people import person
from fhir_server.demonstration.trust import THEATRES, Trust
from fhir_server.fhir.resource import Resource

_HOSPITAL_SITE, _CLINIC_SITE, _HOME_SITES = 1, 2, 90
_BAYS = "ab"
_BEDS_PER_BAY = 4
_HOME_BEDS = 6
_VIRTUAL_PLACES = 8
_STATUS_WEIGHTS = {"O": 66, "U": 22, "H": 4, "K": 3, "I": 3, "C": 2}


@dataclass(frozen=True, slots=True)
class Place:
    """A bed, or a place on a virtual ward: what it is part of, how it stands and who is in it."""

    id: str
    name: str
    parent: str
    physical_type: str
    organisation: str
    site: int
    status: str = "U"
    patient: int | None = None


def locations(trust: Trust) -> Iterator[Resource]:
    """Yield the trust's locations, each after what it is part of."""
    yield from _sites(trust)
    yield from _wards(trust)
    for number in range(1, THEATRES + 1):
        room = _location(theatre(trust, number), f"Theatre {number}", THEATRE, "ro")
        yield room | _within(trust, hospital(trust))
    for place in places(trust):
        yield _place(trust, place)


def hospital(trust: Trust) -> str:
    """Return the id of the trust's hospital site."""
    return f"site-{trust.number}"


def clinic(trust: Trust) -> str:
    """Return the id of the trust's community clinic."""
    return f"clinic-{trust.number}"


def store(trust: Trust) -> str:
    """Return the id of the trust's central store."""
    return f"store-{trust.number}"


def virtual_ward(trust: Trust) -> str:
    """Return the id of the trust's virtual ward."""
    return f"virtual-ward-{trust.number}"


def theatre(trust: Trust, number: int) -> str:
    """Return the id of the trust's n-th theatre, from 1."""
    return trust.numbered("theatre", number, THEATRES)


def places(trust: Trust) -> list[Place]:
    """Return the beds and virtual places; adults only, half of the patients at most, nobody twice."""
    draw = trust.dice("places")
    chosen = draw.sample(trust.patients, k=len(trust.patients) // 2)
    patients = iter([each for each in chosen if person(trust, each).adult])
    found = []
    for place in _layout(trust):
        status = draw.choices(list(_STATUS_WEIGHTS), list(_STATUS_WEIGHTS.values()))[0]
        patient = next(patients, None) if status == "O" else None
        if status == "O" and patient is None:
            status = "U"
        found.append(replace(place, status=status, patient=patient))
    return found


def _layout(trust: Trust) -> Iterator[Place]:
    for number, name in enumerate(words.WARDS, 1):
        for bay in _BAYS:
            room = _bay(trust, number, bay)
            for bed in range(1, _BEDS_PER_BAY + 1):
                title = f"{name} bay {bay.upper()} bed {bed}"
                key = f"{room.replace('bay', 'bed')}-{bed}"
                yield Place(key, title, room, "bd", trust.id, _HOSPITAL_SITE)
    for number, name in enumerate(words.CARE_HOMES, 1):
        home, site, provider = _care_home(trust, number), _HOME_SITES + number, care_provider(trust)
        for bed in range(1, _HOME_BEDS + 1):
            yield Place(f"{home}-bed-{bed}", f"{name} bed {bed}", home, "bd", provider, site)
    ward = virtual_ward(trust)
    for place in range(1, _VIRTUAL_PLACES + 1):
        title = f"Virtual ward place {place}"
        yield Place(f"{ward}-place-{place}", title, ward, "vi", trust.id, _HOSPITAL_SITE)


def _sites(trust: Trust) -> Iterator[Resource]:
    general = _location(hospital(trust), f"{trust.name} General Hospital", HOSPITAL, "si")
    yield general | _at(trust, _HOSPITAL_SITE, trust.id)
    community = _location(clinic(trust), f"{trust.name} Community Clinic", COMMUNITY, "si")
    yield community | _at(trust, _CLINIC_SITE, trust.id)
    for number, name in enumerate(words.CARE_HOMES, 1):
        home = _location(_care_home(trust, number), f"{name}, {trust.name}", CARE_HOME, "ho")
        yield home | _at(trust, _HOME_SITES + number, care_provider(trust))


def _wards(trust: Trust) -> Iterator[Resource]:
    within = _within(trust, hospital(trust))
    for number, name in enumerate(words.WARDS, 1):
        ward = trust.ward(number)
        kind = INTENSIVE_CARE if name == "Critical Care" else UNIT
        yield _location(ward, f"{name} Ward", kind, "wa") | within
        for bay in _BAYS:
            room = _location(_bay(trust, number, bay), f"{name} bay {bay.upper()}", UNIT, "ro")
            yield room | _within(trust, ward)
    yield _location(virtual_ward(trust), f"{trust.name} Virtual Ward", UNIT, "vi") | within
    yield _location(store(trust), f"{trust.name} Central Store", UNIT, "ro") | within


def _place(trust: Trust, place: Place) -> Resource:
    kind = BED if place.physical_type == "bd" else UNIT
    return _location(place.id, place.name, kind, place.physical_type) | {
        "operationalStatus": BED_STATUS[place.status],
        "position": _position(trust, place.site),
        "managingOrganization": reference("Organization", place.organisation),
        "partOf": reference("Location", place.parent),
    }


def _location(logical_id: str, name: str, kind: Resource, physical: str) -> Resource:
    return {
        "resourceType": "Location",
        "id": logical_id,
        "status": "active",
        "name": name,
        "mode": "instance",
        "type": [kind],
        "physicalType": PHYSICAL_TYPE[physical],
    }


def _at(trust: Trust, site: int, organisation: str) -> Resource:
    street = words.STREETS[site % len(words.STREETS)]
    town = words.TOWNS[site % len(words.TOWNS)]
    return {
        "identifier": [identifier(ODS_SITE, trust.site_code(site))],
        "address": {"line": [f"1 {street} Road"], "city": town, "postalCode": trust.postcode(site)},
        "position": _position(trust, site),
        "managingOrganization": reference("Organization", organisation),
    }


def _within(trust: Trust, parent: str) -> Resource:
    return {
        "position": _position(trust, _HOSPITAL_SITE),
        "managingOrganization": reference("Organization", trust.id),
        "partOf": reference("Location", parent),
    }


def _position(trust: Trust, site: int) -> Resource:
    # A made-up moor: trusts lie to the east of each other, the sites of a trust to the north.
    return {
        "longitude": Decimal("-1.900") + Decimal("0.150") * trust.number,
        "latitude": Decimal("54.000") + Decimal("0.002") * site,
    }


def _bay(trust: Trust, ward: int, bay: str) -> str:
    return f"{trust.ward(ward).replace('ward', 'bay')}-{bay}"


def _care_home(trust: Trust, number: int) -> str:
    return trust.numbered("care-home", number, len(words.CARE_HOMES))
