"""What the catalogue of search parameters says of each, and how it follows from what there is."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fhir_server.fhir.resource import Resource
from fhir_server.search.catalogue import (
    Catalogue,
    Entry,
    Work,
    indexes_alike,
    packed,
    unpacked,
)
from fhir_server.search.deriving import candidates, derived
from fhir_server.search.filtering import known_parameters
from fhir_server.search.indexing import Extractor
from tests.search.support import DEFINITIONS as EXTENDED
from tests.search.support import R4 as DEFINITIONS

PATHS = {
    "Patient": ("communication.language", "gender", "name.use"),
    "Flag": ("code", "category"),
    "Resource": ("language", "meta.tag"),
}


def a_parameter(name: str, code: str, base: str, path: str, **more: Any) -> Resource:
    return {
        "id": name,
        "url": f"https://example.org/{name}",
        "status": "active",
        "code": code,
        "base": [base],
        "type": "token",
        "expression": f"{base}.{path}",
        **more,
    }


def found(*parameters: Resource) -> list[Entry]:
    return [entry for each in parameters for entry in candidates(each["id"], each, DEFINITIONS)]


@st.composite
def parameters(draw: st.DrawFn) -> Resource:
    base = draw(st.sampled_from(sorted(PATHS)))
    return a_parameter(
        draw(st.sampled_from("abcd")),
        draw(st.sampled_from(("one", "two", "gender"))),
        base,
        draw(st.sampled_from(PATHS[base])),
        status=draw(st.sampled_from(("active", "active", "draft"))),
    )


histories = st.lists(
    st.lists(parameters(), max_size=4, unique_by=lambda each: each["id"]), max_size=5
)


@given(histories, st.randoms(use_true_random=False))
def test_each_code_of_a_type_belongs_to_one_parameter_whatever_was_before(
    history: list[list[Resource]], dice: Any
) -> None:
    catalogue = Catalogue()
    for number, now in enumerate(history):
        before = catalogue
        catalogue = derived(before, found(*now), DEFINITIONS, as_of=number)
        claimed = [(kind, e.code) for e in catalogue.entries if e.is_indexed for kind in e.types]
        assert len(claimed) == len(set(claimed))
        assert ("Patient", "gender") not in claimed
        assert derived(catalogue, found(*now), DEFINITIONS, as_of=number) == catalogue
        _check_nothing_is_searched_by_too_early(before, catalogue)
        if catalogue.work and dice.random() < 0.5:
            catalogue = catalogue.finished(list(catalogue.work)[: dice.randrange(150)])
        assert unpacked(packed(catalogue)) == catalogue


def _check_nothing_is_searched_by_too_early(before: Catalogue, after: Catalogue) -> None:
    """A type whose records change is work, and what was not searched by the same before waits."""
    old, new = before.additions(), after.additions()
    changed = {kind for kind in old.keys() | new.keys() if old.get(kind) != new.get(kind)}
    assert changed - {"Resource"} <= after.work.keys()
    assert indexes_alike(before, after) == (not changed)
    for kind, parameters in after.searchable().items():
        for code, each in parameters.items():
            assert before.searchable()[kind][code] == each


@given(st.lists(parameters(), max_size=4, unique_by=lambda each: each["id"]))
def test_all_is_enabled_when_all_work_is_done(now: list[Resource]) -> None:
    catalogue = derived(Catalogue(), found(*now), DEFINITIONS, as_of=1)

    done = catalogue.finished(list(catalogue.work))

    assert not done.work
    assert not done.withheld()
    assert done.additions() == done.searchable() == catalogue.additions()


def test_nothing_is_enabled_before_every_type_is_done() -> None:
    parameter = a_parameter("a", "one", "Flag", "code")
    both = parameter | {"base": ["Resource"], "expression": "Resource.meta.tag"}
    catalogue = derived(Catalogue(), found(both), DEFINITIONS, as_of=1)

    (entry,) = catalogue.finished(sorted(catalogue.work)[:-1]).entries

    assert (len(catalogue.work), entry.state) == (146, "backfilling")


def test_progress_is_told_in_percent_and_never_all_before_it_is_done() -> None:
    catalogue = derived(
        Catalogue(), found(a_parameter("a", "one", "Flag", "code")), DEFINITIONS, as_of=1
    )
    (entry,) = catalogue.entries

    assert catalogue.withheld() == {"Flag": {"one": "pending, 0 percent done"}}
    half = catalogue.reached("Flag", Work(9, "x", 50, 100))
    assert half.withheld() == {"Flag": {"one": "backfilling, 50 percent done"}}
    assert catalogue.reached("Flag", Work(9, "x", 500, 100)).percent_of(entry) == 99


def test_parameters_of_r4_are_indexed_as_ever_beside_one_that_asks_for_the_same() -> None:
    same = a_parameter("a", "c", "Observation", "code") | {"code": "c"}
    added = derived(Catalogue(), found(same), DEFINITIONS, as_of=1).additions()
    resource = {
        "resourceType": "Observation",
        "id": "o",
        "code": {"coding": [{"code": "8480-6"}]},
    }

    plain = Extractor(DEFINITIONS).extract(resource)
    both = Extractor(DEFINITIONS).over(DEFINITIONS.extended_by(added), 1).extract(resource)

    assert set(plain.terms) < set(both.terms)
    assert {each for each in both.terms if not each.startswith("c=")} == set(plain.terms)
    known = known_parameters(DEFINITIONS.extended_by(added), "Observation")
    assert known.covered == known_parameters(DEFINITIONS, "Observation").covered


def test_a_parameter_places_nothing_in_a_compartment() -> None:
    expression = "Basic.extension('https://example.org/x').value"
    keeper = a_parameter("a", "keeper", "Basic", "x", type="reference", expression=expression)
    added = derived(Catalogue(), found(keeper), DEFINITIONS, as_of=1).additions()
    refers = {"url": "https://example.org/x", "valueReference": {"reference": "Patient/ada"}}
    resource = {"resourceType": "Basic", "id": "b", "extension": [refers]}

    record = Extractor(DEFINITIONS).over(DEFINITIONS.extended_by(added), 1).extract(resource)

    assert "keeper>Patient/ada" in record.terms
    assert record.compartments == ()


def test_r4_is_as_it_was_without_what_was_added() -> None:
    assert "physical-type" in EXTENDED.search_parameters("Location")
    assert "physical-type" not in DEFINITIONS.search_parameters("Location")
    assert EXTENDED.origin is DEFINITIONS
    assert EXTENDED.search_parameters("Patient") is DEFINITIONS.search_parameters("Patient")


def test_who_has_a_code_keeps_it_however_often_a_wider_parameter_comes_first() -> None:
    narrow = a_parameter("a", "one", "Flag", "code")
    wide = a_parameter("b", "one", "Resource", "language")
    first = derived(Catalogue(), found(narrow), DEFINITIONS, as_of=0)

    second = derived(first, found(wide, narrow), DEFINITIONS, as_of=1)
    third = derived(second, found(wide, narrow), DEFINITIONS, as_of=1)

    assert third == second
    assert {each.source: "Flag" in each.types for each in third.entries} == {"a": True, "b": False}
