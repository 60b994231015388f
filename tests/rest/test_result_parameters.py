"""What the parameters of the result do, and what is asked without them: https://hl7.org/fhir/R4/search.html#return.

Each parameter that the parser reads must have a row here, so that a new one cannot come without.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import httpx2 as httpx
import pytest

from fhir_server.search.reading import READERS

TAG = "http://example.org/result-parameters"
ORGANIZATION: dict[str, Any] = {"resourceType": "Organization", "id": "rp-org", "name": "Ward"}
PATIENTS: list[dict[str, Any]] = [
    {
        "resourceType": "Patient",
        "id": f"rp-{name}",
        "name": [{"family": name}],
        "birthDate": birth_date,
        "maritalStatus": {"text": "unknown to a summary"},
        "managingOrganization": {"reference": "Organization/rp-org"},
    }
    for name, birth_date in (("ada", "1815"), ("eve", "1980"), ("bob", "1950"))
]
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "rp-obs",
    "status": "final",
    "code": {"text": "weight"},
    "subject": {"reference": "Patient/rp-ada"},
    "contained": [
        {
            "resourceType": "Practitioner",
            "id": "rp-doc",
            "meta": {"tag": [{"system": TAG, "code": "x"}]},
            "name": [{"family": "May"}],
            "gender": "female",
        }
    ],
    "performer": [{"reference": "#rp-doc"}],
}


class Asked(NamedTuple):
    """A search, and what it gives: matches in order, what is included, the total, elements of each match."""

    query: str
    matches: tuple[str, ...]
    included: tuple[str, ...] = ()
    total: int | None = None
    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


BY_NAME = ("rp-ada", "rp-bob", "rp-eve")
ALL = ("rp-bob", "rp-eve", "rp-ada")
"""Without an order: none has a date of something that happened, and the latest created comes first."""

WITH: dict[str, list[Asked]] = {
    "_count": [
        Asked("Patient?_count=2", ALL[:2]),
        Asked("Patient?_count=0", (), total=3),
        Asked("Patient?_count=99999999999999999999", ALL, total=3),
    ],
    "_sort": [
        Asked("Patient?_sort=family", BY_NAME, total=3),
        Asked("Patient?_sort=-family", BY_NAME[::-1], total=3),
        Asked("Patient?_sort=birthdate", ("rp-ada", "rp-bob", "rp-eve"), total=3),
        Asked("Patient?_sort=gender,-birthdate", ("rp-eve", "rp-bob", "rp-ada"), total=3),
    ],
    "_total": [
        Asked("Patient?_count=1&_total=accurate", ALL[:1], total=3),
        Asked("Patient?_count=1&_total=estimate", ALL[:1], total=3),
        Asked("Patient?_count=1&_total=none", ALL[:1]),
    ],
    "_summary": [
        Asked("Patient?_summary=true", ALL, total=3, has=("name",), lacks=("maritalStatus",)),
        Asked("Patient?_summary=false", ALL, total=3, has=("name", "maritalStatus")),
        Asked(
            "Patient?_summary=data", ALL, total=3, has=("name", "maritalStatus"), lacks=("text",)
        ),
        Asked("Patient?_summary=text", ALL, total=3, lacks=("name", "maritalStatus")),
        Asked("Patient?_summary=count", (), total=3),
    ],
    "_elements": [
        Asked("Patient?_elements=name", ALL, total=3, has=("name",), lacks=("birthDate",)),
        Asked("Patient?_elements=name,birthDate", ALL, total=3, has=("name", "birthDate")),
    ],
    "_include": [
        Asked("Patient?_include=Patient:organization", ALL, ("rp-org",), total=3),
        Asked("Patient?_include=*", ALL, ("rp-org",), total=3),
        Asked("Observation?_include=Observation:subject", ("rp-obs",), ("rp-ada",), total=1),
    ],
    "_include:iterate": [
        Asked(
            "Observation?_include=Observation:subject&_include:iterate=Patient:organization",
            ("rp-obs",),
            ("rp-ada", "rp-org"),
            total=1,
        ),
    ],
    "_revinclude": [
        Asked("Patient?_revinclude=Observation:subject", ALL, ("rp-obs",), total=3),
        Asked("Patient?_revinclude=Observation:*", ALL, ("rp-obs",), total=3),
    ],
    "_revinclude:iterate": [
        Asked(
            "Organization?_revinclude=Patient:organization&_revinclude:iterate=Observation:patient",
            ("rp-org",),
            ("rp-ada", "rp-bob", "rp-eve", "rp-obs"),
            total=1,
        ),
    ],
    "_type": [
        Asked("?_type=Patient", ALL, total=3),
        Asked("?_type=Observation,Organization", ("rp-obs", "rp-org"), total=2),
    ],
    "_contained": [
        Asked("Practitioner?_contained=true", ("rp-obs",), total=1, has=("subject",)),
        Asked("Practitioner?_contained=both", ("rp-obs",), total=1),
        Asked("Patient?_contained=both&_count=2", ALL[:2]),
    ],
    "_containedType": [
        Asked(
            "Practitioner?_contained=true&_containedType=contained",
            ("rp-doc",),
            total=1,
            has=("name", "gender"),
        ),
        Asked(
            "Practitioner?_contained=true&_containedType=contained&_elements=name",
            ("rp-doc",),
            total=1,
            has=("name",),
            lacks=("gender",),
        ),
    ],
}
WITHOUT: dict[str, list[Asked]] = {
    "_count": [Asked("Patient?", ALL, total=3)],
    "_sort": [Asked("Patient?", ALL, total=3)],
    "_total": [Asked("Patient?_count=1", ALL[:1])],
    "_summary": [Asked("Patient?", ALL, total=3, has=("name", "maritalStatus"))],
    "_elements": [Asked("Patient?", ALL, total=3, has=("name", "birthDate"))],
    "_include": [
        Asked("Patient?", ALL, total=3),
        Asked("Patient?_include=Patient:link", ALL, total=3),
        Asked("Patient?_include=Patient:general-practitioner:Organization", ALL, total=3),
    ],
    "_include:iterate": [
        Asked("Observation?_include=Observation:subject", ("rp-obs",), ("rp-ada",), total=1)
    ],
    "_revinclude": [Asked("Patient?_revinclude=Observation:performer", ALL, total=3)],
    "_revinclude:iterate": [
        Asked("Organization?_revinclude=Patient:organization", ("rp-org",), BY_NAME, total=1)
    ],
    "_type": [Asked("?", ("rp-obs", *ALL, "rp-org"), total=5)],
    "_contained": [
        Asked("Practitioner?", (), total=0),
        Asked("Practitioner?_contained=false", (), total=0),
        Asked("Patient?_contained=true", (), total=0),
    ],
    "_containedType": [Asked("Practitioner?_contained=true", ("rp-obs",), total=1)],
}


@pytest.fixture(scope="module", autouse=True)
def ward(base: str) -> None:
    """Store three patients, their organization, and an observation of one."""
    with httpx.Client(base_url=base + "/") as client:
        for each in (ORGANIZATION, *PATIENTS, OBSERVATION):
            body = {**each, "meta": {"tag": [{"system": TAG, "code": "x"}]}}
            client.put(f"{each['resourceType']}/{each['id']}", json=body).raise_for_status()


def ids(bundle: dict[str, Any], mode: str) -> list[str]:
    return [
        each["resource"]["id"] for each in bundle.get("entry", ()) if each["search"]["mode"] == mode
    ]


def rows(table: dict[str, list[Asked]]) -> Iterable[Asked]:
    return [row for several in table.values() for row in several]


ROWS = [*rows(WITHOUT), *rows(WITH)]


@pytest.mark.parametrize(
    "asked", ROWS, ids=[f"{number} {each.query[:60]}" for number, each in enumerate(ROWS)]
)
def test_a_search_gives_what_its_parameters_ask_for(client: httpx.Client, asked: Asked) -> None:
    bundle = client.get(f"{asked.query}&_tag={TAG}|x").raise_for_status().json()

    matches = [
        each["resource"] for each in bundle.get("entry", ()) if each["search"]["mode"] == "match"
    ]
    assert tuple(ids(bundle, "match")) == asked.matches
    assert tuple(sorted(ids(bundle, "include"))) == asked.included
    assert bundle.get("total") == asked.total
    assert all(set(asked.has) <= set(each) for each in matches)
    assert not any(set(asked.lacks) & set(each) for each in matches)


def test_a_contained_resource_is_addressed_by_its_container(client: httpx.Client) -> None:
    query = f"Practitioner?_contained=true&_containedType=contained&_tag={TAG}|x"

    bundle = client.get(query, headers={"Accept": "application/fhir+json"}).json()

    (entry,) = bundle["entry"]
    assert entry["fullUrl"].endswith("/fhir/Observation/rp-obs#rp-doc")
    assert entry["search"] == {"mode": "match"}


def lacking(codes: Iterable[str]) -> list[str]:
    """Return the parameters that have no row with them, or none without."""
    return sorted(each for each in codes if not (WITH.get(each) and WITHOUT.get(each)))


def test_each_parameter_of_the_result_has_rows_with_it_and_without() -> None:
    assert lacking([*READERS, "_include:iterate", "_revinclude:iterate"]) == []


def test_a_parameter_without_rows_is_named() -> None:
    assert lacking([*READERS, "_score"]) == ["_score"]
