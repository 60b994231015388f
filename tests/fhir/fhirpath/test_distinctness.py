"""Values that are the same."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fhir_server.fhir.fhirpath import Node
from fhir_server.fhir.fhirpath.distinctness import among, distinct, mark
from fhir_server.fhir.fhirpath.equality import equal

SCALARS = st.sampled_from([True, False, 0, 1, Decimal("1.0"), Decimal("0.5"), "1", "true", ""])
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=6,
)
MOMENTS = st.sampled_from(
    [
        "2020",
        "2020-01",
        "2020-01-01",
        "2020-01-01T10:00:00Z",
        "2020-01-01T11:00:00.0+01:00",
        "2020-01-01T10:00:00",
    ]
)
QUANTITIES = st.fixed_dictionaries(
    {
        "value": st.sampled_from([Decimal(1), Decimal("1.0"), Decimal(1000), Decimal("1e300")]),
        "code": st.sampled_from(["g", "kg", "mg", "nope"]),
        "system": st.just("http://unitsofmeasure.org"),
    }
)
NODES = (
    st.builds(Node, st.just("Extension"), JSON, st.none())
    | st.builds(Node, st.sampled_from(["date", "dateTime"]), MOMENTS, st.none())
    | st.builds(Node, st.just("Quantity"), QUANTITIES, st.none())
    | st.builds(Node, st.just("string"), st.none(), st.sampled_from([{"id": "a"}, {"id": "b"}]))
)


@given(NODES, NODES)
def test_two_values_have_one_mark_exactly_if_they_are_equal(one: Node, other: Node) -> None:
    assert (mark(one) == mark(other)) == (equal(one, other) is True)


@given(st.lists(NODES))
def test_of_equal_values_the_first_is_kept(nodes: list[Node]) -> None:
    kept = distinct(nodes)

    assert all(among(kept)(each) for each in nodes)
    assert len({mark(each) for each in kept}) == len(kept)
    assert kept == [each for i, each in enumerate(nodes) if not among(nodes[:i])(each)]
