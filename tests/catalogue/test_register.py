"""What is in force follows what is stored, in every process."""

from __future__ import annotations

from pathlib import Path

import pytest

from fhir_server.fhir.errors import BadRequest, InvalidResource, OutdatedIndex
from fhir_server.fhir.resource import Key
from fhir_server.interactions.update import update
from fhir_server.search.filtering import NotYetSearchable
from fhir_server.storage.sqlite.emptying import empty_store
from tests.catalogue.nodes import LANGUAGE, SHIPPED, TITLE, Node, a_node, a_parameter, a_patient


async def test_a_parameter_that_cannot_be_used_is_refused_when_it_is_written(node: Node) -> None:
    with pytest.raises(InvalidResource, match="Patient has no element nonsense"):
        await node.put(a_parameter("bad", "Patient.nonsense"))

    assert await node.states() == {}


async def test_a_parameter_is_refused_by_every_process_until_everything_is_indexed(
    node: Node, other: Node
) -> None:
    await node.put(a_patient("ada", "fr"), LANGUAGE)

    for each in (node, other):
        with pytest.raises(NotYetSearchable, match=r"spoken of Patient is pending, 0 percent"):
            await each.found("Patient", spoken="fr")
    await other.settle()

    for each in (node, other):
        assert await each.found("Patient", spoken="fr") == ["ada"]


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("Patient", {"spoken:missing": "true"}),
        ("Patient", {"_sort": "spoken"}),
        ("Observation", {"subject:Patient.spoken": "fr"}),
        ("Observation", {"subject.spoken": "fr"}),
        ("Organization", {"_has:Patient:organization:spoken": "fr"}),
    ],
)
async def test_no_form_of_a_search_leaves_out_what_is_not_indexed_yet(
    node: Node, kind: str, asked: dict[str, str]
) -> None:
    await node.put(a_patient("ada", "fr"), LANGUAGE)

    with pytest.raises(NotYetSearchable):
        await node.found(kind, **asked)


async def test_a_reference_is_not_included_by_before_everything_is_indexed(node: Node) -> None:
    await node.put(a_parameter("keeper", "Patient.managingOrganization", type="reference"))

    for name in ("_include", "_revinclude"):
        with pytest.raises(NotYetSearchable):
            await node.found("Patient", **{name: "Patient:keeper"})
    await node.settle()

    assert await node.found("Patient", _include="Patient:keeper") == []


async def test_what_is_written_under_outdated_parameters_is_refused_and_written_anew(
    node: Node, other: Node
) -> None:
    outdated = other.call()
    await node.put(LANGUAGE)
    await node.register.refresh()

    with pytest.raises(OutdatedIndex):
        await update(outdated, Key("Patient", "ada"), a_patient("ada", "fr"))
    await other.put(a_patient("ada", "fr"))
    await node.settle()

    assert await node.found("Patient", spoken="fr") == ["ada"]


async def test_a_search_that_began_under_other_parameters_does_not_count(
    node: Node, other: Node
) -> None:
    force = other.register.current
    await other.register.check(force)
    await node.put(LANGUAGE)

    with pytest.raises(OutdatedIndex):
        await other.register.check(force)


async def test_a_deleted_parameter_is_unknown_at_once_and_leaves_nothing_in_the_index(
    node: Node, other: Node
) -> None:
    await node.put(a_patient("ada", "fr"), LANGUAGE)
    await node.settle()
    before = await node.store.read_many(node.call().sight, [Key("Patient", "ada")])

    await node.delete("SearchParameter", "spoken")

    with pytest.raises(BadRequest, match="no search parameter 'spoken'"):
        await other.found("Patient", spoken="fr")
    await other.settle()
    after = await node.store.read_many(node.call().sight, [Key("Patient", "ada")])
    assert any("spoken" in each for each in before[0].record.terms)
    assert not any("spoken" in each for each in after[0].record.terms)


async def test_a_changed_parameter_is_searched_by_again_once_everything_is_indexed_anew(
    node: Node,
) -> None:
    await node.put(a_patient("ada", "fr", gender="female"), LANGUAGE)
    await node.settle()

    await node.put({**LANGUAGE, "expression": "Patient.gender"})

    with pytest.raises(NotYetSearchable):
        await node.found("Patient", spoken="fr")
    await node.settle()
    assert await node.found("Patient", spoken="fr") == []
    assert await node.found("Patient", spoken="female") == ["ada"]


async def test_a_parameter_goes_on_where_only_its_description_changed(node: Node) -> None:
    await node.put(a_patient("ada", "fr"), LANGUAGE)
    await node.settle()
    generation = node.register.current.stamp.generation

    await node.put({**LANGUAGE, "description": "The language that someone speaks"})

    assert await node.found("Patient", spoken="fr") == ["ada"]
    assert node.register.current.stamp.generation == generation


async def test_one_that_is_not_active_is_kept_and_not_used(node: Node) -> None:
    await node.put({**LANGUAGE, "status": "draft"})

    assert await node.states() == {"spoken": "unused"}
    with pytest.raises(BadRequest, match="no search parameter 'spoken'"):
        await node.found("Patient", spoken="fr")


async def test_r4_goes_on_where_a_parameter_has_the_code_of_one_of_its_own(node: Node) -> None:
    await node.put(a_patient("ada", None, gender="female"))
    await node.put(a_parameter("gender", "Patient.communication.language"))

    assert await node.states() == {"gender": "conflicting"}
    assert await node.found("Patient", gender="female") == ["ada"]


async def test_of_two_with_one_code_the_first_goes_on_until_it_is_deleted(node: Node) -> None:
    await node.put(a_patient("ada", "fr", gender="female"), LANGUAGE)
    await node.settle()

    second = a_parameter("spoken", "Patient.gender") | {"id": "a-second"}
    await node.put(second)

    assert await node.states() == {"spoken": "enabled", "a-second": "conflicting"}
    assert await node.found("Patient", spoken="fr") == ["ada"]
    await node.delete("SearchParameter", "spoken")
    await node.settle()
    assert await node.states() == {"a-second": "enabled"}
    assert await node.found("Patient", spoken="female") == ["ada"]


async def test_several_written_at_once_are_used_together(node: Node, other: Node) -> None:
    ada = a_patient("ada", "fr", name=[{"family": "Lovelace", "prefix": ["Countess"]}])
    await node.put(ada, LANGUAGE, TITLE)

    await other.settle()

    assert await node.found("Patient", spoken="fr", title="count") == ["ada"]
    assert set((await other.states()).values()) == {"enabled"}


async def test_a_parameter_of_every_resource_is_searched_by_on_each_type(node: Node) -> None:
    rated = [{"url": "https://node.example.org/rating", "valueCode": "good"}]
    flag = {"resourceType": "Basic", "id": "b", "code": {"text": "x"}, "extension": rated}
    await node.put(a_patient("ada", None, extension=rated), flag)
    expression = "DomainResource.extension('https://node.example.org/rating').value"
    await node.put(a_parameter("rating", expression))

    await node.settle()

    assert await node.found("Patient", rating="good") == ["ada"]
    assert await node.found("Basic", rating="good") == ["b"]
    assert await node.found("Location", rating="good") == []
    with pytest.raises(BadRequest, match="no search parameter 'rating'"):
        await node.found("Bundle", rating="good")


async def test_what_cannot_be_evaluated_on_a_resource_yields_nothing_there(node: Node) -> None:
    await node.put(a_parameter("one-name", "Patient.name.select(given.single())", type="string"))
    await node.settle()

    await node.put(a_patient("ada", None, name=[{"given": ["Ada", "Augusta"]}]))
    await node.put(a_patient("bob", None, name=[{"given": ["Bob"]}]))

    assert await node.found("Patient", **{"one-name": "bob"}) == ["bob"]
    assert await node.found("Patient", **{"one-name": "ada"}) == []


async def test_a_date_that_was_added_never_decides_the_order_of_a_page(node: Node) -> None:
    slots = [
        {
            "resourceType": "SupplyDelivery",
            "id": name,
            "status": "completed",
            "occurrenceDateTime": day,
        }
        for name, day in (("old", "2020-01-01"), ("new", "2024-01-01"), ("mid", "2022-01-01"))
    ]
    await node.put(*slots, a_parameter("occurrence", "SupplyDelivery.occurrence", type="date"))
    await node.settle()

    found = await node.store.read_many(
        node.call().sight, [Key("SupplyDelivery", name) for name in ("old", "new", "mid")]
    )

    assert len({each.record.primary for each in found}) == 1
    assert await node.found("SupplyDelivery", occurrence="ge2022") == ["mid", "new"]


async def test_those_that_are_shipped_are_enabled_in_a_new_store_after_one_turn(
    path: Path,
) -> None:
    async with a_node(path, SHIPPED) as node:
        await node.settle()

        catalogue = node.register.current.catalogue
        assert {each.state for each in catalogue.entries} == {"enabled"}
        assert len(catalogue.entries) == len(SHIPPED) == 10
        assert catalogue.holder == ""


async def test_those_that_are_shipped_are_indexed_by_in_a_store_that_was_there_before(
    path: Path,
) -> None:
    bed = {"resourceType": "Location", "id": "bed", "physicalType": {"coding": [{"code": "bd"}]}}
    async with a_node(path) as earlier:
        await earlier.put(bed)

    async with a_node(path, SHIPPED) as node:
        with pytest.raises(NotYetSearchable):
            await node.found("Location", **{"physical-type": "bd"})
        await node.settle()

        assert await node.found("Location", **{"physical-type": "bd"}) == ["bed"]


async def test_one_that_is_shipped_goes_on_where_a_client_writes_the_same(path: Path) -> None:
    async with a_node(path, SHIPPED) as node:
        await node.settle()
        await node.put(a_parameter("physical-type", "Location.status"))

        assert await node.states() == {"physical-type": "conflicting"}


async def test_a_store_that_is_emptied_under_a_server_begins_anew(path: Path) -> None:
    async with a_node(path, SHIPPED) as node:
        await node.put(LANGUAGE, a_patient("ada", "fr"))
        await node.settle()

        empty_store(path)
        await node.put(a_patient("bob", "fr"))
        await node.settle()

        assert await node.states() == {}
        assert await node.found("Location", **{"physical-type": "bd"}) == []
        assert await node.found("Patient", _id="bob") == ["bob"]
