"""Tests of the transaction interaction."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from fhir_server.fhir.errors import (
    BadRequest,
    FhirError,
    Forbidden,
    Gone,
    InvalidResource,
    MultipleMatches,
    NotFound,
    PreconditionFailed,
    VersionConflict,
)
from fhir_server.fhir.resource import Key, Resource
from fhir_server.interactions.call import Call
from fhir_server.interactions.create import create
from fhir_server.interactions.entries import ReadEntry
from fhir_server.interactions.outcomes import Deleted, Saved
from fhir_server.interactions.read import read
from fhir_server.interactions.search import search
from fhir_server.interactions.transaction import EntryResult, transaction
from tests.interactions.builders import (
    ADA,
    BASE_URL,
    NHS_NUMBER,
    a_json_patch,
    a_patient,
    a_transaction,
    an_entry,
    an_observation,
    body,
    put,
    seeing_only,
)

NUMBER = "9000000009"
SAME_NUMBER = f"identifier={NHS_NUMBER}|{NUMBER}"
URN = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
DEACTIVATE = a_json_patch([{"op": "add", "path": "/active", "value": False}])


async def count(call: Call, resource_type: str) -> int | None:
    """Return how many resources of a type there are."""
    found = await search(call, resource_type, [("_summary", "count")], after=None, now=0)
    return found.total


def saved(result: EntryResult) -> Saved:
    """Return what an entry saved."""
    assert isinstance(result.outcome, Saved)
    return result.outcome


def bodies(results: tuple[EntryResult, ...]) -> list[Resource]:
    """Return the resources that the entries saved, parsed."""
    return [body(saved(each).stored) for each in results]


@pytest.fixture
async def ward(call: Call) -> Call:
    """Hold one patient with an NHS number, and two that share a family name."""
    await put(call, a_patient(resource_id="ada", number=NUMBER))
    await put(call, a_patient(resource_id="grace", family="Hopper"))
    await put(call, a_patient(resource_id="james", family="Hopper"))
    return call


@pytest.mark.parametrize(
    ("entry", "error", "says"),
    [
        (an_entry("POST", "Patient", an_observation()), BadRequest, "asks for the type Patient"),
        (an_entry("PUT", "Patient?family=hopper", a_patient()), MultipleMatches, "more than one"),
        (an_entry("DELETE", "Patient?family=hopper"), MultipleMatches, "more than one"),
        (an_entry("PATCH", "Patient?family=hopper", DEACTIVATE), MultipleMatches, "more than one"),
        (an_entry("PATCH", "Patient?family=none", DEACTIVATE), NotFound, "nothing to patch"),
        (an_entry("PATCH", "Patient/none", DEACTIVATE), NotFound, "not known here"),
        (
            an_entry("POST", "Patient", a_patient(), ifNoneExist="family=hopper"),
            MultipleMatches,
            "more than one",
        ),
        (
            an_entry("PUT", f"Patient?{SAME_NUMBER}", a_patient(resource_id="other")),
            BadRequest,
            "matches Patient/ada",
        ),
        (
            an_entry("PUT", "Patient?family=none", a_patient(resource_id="ada")),
            VersionConflict,
            "exists already",
        ),
        (
            an_entry("PUT", "Patient?family=none", a_patient(), ifMatch='W/"1"'),
            PreconditionFailed,
            "nothing matches",
        ),
        (
            an_entry("DELETE", "Patient?family=none", ifMatch='W/"1"'),
            PreconditionFailed,
            "nothing matches",
        ),
        (
            an_entry("PUT", "Patient/ada", a_patient(resource_id="ada"), ifMatch='W/"2"'),
            PreconditionFailed,
            "current version is 1",
        ),
        (
            an_entry("PUT", "Patient/new", a_patient(resource_id="new"), ifMatch='W/"1"'),
            PreconditionFailed,
            "no current version",
        ),
        (
            an_entry("PATCH", "Patient/ada", DEACTIVATE, ifMatch='W/"2"'),
            PreconditionFailed,
            "current version is 1",
        ),
        (an_entry("DELETE", "Patient/ada", ifMatch='W/"2"'), PreconditionFailed, "version is 1"),
        (an_entry("POST", "Observation", an_observation(URN)), BadRequest, "no entry of this"),
        (
            an_entry("POST", "Observation", an_observation("Patient?family=none")),
            PreconditionFailed,
            "finds nothing",
        ),
        (
            an_entry("POST", "Observation", an_observation("Patient?family=hopper")),
            MultipleMatches,
            "more than one",
        ),
        (
            an_entry("POST", "Observation", an_observation("Patient?nonsense=1")),
            BadRequest,
            "nonsense",
        ),
        (
            an_entry("POST", "Observation", an_observation("Patients?family=hopper")),
            NotFound,
            "did you mean",
        ),
    ],
)
async def test_one_entry_that_fails_leaves_nothing_of_the_others(
    ward: Call, entry: Resource, error: type[FhirError], says: str
) -> None:
    bundle = a_transaction(
        an_entry("POST", "Patient", a_patient()),
        entry,
        an_entry("PUT", "Patient/last", a_patient(resource_id="last")),
    )

    with pytest.raises(error, match=says) as refused:
        await transaction(ward, bundle)

    assert await count(ward, "Patient") == 3
    assert str(refused.value.expression).startswith("Bundle.entry[1]")
    assert "nothing was written" in str(refused.value)


async def test_the_issues_of_all_invalid_resources_are_told_with_their_place(call: Call) -> None:
    bundle = a_transaction(
        an_entry("POST", "Patient", a_patient(gender="unknowable")),
        an_entry("POST", "Patient", a_patient()),
        an_entry("PUT", "Patient/ada", a_patient(resource_id="ada", name=[{"family": 7}])),
    )

    with pytest.raises(InvalidResource) as refused:
        await transaction(call, bundle)

    assert [(each.severity, each.expression) for each in refused.value.issues] == [
        ("error", "Bundle.entry[0].resource.gender"),
        ("error", "Bundle.entry[2].resource.name[0].family"),
        ("information", None),
    ]
    assert await count(call, "Patient") == 0


@pytest.mark.parametrize(
    "second",
    [
        an_entry("PUT", "Patient/ada", a_patient(resource_id="ada")),
        an_entry("PUT", f"Patient?{SAME_NUMBER}", a_patient()),
        an_entry("PATCH", "Patient/ada", DEACTIVATE),
        an_entry("DELETE", "Patient/ada"),
    ],
)
async def test_two_entries_that_change_one_resource_are_refused(
    ward: Call, second: Resource
) -> None:
    bundle = a_transaction(
        an_entry("PUT", "Patient/ada", a_patient(resource_id="ada", number=NUMBER)), second
    )

    with pytest.raises(BadRequest, match="Patient/ada is changed by entry"):
        await transaction(ward, bundle)


async def test_two_conditional_creates_of_the_same_are_refused(call: Call) -> None:
    entry = an_entry("POST", "Patient", a_patient(number=NUMBER), ifNoneExist=SAME_NUMBER)

    with pytest.raises(BadRequest, match="match what other entries write"):
        await transaction(call, a_transaction(entry, entry))

    assert await count(call, "Patient") == 0


async def test_a_reference_to_what_is_deleted_beside_it_is_refused(ward: Call) -> None:
    bundle = a_transaction(
        an_entry("POST", "Observation", an_observation(f"Patient?{SAME_NUMBER}")),
        an_entry("DELETE", "Patient/ada"),
    )

    with pytest.raises(PreconditionFailed, match="finds nothing"):
        await transaction(ward, bundle)


async def test_a_caller_who_sees_one_patient_changes_nothing_elsewhere(ward: Call) -> None:
    ada = seeing_only(ward, "ada")
    hers = an_entry("POST", "Observation", an_observation("Patient/ada"))
    elsewhere = an_entry("POST", "Observation", an_observation("Patient/grace"))
    hidden = an_entry("PUT", "Patient/grace", a_patient(resource_id="grace"))
    found = an_entry("POST", "Observation", an_observation("Patient?family=hopper"))

    with pytest.raises(Forbidden):
        await transaction(ada, a_transaction(hers, elsewhere))
    with pytest.raises((NotFound, Forbidden)):
        await transaction(ada, a_transaction(hers, hidden))
    with pytest.raises(PreconditionFailed, match="finds nothing"):
        await transaction(ada, a_transaction(hers, found))

    assert await count(ward, "Observation") == 0
    assert len(await transaction(ada, a_transaction(hers))) == 1


async def test_what_is_hidden_is_left_alone_as_if_absent(ward: Call) -> None:
    bundle = a_transaction(an_entry("DELETE", "Patient/grace"), an_entry("DELETE", "Patient/none"))

    hidden, absent = await transaction(seeing_only(ward, "ada"), bundle)

    assert hidden.outcome == absent.outcome == Deleted(None)
    assert (await read(ward, Key("Patient", "grace"))).version == 1


async def test_an_empty_transaction_does_nothing(call: Call) -> None:
    assert await transaction(call, {"resourceType": "Bundle", "type": "transaction"}) == ()


async def test_results_come_in_the_order_of_the_entries(ward: Call) -> None:
    bundle = a_transaction(
        an_entry("GET", "Patient/ada"),
        an_entry("PATCH", "Patient/grace", DEACTIVATE, ifMatch='W/"1"'),
        an_entry("PUT", "Patient/new", a_patient(resource_id="new")),
        an_entry("POST", "Patient", a_patient()),
        an_entry("DELETE", "Patient/james"),
        an_entry("DELETE", "Patient/none"),
        an_entry("DELETE", "Patient?family=none"),
        an_entry("PUT", f"Patient?{SAME_NUMBER}", a_patient(number=NUMBER, family="King")),
        an_entry("POST", "Patient", a_patient(), ifNoneExist="family=hopper&_id=grace"),
    )

    results = await transaction(ward, bundle)

    assert [each.index for each in results] == list(range(9))
    assert results[0].outcome == ReadEntry(0, "GET", "Patient/ada")
    told = [
        (str(each.outcome.stored.key).partition("/")[2], each.outcome.stored.version)
        for each in results
        if isinstance(each.outcome, Saved | Deleted) and each.outcome.stored
    ]
    assert told[:2] == [("grace", 2), ("new", 1)]
    assert told[3:] == [("james", 2), ("ada", 2), ("grace", 1)]
    assert results[5].outcome == results[6].outcome == Deleted(None)
    assert [saved(results[n]).created for n in (1, 2, 3, 7, 8)] == [False, True, True, False, False]
    assert saved(results[8]).changed is False


async def test_deletes_take_effect_before_what_stands_above_them(ward: Call) -> None:
    bundle = a_transaction(
        an_entry("POST", "Patient", a_patient(number=NUMBER), ifNoneExist=SAME_NUMBER),
        an_entry("DELETE", "Patient/ada"),
    )

    created, deleted = await transaction(ward, bundle)

    assert saved(created).created
    assert isinstance(deleted.outcome, Deleted)
    with pytest.raises(Gone):
        await read(ward, ADA)


@pytest.mark.parametrize(
    ("patient", "reference"),
    [
        (an_entry("POST", "Patient", a_patient(), full_url=URN), URN),
        (an_entry("POST", "Patient", a_patient(), full_url="urn:oid:1.2.3"), "urn:oid:1.2.3"),
        (
            an_entry("POST", "Patient", a_patient(), full_url="https://a.org/fhir/Patient/7"),
            "https://a.org/fhir/Patient/7",
        ),
        (
            an_entry(
                "POST",
                "Patient",
                a_patient(number=NUMBER),
                full_url=URN,
                ifNoneExist=SAME_NUMBER,
            ),
            URN,
        ),
        (an_entry("PUT", f"Patient?{SAME_NUMBER}", a_patient(number=NUMBER), full_url=URN), URN),
        (
            an_entry("PUT", "Patient/cleo", a_patient(resource_id="cleo"), full_url=URN),
            URN,
        ),
        (an_entry("PATCH", "Patient/ada", DEACTIVATE, full_url=URN), URN),
    ],
)
async def test_a_reference_to_an_entry_becomes_its_address(
    ward: Call, patient: Resource, reference: str
) -> None:
    first = an_entry("POST", "Observation", an_observation(reference))
    bundle = a_transaction(first, patient)

    observation, saved_patient = await transaction(ward, bundle)

    address = str(saved(saved_patient).stored.key)
    assert body(saved(observation).stored)["subject"] == {"reference": address}
    found = await search(ward, "Observation", [("subject", address)], after=None, now=0)
    assert len(found.rows) == 1


async def test_a_relative_reference_is_relative_to_its_own_entry(call: Call) -> None:
    base = "https://sender.example.org/fhir"
    bundle = a_transaction(
        an_entry("POST", "Patient", a_patient(), full_url=f"{base}/Patient/7"),
        an_entry(
            "POST", "Observation", an_observation("Patient/7"), full_url=f"{base}/Observation/1"
        ),
        an_entry("POST", "Observation", an_observation("Patient/7"), full_url=URN),
    )

    _, inside, outside = bodies(await transaction(call, bundle))

    assert inside["subject"] == {"reference": "Patient/new-1"}
    assert outside["subject"] == {"reference": "Patient/7"}


async def test_an_absolute_reference_to_this_server_stays_as_it_was_sent(call: Call) -> None:
    own = f"{BASE_URL}/Patient/ada"
    bundle = a_transaction(
        an_entry("PUT", "Patient/ada", a_patient(resource_id="ada"), full_url=own),
        an_entry("POST", "Observation", an_observation(own)),
    )

    _, observation = bodies(await transaction(call, bundle))

    assert observation["subject"] == {"reference": own}


async def test_two_entries_may_refer_to_each_other(call: Call) -> None:
    other = "urn:uuid:5b2f8d9e-6a43-4a3c-9f0e-0d9c8f1f7a11"
    bundle = a_transaction(
        *(
            an_entry(
                "POST",
                "Patient",
                a_patient(link=[{"other": {"reference": to}, "type": "seealso"}]),
                full_url=own,
            )
            for own, to in ((URN, other), (other, URN))
        )
    )

    first, second = bodies(await transaction(call, bundle))

    assert first["link"][0]["other"]["reference"] == f"Patient/{second['id']}"
    assert second["link"][0]["other"]["reference"] == f"Patient/{first['id']}"


async def test_an_attachment_points_to_the_binary_beside_it(call: Call) -> None:
    document = {
        "resourceType": "DocumentReference",
        "status": "current",
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": URN}],
        "content": [{"attachment": {"contentType": "text/plain", "url": URN}}],
    }
    binary = {"resourceType": "Binary", "contentType": "text/plain", "data": "aGk="}
    bundle = a_transaction(
        an_entry("POST", "DocumentReference", document),
        an_entry("POST", "Binary", binary, full_url=URN),
    )

    written, content = bodies(await transaction(call, bundle))

    assert written["content"][0]["attachment"]["url"] == f"Binary/{content['id']}"
    assert written["identifier"][0]["value"] == URN


async def test_a_document_keeps_its_own_references(call: Call) -> None:
    composition = {
        "resourceType": "Composition",
        "status": "final",
        "type": {"text": "Letter"},
        "date": "2026",
        "author": [{"reference": URN}],
        "title": "Letter",
    }
    document = {
        "resourceType": "Bundle",
        "type": "document",
        "entry": [
            {"fullUrl": "urn:uuid:5b2f8d9e-6a43-4a3c-9f0e-0d9c8f1f7a11", "resource": composition},
            {"fullUrl": URN, "resource": a_patient()},
        ],
    }

    (written,) = bodies(
        await transaction(call, a_transaction(an_entry("POST", "Bundle", document)))
    )

    assert written["entry"] == document["entry"]


async def test_a_patch_in_a_transaction_is_linked_too(ward: Call) -> None:
    link = [{"other": {"reference": URN}, "type": "seealso"}]
    change = a_json_patch([{"op": "add", "path": "/link", "value": link}])
    bundle = a_transaction(
        an_entry("PATCH", "Patient/ada", change),
        an_entry("POST", "Patient", a_patient(), full_url=URN),
    )

    patched, other = bodies(await transaction(ward, bundle))

    assert patched["link"][0]["other"]["reference"] == f"Patient/{other['id']}"


async def test_conditional_references_are_resolved_wherever_they_are(ward: Call) -> None:
    conditional = f"Patient?{SAME_NUMBER}"
    observation = an_observation(
        conditional,
        extension=[{"url": "urn:x", "valueReference": {"reference": conditional}}],
        contained=[{"resourceType": "Specimen", "id": "s", "subject": {"reference": conditional}}],
        specimen={"reference": "#s"},
    )

    (written,) = bodies(
        await transaction(ward, a_transaction(an_entry("POST", "Observation", observation)))
    )

    assert written["subject"]["reference"] == "Patient/ada"
    assert written["extension"][0]["valueReference"]["reference"] == "Patient/ada"
    assert written["contained"][0]["subject"]["reference"] == "Patient/ada"
    assert written["specimen"]["reference"] == "#s"


async def test_entries_may_share_a_conditional_reference(ward: Call) -> None:
    entry = an_entry("POST", "Observation", an_observation(f"Patient?{SAME_NUMBER}"))

    written = bodies(await transaction(ward, a_transaction(entry, entry)))

    assert [each["subject"]["reference"] for each in written] == ["Patient/ada"] * 2


async def test_a_fhirpath_patch_in_a_transaction_is_linked_too(ward: Call) -> None:
    operation = [
        {"name": "type", "valueCode": "add"},
        {"name": "path", "valueString": "Patient"},
        {"name": "name", "valueString": "managingOrganization"},
        {"name": "value", "valueReference": {"reference": URN}},
    ]
    change = {
        "resourceType": "Parameters",
        "parameter": [{"name": "operation", "part": operation}],
    }
    organization = {"resourceType": "Organization", "name": "Analytical Engines"}
    bundle = a_transaction(
        an_entry("PATCH", f"Patient?{SAME_NUMBER}", change),
        an_entry("POST", "Organization", organization, full_url=URN),
    )

    patched, other = bodies(await transaction(ward, bundle))

    assert patched["id"] == "ada"
    assert patched["managingOrganization"]["reference"] == f"Organization/{other['id']}"


async def test_a_conditional_delete_in_a_transaction_deletes_the_match(ward: Call) -> None:
    bundle = a_transaction(an_entry("DELETE", f"Patient?{SAME_NUMBER}", ifMatch='W/"1"'))

    await transaction(ward, bundle)

    with pytest.raises(Gone):
        await read(ward, ADA)


async def test_criteria_that_match_what_another_entry_makes_of_a_resource_are_refused(
    ward: Call,
) -> None:
    bundle = a_transaction(
        an_entry("PUT", "Patient/grace", a_patient(resource_id="grace", number=NUMBER)),
        an_entry("PUT", f"Patient?{SAME_NUMBER}", a_patient(number=NUMBER)),
    )

    with pytest.raises(BadRequest, match=r"what other entries write \(Patient/grace\)"):
        await transaction(ward, bundle)


async def test_the_bundle_that_was_sent_is_not_changed(ward: Call) -> None:
    bundle = a_transaction(
        an_entry("POST", "Patient", a_patient(), full_url=URN),
        an_entry("POST", "Observation", an_observation(URN)),
        an_entry("POST", "Observation", an_observation(f"Patient?{SAME_NUMBER}")),
    )
    before = repr(bundle)

    await transaction(ward, bundle)

    assert repr(bundle) == before


async def test_a_transaction_that_changes_nothing_makes_no_version(ward: Call) -> None:
    bundle = a_transaction(
        an_entry("PUT", "Patient/ada", a_patient(resource_id="ada", number=NUMBER))
    )

    (result,) = await transaction(ward, bundle)

    assert (saved(result).changed, saved(result).stored.version) == (False, 1)


async def test_transactions_at_once_create_once(call: Call) -> None:
    def racing() -> Any:
        bundle = a_transaction(
            an_entry(
                "POST", "Patient", a_patient(number=NUMBER), full_url=URN, ifNoneExist=SAME_NUMBER
            ),
            an_entry("POST", "Observation", an_observation(URN)),
        )
        return transaction(call, bundle)

    outcomes = await asyncio.gather(*(racing() for _ in range(16)))

    assert Counter(saved(each[0]).created for each in outcomes) == {True: 1, False: 15}
    subjects = {body(saved(each[1]).stored)["subject"]["reference"] for each in outcomes}
    assert subjects == {str(saved(outcomes[0][0]).stored.key)}


async def test_a_transaction_and_creates_at_once_create_once(call: Call) -> None:
    entry = an_entry("POST", "Patient", a_patient(number=NUMBER), ifNoneExist=SAME_NUMBER)

    await asyncio.gather(
        *(transaction(call, a_transaction(entry)) for _ in range(8)),
        *(
            create(call, "Patient", a_patient(number=NUMBER), if_none_exist=SAME_NUMBER)
            for _ in range(8)
        ),
    )

    assert await count(call, "Patient") == 1


async def test_of_transactions_with_the_same_if_match_one_wins_whole(ward: Call) -> None:
    def racing(number: int) -> Any:
        changed = a_patient(resource_id="ada", number=NUMBER, family=f"Racer {number}")
        return transaction(
            ward,
            a_transaction(
                an_entry("PUT", "Patient/ada", changed, ifMatch='W/"1"'),
                an_entry("POST", "Observation", an_observation("Patient/ada")),
            ),
        )

    outcomes = await asyncio.gather(*(racing(n) for n in range(12)), return_exceptions=True)

    assert sum(isinstance(each, PreconditionFailed) for each in outcomes) == 11
    assert await count(ward, "Observation") == 1


async def test_patches_in_transactions_at_once_all_take_effect(ward: Call) -> None:
    def racing(number: int) -> Any:
        name = {"family": f"Racer {number}"}
        change = a_json_patch([{"op": "add", "path": "/name/-", "value": name}])
        return transaction(ward, a_transaction(an_entry("PATCH", "Patient/ada", change)))

    await asyncio.gather(*(racing(n) for n in range(4)))

    assert len(body(await read(ward, ADA))["name"]) == 5


async def test_a_large_transaction_is_written_whole(call: Call) -> None:
    bundle = a_transaction(
        *(an_entry("PUT", f"Patient/p{n}", a_patient(resource_id=f"p{n}")) for n in range(150))
    )

    results = await transaction(call, bundle)

    assert [saved(each).stored.key for each in results] == [
        Key("Patient", f"p{n}") for n in range(150)
    ]
