"""What a search tells of what it does not show."""

from __future__ import annotations

import httpx2 as httpx
import pytest

from fhir_server.demonstration.identifiers import nhs_number
from tests.rest.access import Guarded
from tests.rest.leaks.conftest import ADMINISTRATION, names, total


@pytest.mark.parametrize("reads", ["_has:Observation:patient:value-quantity", "value-quantity"])
def test_a_binary_search_by_a_reverse_chain_learns_nothing(clerk: httpx.Client, reads: str) -> None:
    """https://github.com/hapifhir/hapi-fhir/issues/6065: `_has` recovered values that were filtered afterwards."""
    place = "Patient?_id=bob&" if reads.startswith("_has") else "Observation?subject=Patient/bob&"

    answers = [total(clerk, f"{place}{reads}=ge{bound}") for bound in (0, 50, 75, 90, 93, 94)]

    assert set(answers) == {0}


LEADING = [
    "Observation?patient.family=Menabrea",
    f"Observation?patient.identifier={nhs_number(2)}",
    f"Observation?subject:identifier={nhs_number(2)}",
    "Observation?subject=Patient/bob",
    "Patient/bob/Observation",
    "Patient/bob/*",
    "Patient?_has:Consent:patient:status=active",
    "Patient?_has:Group:member:actual=true",
    "Patient?_filter=family eq Menabrea",
    "Observation?_list=bobs",
    "Group?member=Patient/ada",
    "Group",
    "Consent",
    "MedicationRequest?medication.code=insulin",
    "MedicationRequest?_content=insulin",
    "Observation?_id=bobs",
    "Observation?_filter=patient.family eq Menabrea",
    "Observation?_id=bobs&_contained=both",
    "Medication?code=insulin&_contained=true",
    "Medication?code=insulin&_contained=true&_containedType=contained",
    "Patient?_text=Menabrea",
    "Patient?_content=Menabrea",
    "Patient?family:contains=enabre",
    "?_type=Observation,MedicationRequest&patient=bob",
    "Patient?_has:Observation:patient:_has:List:item:_id=bobs",
    "Patient?_has:MedicationRequest:patient:medication.code=insulin",
    "Observation/$lastn?patient=bob",
    "Composition?subject=Patient/bob",
]
"""Queries that find something of Bob's, for who may see it."""


@pytest.mark.parametrize("query", LEADING)
def test_who_sees_bob_finds_something_by_each(ward: Guarded, query: str) -> None:
    """So that finding nothing is an answer."""
    with ward.client(purpose="TREAT") as carer:
        assert total(carer, query) > 0


@pytest.mark.parametrize("query", LEADING)
def test_what_leads_to_the_hidden_finds_nothing(clerk: httpx.Client, query: str) -> None:
    assert total(clerk, query) == 0
    counted = f"{query}{'&' if '?' in query else '?'}_summary=count"
    if "$" not in query:
        assert total(clerk, counted) == 0


@pytest.mark.parametrize(
    "key", ["value-quantity", "-value-quantity", "subject", "_id", "-_lastUpdated"]
)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_pages_are_full_in_any_order_and_end_where_the_visible_ends(
    clerk: httpx.Client, key: str, count: int
) -> None:
    found: list[str] = []
    page = clerk.get(f"Observation?_sort={key}&_count={count}&_total=accurate").json()
    sizes = [len(page["entry"])]
    found += names(page)
    assert page["total"] == 2
    while following := [each["url"] for each in page["link"] if each["relation"] == "next"]:
        page = clerk.get(following[0]).json()
        sizes.append(len(page["entry"]))
        found += names(page)

    assert sorted(found) == ["adas", "moved"]
    assert sizes == ([1, 1] if count == 1 else [2])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("List?_include=List:item", ["adas", "adas"]),
        ("List?_include=*", ["ada", "adas", "adas"]),
        ("Patient?_revinclude=Group:member", ["ada"]),
        ("Patient?_revinclude=*", ["ada", "adas", "adas", "adas", "moved"]),
        (
            "Composition?_include=Composition:entry&_include:iterate=Observation:subject",
            ["ada", "adas", "adas"],
        ),
        (
            "Observation?_include=Observation:subject&_revinclude:iterate=Consent:patient",
            ["ada", "adas", "moved"],
        ),
    ],
)
def test_includes_stop_at_the_hidden(clerk: httpx.Client, query: str, found: list[str]) -> None:
    assert names(clerk.get(query).raise_for_status().json()) == found


def test_everything_of_a_hidden_patient_is_that_of_nobody(clerk: httpx.Client) -> None:
    hidden, absent = clerk.get("Patient/bob/$everything"), clerk.get("Patient/xyz/$everything")

    assert (hidden.status_code, hidden.text.replace("bob", "xyz")) == (404, absent.text)
    assert names(clerk.get("Patient/ada/$everything").json()) == [
        "ada",
        "adas",
        "adas",
        "adas",
        "moved",
    ]


@pytest.mark.parametrize("parameter", ["_explain=true", "_explain=false"])
def test_nobody_is_told_how_a_search_was_answered(clerk: httpx.Client, parameter: str) -> None:
    assert clerk.get(f"Observation?{parameter}").status_code == 400


@pytest.mark.parametrize(
    "other",
    [
        {"purpose": "TREAT"},
        {"purpose": ADMINISTRATION, "organisation": "RR8"},
        {"purpose": ADMINISTRATION, "sub": "another"},
        {"purpose": ADMINISTRATION, "client_id": "another"},
        {"purpose": ADMINISTRATION, "patient": "ada"},
    ],
)
def test_a_page_link_is_good_for_one_caller_one_purpose_and_one_patient(
    ward: Guarded, other: dict[str, str]
) -> None:
    with (
        ward.client(purpose="TREAT", sub="owner") as owner,
        ward.client(purpose=ADMINISTRATION) as clerk,
    ):
        links = [
            next(each["url"] for each in page["link"] if each["relation"] == "next")
            for page in (each.get("Observation?_count=1").json() for each in (owner, clerk))
        ]
    with ward.client(**other) as stranger:
        answers = [stranger.get(each) for each in links]

    assert [each.status_code for each in answers] == [400, 400]
    assert all("_cursor" in each.text for each in answers)


def test_two_callers_who_ask_the_same_are_answered_each_by_what_they_may_see(
    ward: Guarded, clerk: httpx.Client
) -> None:
    """Statements and queries are remembered: what for depends on who asks."""
    query = "Observation?code=hba1c"
    with ward.client(purpose="TREAT") as carer, ward.client("patient/*.rs", patient="ada") as ada:
        of_each = [
            [names(each.get(query).json()) for each in (carer, clerk, ada)] for _ in range(3)
        ]

    assert (
        of_each
        == [
            [
                ["adas", "bobs", "moved", "numbered", "withdrawn"],
                ["adas", "moved"],
                ["adas", "moved"],
            ]
        ]
        * 3
    )
