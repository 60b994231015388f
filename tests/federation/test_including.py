"""What members included is shown where the search leads to it from what is shown, and not for any other tie."""

from __future__ import annotations

import pytest

from fhir_server.federation.answers import Match
from fhir_server.federation.including import led_to
from fhir_server.fhir.json import dump
from fhir_server.fhir.resource import Resource
from fhir_server.search.parsing import parse_query
from tests.rest.trusting import a_patient, an_observation
from tests.search.support import DEFINITIONS, EXTRACTOR


def match(resource: Resource) -> Match:
    kind, name = resource["resourceType"], resource["id"]
    return Match(f"https://a.example/{kind}/{name}", dump(resource), kind, name)


ADA, GRACE = (
    match(a_patient(each, managingOrganization={"reference": f"Organization/of-{each}"}))
    for each in ("ada", "grace")
)
TRUST, OTHER = (
    match({"resourceType": "Organization", "id": f"of-{each}", "name": "x"})
    for each in ("ada", "grace")
)
SHOWN = match(an_observation("o", "ada", focus=[{"reference": "Patient/grace"}]))
OF_GRACE = match(an_observation("g", "grace"))


@pytest.mark.parametrize(
    ("kind", "pairs", "shown", "expected"),
    [
        ("Observation", {"_include": "Observation:subject"}, SHOWN, {"ada"}),
        ("Observation", {"_include": "Observation:focus"}, SHOWN, {"grace"}),
        ("Observation", {"_include": "Observation:subject:Group"}, SHOWN, set()),
        ("Observation", {"_include": "*"}, SHOWN, {"ada", "grace"}),
        ("Observation", {}, SHOWN, set()),
        (
            "Observation",
            {"_include": "Observation:subject", "_include:iterate": "Patient:organization"},
            SHOWN,
            {"ada", "of-ada"},
        ),
        ("Patient", {"_include": "Patient:organization"}, ADA, {"of-ada"}),
        ("Patient", {"_revinclude": "Observation:subject"}, GRACE, {"g"}),
        ("Patient", {"_revinclude": "Observation:focus"}, GRACE, set()),
        ("Patient", {"_revinclude": "Observation:*"}, ADA, set()),
    ],
)
def test_only_what_the_search_leads_to_comes_along(
    kind: str, pairs: dict[str, str], shown: Match, expected: set[str]
) -> None:
    query = parse_query(kind, list(pairs.items()), DEFINITIONS, now=0)
    along = [each for each in (ADA, GRACE, TRUST, OTHER, OF_GRACE) if each is not shown]
    found = led_to([shown], along, query, EXTRACTOR)
    assert {each.id for each in found} == expected
