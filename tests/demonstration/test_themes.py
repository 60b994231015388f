"""What the themes of the platform say agrees: beds with stays, slots with appointments, counts with beds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from fhir_server.demonstration.codes import FOOT_CHECK, HBA1C, TYPE_2_DIABETES
from fhir_server.fhir.resource import Resource
from tests.demonstration.material import TODAY, a_platform, key, of_type

PLATFORM = 3


def test_each_occupied_hospital_bed_has_one_running_stay() -> None:
    running = [each for each in _all("Encounter") if each["status"] == "in-progress"]
    in_bed = Counter(each["location"][0]["location"]["reference"] for each in running)

    occupied = [
        key(each)
        for each in _all("Location")
        if _bed_status(each) == "O" and "trust" in each["managingOrganization"]["reference"]
    ]

    assert in_bed == Counter(occupied)
    assert len({each["subject"]["reference"] for each in running}) == len(running)


def test_hospital_care_homes_and_virtual_ward_have_free_places() -> None:
    free = [each["partOf"]["reference"] for each in _all("Location") if _bed_status(each) == "U"]

    for kind in ("bay", "care-home", "virtual-ward"):
        assert any(parent.startswith(f"Location/{kind}") for parent in free)


def test_a_capacity_count_adds_up() -> None:
    counts = [each for each in _all("Observation") if each["id"].startswith("capacity")]

    assert len(counts) == 3 * PLATFORM
    for each in counts:
        maximum, *buckets = [part["valueInteger"] for part in each["component"]]
        assert maximum == sum(buckets)


def test_taken_slots_have_one_appointment_and_free_slots_none() -> None:
    statuses = {key(each): each["status"] for each in _all("Slot")}
    booked = Counter(
        slot["reference"] for each in _all("Appointment") for slot in each.get("slot", ())
    )

    taken = [slot for slot, status in statuses.items() if status in {"busy", "busy-tentative"}]

    assert booked == Counter(taken)
    assert {"free", "busy", "busy-unavailable", "busy-tentative"} == set(statuses.values())


def test_slots_of_a_schedule_do_not_overlap() -> None:
    ends: dict[str, str] = {}
    for slot in _all("Slot"):
        schedule = slot["schedule"]["reference"]
        assert ends.get(schedule, "") <= slot["start"] < slot["end"]
        assert slot["start"] > TODAY.isoformat()
        ends[schedule] = slot["end"]


def test_theatre_time_goes_to_people_on_the_waiting_list() -> None:
    listed = {key(each): each["subject"]["reference"] for each in _all("ServiceRequest")}
    booked = [each for each in _all("Appointment") if "basedOn" in each]

    assert booked
    for each in booked:
        (basis,) = each["basedOn"]
        assert each["participant"][0]["actor"]["reference"] == listed[basis["reference"]]


def test_some_have_waited_for_more_than_a_year() -> None:
    waits = [
        (TODAY - TODAY.fromisoformat(each["authoredOn"])).days for each in _all("ServiceRequest")
    ]

    assert max(waits) > 365
    assert min(waits) >= 7


def test_some_with_diabetes_had_no_foot_check_in_a_year() -> None:
    diabetic = {
        each["subject"]["reference"]
        for each in _all("Condition")
        if each["code"] == TYPE_2_DIABETES
    }
    lately = {
        each["subject"]["reference"]
        for each in _measured(FOOT_CHECK)
        if (TODAY - TODAY.fromisoformat(each["effectiveDateTime"][:10])).days < 365
    }

    assert diabetic - lately
    assert diabetic & lately


def test_the_diabetes_register_lists_whoever_was_measured() -> None:
    registered = {
        member["entity"]["reference"] for group in _all("Group") for member in group["member"]
    }

    assert registered == {each["subject"]["reference"] for each in _measured(HBA1C)}


def test_a_vaccine_not_given_says_why_and_one_given_names_its_batch() -> None:
    by_status: dict[str, list[Resource]] = {}
    for each in _all("Immunization"):
        by_status.setdefault(each["status"], []).append(each)

    assert all("statusReason" in each for each in by_status["not-done"])
    assert all(
        each["lotNumber"] and each["expirationDate"] > each["occurrenceDateTime"][:10]
        for each in by_status["completed"]
    )


def test_nobody_has_a_second_dose_without_a_first() -> None:
    given = {
        (each["patient"]["reference"], each["vaccineCode"]["coding"][0]["code"]): set[int]()
        for each in _all("Immunization")
    }
    for each in _all("Immunization"):
        if each["status"] == "completed":
            doses = given[each["patient"]["reference"], each["vaccineCode"]["coding"][0]["code"]]
            doses.add(each["protocolApplied"][0]["doseNumberPositiveInt"])

    assert all(doses in (set(), {1}, {1, 2}) for doses in given.values())


def test_in_one_town_fewer_are_vaccinated() -> None:
    towns = {key(each): each["address"][0]["city"] for each in _all("Patient") if "address" in each}
    people = Counter(towns.values())
    doses = Counter(
        towns.get(each["patient"]["reference"])
        for each in _all("Immunization")
        if each["status"] == "completed"
    )

    uptake = {town: doses[town] / people[town] for town in people}

    assert min(uptake, key=uptake.__getitem__) == "Millbrook"


def test_an_opt_out_denies_research_and_planning() -> None:
    opt_outs = [each for each in _all("Consent") if each["id"].endswith("opt-out")]

    assert 3 <= len(opt_outs) <= 0.12 * len(_all("Patient"))
    for each in opt_outs:
        assert each["provision"]["type"] == "deny"
        assert {purpose["code"] for purpose in each["provision"]["purpose"]} == {
            "HRESCH",
            "HOPERAT",
        }


def test_a_delivery_answers_its_request() -> None:
    requests = {key(each): each for each in _all("SupplyRequest")}

    for each in _all("SupplyDelivery"):
        request = requests[each["basedOn"][0]["reference"]]
        assert request["itemCodeableConcept"] == each["suppliedItem"]["itemCodeableConcept"]
        assert request["deliverTo"] == each["destination"]
        assert request["authoredOn"] < each["occurrenceDateTime"]


def test_one_ward_has_run_out_of_what_the_next_has_too_many_of() -> None:
    stock = {each["id"]: each["valueQuantity"]["value"] for each in _all("Observation", ("stock",))}

    assert stock["stock-ward-1-bed-pans"] == 0
    assert stock["stock-ward-2-bed-pans"] > 100


def _all(resource_type: str, prefixes: tuple[str, ...] = ("",)) -> list[Resource]:
    found = of_type(resource_type, a_platform(PLATFORM))
    return [each for each in found if each["id"].startswith(prefixes)]


def _measured(code: Resource) -> Iterable[Resource]:
    return (each for each in _all("Observation") if each["code"] == code)


def _bed_status(location: Resource) -> str | None:
    status: Resource = location.get("operationalStatus", {})
    return status.get("code")
