"""Patient/[id]/$everything on a real store: what is of the patient, and nobody else's."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.fhir.errors import BadRequest, Gone, NotFound, NotSupported
from fhir_server.fhir.resource import Key
from fhir_server.interactions.call import Call
from fhir_server.interactions.delete import delete
from fhir_server.operations.everything import ENCOUNTER_EVERYTHING, PATIENT_EVERYTHING
from fhir_server.operations.operation import Invocation, Listed, Operation
from tests.interactions.builders import (
    a_patient,
    an_observation,
    put,
    seeing_only,
    seeing_types,
)

NOW = 1_800_000_000_000_000
STAFF = {"reference": "Practitioner/who"}


async def everything(
    call: Call,
    query: str = "",
    *,
    of: str | None = "ada",
    after: Any = None,
    operation: Operation = PATIENT_EVERYTHING,
) -> Listed:
    """Return a page, the query written as `a=b&c=d`."""
    named = [each.partition("=") for each in query.split("&") if each]
    pairs = [(name, value) for name, _, value in named]
    operation.check(pairs)
    listed = await operation.run(call, Invocation(operation.types[0], of, pairs, after, NOW))
    assert isinstance(listed, Listed)
    return listed


def ids(listed: Listed) -> list[str]:
    return [row.stored.key.id for row in listed.matches]


def beside(listed: Listed) -> set[str]:
    return {str(row.stored.key) for row in listed.included}


@pytest.fixture
async def ward(call: Call) -> Call:
    """Two patients on a ward: their records, their staff, an old allergy without a date."""
    for name in ("ada", "grace"):
        await put(
            call,
            a_patient(resource_id=name, managingOrganization={"reference": "Organization/trust"}),
        )
    await put(call, {"resourceType": "Organization", "id": "trust", "name": "A trust"})
    await put(call, {"resourceType": "Organization", "id": "unknown", "name": "Nobody's"})
    await put(call, {"resourceType": "Practitioner", "id": "who", "name": [{"family": "Seacole"}]})
    for number in (1, 2, 3):
        date = f"2026-0{number}-01"
        more: dict[str, Any] = {"id": f"o{number}", "effectiveDateTime": date, "performer": [STAFF]}
        await put(call, an_observation("Patient/ada", **more))
    focus = [{"reference": "Patient/grace"}]
    await put(call, an_observation("Patient/ada", id="focused", focus=focus))
    await put(call, an_observation("Patient/grace", id="another", effectiveDateTime="2026-01-01"))
    return call


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("nonsense=1", "no parameter 'nonsense'; it has start, end"),
        ("strat=2026", "did you mean start"),
        ("start=2026&start=2027", "takes one start"),
        ("start=", "start has no value"),
        ("start=gt2026", "is no date"),
        ("end=tomorrow", "is no date"),
        ("_since=2026-13", "is no date"),
        ("_count=0", "no positive whole number"),
        ("_count=-1", "no positive whole number"),
        ("_type=Observatio", "did you mean Observation"),
        ("_type=Practitioner", "name these too"),
    ],
)
async def test_what_cannot_be_understood_is_refused(ward: Call, query: str, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        await everything(ward, query)


async def test_an_absent_and_a_hidden_patient_are_the_same(ward: Call) -> None:
    with pytest.raises(NotFound) as absent:
        await everything(ward, of="nobody")
    with pytest.raises(NotFound) as hidden:
        await everything(seeing_only(ward, "grace"))
    with pytest.raises(NotFound):
        await everything(seeing_types(ward, "Observation"))

    assert str(absent.value).replace("nobody", "ada") == str(hidden.value)


async def test_a_deleted_patient_is_gone(ward: Call) -> None:
    await delete(ward, Key("Patient", "ada"))

    with pytest.raises(Gone):
        await everything(ward)


async def test_the_patient_comes_first_then_the_newest(ward: Call) -> None:
    found = await everything(ward)

    assert ids(found) == ["ada", "o3", "o2", "o1", "focused"]
    assert found.total == 5
    assert found.next is None


async def test_what_the_record_refers_to_is_beside_it_and_no_other_patient(ward: Call) -> None:
    assert beside(await everything(ward)) == {"Organization/trust", "Practitioner/who"}


async def test_what_is_hidden_is_neither_listed_nor_beside(ward: Call) -> None:
    seen = await everything(seeing_types(ward, "Patient", "Observation", "Organization"))
    own = await everything(seeing_only(ward, "ada"))

    assert beside(seen) == {"Organization/trust"}
    assert ids(own) == ids(await everything(ward))
    assert beside(own) == set()


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6])
async def test_the_pages_hold_each_resource_once(ward: Call, count: int) -> None:
    found: list[str] = []
    after: Any = None
    while True:
        page = await everything(ward, f"_count={count}", after=after)
        assert len(page.matches) <= count
        found += ids(page)
        after = page.next
        if after is None:
            break

    assert found == ["ada", "o3", "o2", "o1", "focused"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("start=2026-02-01", ["ada", "o3", "o2", "focused"]),
        ("end=2026-02-01", ["ada", "o2", "o1", "focused"]),
        ("start=2026-02&end=2026-02", ["ada", "o2", "focused"]),
        ("start=2030", ["ada", "focused"]),
        ("_type=Observation&start=2026-03", ["o3", "focused"]),
        ("_type=Patient", ["ada"]),
        ("_type=Patient&_count=1", ["ada"]),
        ("_type=Condition", []),
        ("_since=2100-01-01T00:00:00Z", []),
        ("_since=2000-01-01T00:00:00Z", ["ada", "o3", "o2", "o1", "focused"]),
    ],
)
async def test_it_can_be_narrowed(ward: Call, query: str, expected: list[str]) -> None:
    assert ids(await everything(ward, query)) == expected


async def test_what_is_beside_is_of_the_types_that_are_asked_for(ward: Call) -> None:
    assert beside(await everything(ward, "_type=Observation,Practitioner")) == {"Practitioner/who"}
    assert beside(await everything(ward, "_type=Observation&_type=Organization")) == set()


async def test_a_date_of_second_choice_counts_where_the_first_is_missing(ward: Call) -> None:
    recorded = {
        "resourceType": "Condition",
        "id": "recorded",
        "subject": {"reference": "Patient/ada"},
        "recordedDate": "2020-01-01",
    }
    await put(ward, recorded)
    await put(ward, {**recorded, "id": "onset", "onsetDateTime": "2026-01-01"})

    assert ids(await everything(ward, "_type=Condition&start=2026")) == ["onset"]
    assert ids(await everything(ward, "_type=Condition&end=2025")) == ["recorded"]


async def test_every_patient_at_once_is_refused(ward: Call) -> None:
    with pytest.raises(NotSupported, match=r"Patient/\[id\]/\$everything is of one patient"):
        await everything(ward, of=None)


async def test_whoever_sees_one_patient_need_not_name_it(ward: Call) -> None:
    hers = seeing_only(ward, "ada")

    assert ids(await everything(hers, of=None)) == ids(await everything(hers))
    assert ids(await everything(hers, "_type=Patient", of=None)) == ["ada"]


def of_stay(kind: str, resource_id: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": kind,
        "id": resource_id,
        "subject": {"reference": "Patient/ada"},
        "encounter": {"reference": "Encounter/stay"},
        **more,
    }


@pytest.fixture
async def stay(ward: Call) -> Call:
    """A stay of one patient: a pulse and a diagnosis of it, an older condition, another's pulse."""
    pulse = an_observation("Patient/ada", id="pulse", performer=[STAFF])
    earlier = {"reference": "Observation/earlier"}
    encounter = {"encounter": {"reference": "Encounter/stay"}}
    await put(ward, of_stay("Condition", "diagnosis"))
    await put(
        ward,
        {"resourceType": "Condition", "id": "older", "subject": {"reference": "Patient/ada"}},
    )
    await put(ward, {"resourceType": "Location", "id": "bed"})
    await put(
        ward,
        {
            "resourceType": "Encounter",
            "id": "stay",
            "status": "in-progress",
            "class": {"code": "IMP"},
            "subject": {"reference": "Patient/ada"},
            "diagnosis": [{"condition": {"reference": "Condition/older"}}],
            "location": [{"location": {"reference": "Location/bed"}}],
        },
    )
    await put(ward, an_observation("Patient/ada", id="earlier") | encounter)
    await put(ward, pulse | encounter | {"hasMember": [earlier]})
    await put(ward, an_observation("Patient/ada", id="apart"))
    await put(
        ward, an_observation("Patient/grace", id="hers", focus=[{"reference": "Encounter/stay"}])
    )
    return ward


async def stayed(call: Call, query: str = "", *, of: str = "stay", after: Any = None) -> Listed:
    return await everything(call, query, of=of, after=after, operation=ENCOUNTER_EVERYTHING)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("start=2026", "no parameter 'start'"),
        ("_count=0", "no positive whole number"),
        ("_type=Patient", "nothing of the Encounter compartment"),
    ],
)
async def test_what_an_encounter_is_not_asked_is_refused(
    stay: Call, query: str, message: str
) -> None:
    with pytest.raises(BadRequest, match=message):
        await stayed(stay, query)


async def test_an_absent_and_a_hidden_encounter_are_the_same(stay: Call) -> None:
    with pytest.raises(NotFound):
        await stayed(stay, of="nobody")
    with pytest.raises(NotFound):
        await stayed(seeing_only(stay, "grace"))
    with pytest.raises(NotFound):
        await stayed(seeing_types(stay, "Observation"))


async def test_an_encounter_comes_with_what_is_of_it(stay: Call) -> None:
    found = await stayed(stay)

    assert ids(found)[0] == "stay"
    assert set(ids(found)) == {"stay", "diagnosis", "earlier", "pulse"}
    assert found.total == 4


async def test_beside_an_encounter_are_its_patient_and_what_it_refers_to(stay: Call) -> None:
    assert beside(await stayed(stay)) == {
        "Patient/ada",
        "Condition/older",
        "Location/bed",
        "Practitioner/who",
    }
    assert beside(await stayed(seeing_types(stay, "Encounter", "Location"))) == {"Location/bed"}
    assert beside(await stayed(stay, "_type=Encounter,Patient")) == {"Patient/ada"}


async def test_nothing_of_another_patient_is_beside_an_encounter(stay: Call) -> None:
    focus = [{"reference": "Observation/another"}, {"reference": "Patient/grace"}]
    encounter = {"encounter": {"reference": "Encounter/stay"}}
    await put(stay, an_observation("Patient/ada", id="compared", focus=focus) | encounter)

    assert not {"Observation/another", "Patient/grace"} & beside(await stayed(stay))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
async def test_the_pages_of_an_encounter_hold_each_resource_once(stay: Call, count: int) -> None:
    found: list[str] = []
    after: Any = None
    while True:
        page = await stayed(stay, f"_count={count}", after=after)
        found += ids(page)
        assert not set(ids(page)) & {each.partition("/")[2] for each in beside(page)}
        assert "Observation/earlier" not in beside(page)
        after = page.next
        if after is None:
            break

    assert found == ids(await stayed(stay))
