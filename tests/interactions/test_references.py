"""Tests of how references within a resource are found and replaced."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.interactions.references import references_in, relinked

URN = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
NEW = "Patient/new-1"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["reference", "url", "a", "b"]), inner, max_size=4)
    ),
    max_leaves=20,
)


@pytest.mark.parametrize(
    "untouched",
    [
        {"identifier": [{"system": "urn:ietf:rfc:3986", "value": URN}]},
        {"instantiatesCanonical": [URN]},
        {"resourceType": "ValueSet", "url": URN},
        {"valueString": URN},
        {"valueCanonical": URN},
        {"text": {"status": "generated", "div": f'<div><a href="{URN}">x</a></div>'}},
        {"subject": {"reference": f"{URN}#part"}},
        {"subject": {"reference": "#contained"}},
        {"resourceType": "Bundle", "entry": [{"resource": {"subject": {"reference": URN}}}]},
    ],
)
def test_what_is_no_link_is_left_alone(untouched: dict[str, Any]) -> None:
    assert relinked(untouched, {URN: NEW}, {URN: NEW}) is untouched


@pytest.mark.parametrize(
    "linked",
    [
        {"subject": {"reference": URN}},
        {"performer": [{"reference": "Patient/1"}, {"reference": URN, "display": "Ada"}]},
        {"contained": [{"resourceType": "Observation", "subject": {"reference": URN}}]},
        {"extension": [{"url": "urn:x", "valueReference": {"reference": URN}}]},
        {"content": [{"attachment": {"url": URN}}]},
        {"extension": [{"url": "urn:x", "valueUri": URN}]},
        {"parameter": [{"name": "a", "part": [{"name": "b", "valueUrl": URN}]}]},
    ],
)
def test_links_at_any_depth_are_replaced(linked: dict[str, Any]) -> None:
    before = repr(linked)

    changed = relinked(linked, {URN: NEW}, {URN: NEW})

    assert repr(changed) == before.replace(URN, NEW)
    assert repr(linked) == before


def test_references_are_found_at_any_depth_but_for_local_ones() -> None:
    resource = {
        "subject": {"reference": URN},
        "contained": [{"performer": [{"reference": "Practitioner?identifier=1"}]}],
        "focus": [{"reference": "#local"}, {"reference": None}],
    }

    assert references_in(resource) == {URN, "Practitioner?identifier=1"}


@given(JSON)
def test_without_anything_to_replace_the_value_is_the_same_object(value: Any) -> None:
    assert relinked(value, {}, {}) is value


@given(JSON)
def test_what_is_replaced_is_found_no_more(value: Any) -> None:
    new = {each: f"new:{each}" for each in references_in(value)}

    assert references_in(relinked(value, new, {})) == set(new.values())
