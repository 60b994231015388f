"""What wiring gives to all below it."""

from __future__ import annotations

from uuid import RFC_4122, UUID

from fhir_server.wiring import new_id


def test_a_new_id_is_a_random_uuid_written_as_others_are() -> None:
    made = [new_id() for _ in range(200)]
    found = [UUID(each) for each in made]

    assert [str(each) for each in found] == made
    assert {(each.version, each.variant) for each in found} == {(4, RFC_4122)}
    assert len(set(made)) == 200
    assert {each[19] for each in made} == set("89ab")
