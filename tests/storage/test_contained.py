"""Chains into contained resources: every way of answering them finds what the oracle finds."""

from __future__ import annotations

import asyncio
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_server.policy.visibility import Visibility
from fhir_server.search.expression import AllOf, AnyOf, HasTerm, Not, Plan, PointsTo, Predicate
from fhir_server.search.record import NO_DATE, IndexRecord
from tests.storage.conftest import BACKENDS
from tests.storage.test_joins import World, compare

EXAMPLES = 2_000 if os.environ.get("FHIR_TEST_LONG") else 150
EVERYTHING = Visibility.everything("test")
IDS = ("1", "2", "3", "4")
WORDS = ("name^smith", "name^jones")

words = st.sets(st.sampled_from(WORDS), min_size=1, max_size=2)
members = st.sampled_from((("1",), ("1", "2"), ()))


@st.composite
def patients(draw: st.DrawFn) -> tuple[str, IndexRecord]:
    terms = tuple(sorted(draw(words)))
    seen = draw(members)
    return "Patient", IndexRecord(draw(st.sampled_from(IDS)), terms, (), (), NO_DATE, seen, seen)


@st.composite
def observations(draw: st.DrawFn) -> tuple[str, IndexRecord]:
    """Return an observation of a patient beside it, or of one of two inside it that share an organisation."""
    refers = draw(
        st.sampled_from(
            (
                {"patient>Patient/1"},
                {"patient>Patient/3"},
                {"patient<", "patient<p"},
                {"patient<", "patient<q"},
                {"patient<", "patient<p", "patient>Patient/1"},
                {"patient<", "patient<gone"},
            )
        )
    )
    organisation = {"organization<", "organization<o"}
    inside = [
        ("Patient", _inside("p", draw(words) | organisation)),
        ("Patient", _inside("q", draw(words))),
        ("Organization", _inside("o", draw(words))),
        ("Group", _inside("q", set(WORDS))),
    ]
    terms = refers | {f"code={draw(st.sampled_from('ab'))}\x1f"}
    seen = draw(members)
    return "Observation", IndexRecord(
        draw(st.sampled_from(IDS)),
        tuple(sorted(terms)),
        (),
        (),
        draw(st.sampled_from((NO_DATE, 0, 1))),
        seen,
        seen,
        tuple(inside),
    )


def _inside(name: str, terms: set[str]) -> IndexRecord:
    return IndexRecord(f"#{name}", tuple(sorted(terms)), (), (), NO_DATE, (), ())


named = st.builds(HasTerm, st.sampled_from(WORDS))
employed = named.map(lambda each: PointsTo("organization", "Organization", each))
ends: st.SearchStrategy[Predicate] = st.one_of(named, named, st.builds(Not, named), employed)
chains = st.builds(lambda inner: PointsTo("patient", "Patient", inner), ends)
asked: st.SearchStrategy[Predicate] = st.one_of(
    chains,
    chains,
    st.builds(lambda first, second: AllOf((first, second)), chains, chains),
    st.builds(lambda first, second: AnyOf((first, second)), chains, chains),
    st.builds(lambda first: AllOf((HasTerm("code=a\x1f"), first)), chains),
    st.builds(Not, chains),
)
plans = st.builds(lambda predicate: Plan(frozenset({"Observation"}), predicate), asked)
sights = st.sampled_from(
    (
        EVERYTHING,
        EVERYTHING.of_patient("1"),
        EVERYTHING.of_patient("2"),
        EVERYTHING.of_types(frozenset({"Observation"})),
    )
)


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    world=st.lists(st.one_of(patients(), observations(), observations()), min_size=3, max_size=10),
    plan=plans,
    sight=sights,
)
def test_a_chain_into_a_contained_resource_is_answered_as_by_the_oracle(
    backend: str, world: World, plan: Plan, sight: Visibility
) -> None:
    asyncio.run(compare(backend, world, plan, sight))
