"""Paths and methods."""

from __future__ import annotations

import pytest

from fhir_server.fhir.errors import NotFound
from fhir_server.rest.routing import NotServed, segments_of, template_of
from fhir_server.rest.table import ROUTES

TYPES = frozenset({"Patient", "Observation"})


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/Patien", "did you mean Patient"),
        ("/patient", "did you mean Patient"),
        ("/patient/1", "did you mean Patient"),
        ("/OBSERVATION/1/_history", "did you mean Observation"),
        ("/Xyz", "case-sensitive"),
        ("/../etc/passwd", "not served"),
        ("/Patient/1/Observatio", "did you mean Observation"),
        ("/Patient/1/observation/_search", "did you mean Observation"),
        ("/Patient//1", "no resource type"),
    ],
)
def test_an_unknown_type_is_not_found_with_a_suggestion(path: str, message: str) -> None:
    with pytest.raises(NotFound, match=message):
        template_of(segments_of(path), TYPES)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/$export", "operation '\\$export'"),
        ("/Patient/$match", "operation"),
        ("/Patient/1/$everithing", r"these are: .*Patient/\[id\]/\$everything"),
        ("/Observation/$everything", r"Encounter/\[id\]/\$everything"),
        ("/Observation/1/$everything", "operation 'Observation/1/\\$everything'"),
        ("/Patient/1/$everything/2", "operation"),
        ("/Patient/1/Observation/$lastn", "operation"),
        ("/Patient/$", "operation"),
        ("/Patient/_foo", "not served"),
        ("/Patient/1/_history/2/3", "not served"),
        ("/_foo", "not served"),
        ("/.well-known/openid-configuration", "not served"),
        ("/Patient/1/_search", "not served"),
        ("/Patient/1/*/_history", "not served"),
    ],
)
def test_what_fhir_has_and_this_server_does_not_is_not_served(path: str, message: str) -> None:
    with pytest.raises(NotServed, match=message):
        template_of(segments_of(path), TYPES)


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("", "/"),
        ("/", "/"),
        ("/metadata", "/metadata"),
        ("/_history", "/_history"),
        ("/_search", "/_search"),
        ("/Patient", "/[type]"),
        ("/Patient/", "/[type]"),
        ("/Patient/_search", "/[type]/_search"),
        ("/Patient/_history", "/[type]/_history"),
        ("/Patient/1", "/[type]/[id]"),
        ("/Patient/metadata", "/[type]/[id]"),
        ("/Patient/1/_history", "/[type]/[id]/_history"),
        ("/Patient/1/_history/2", "/[type]/[id]/_history/[vid]"),
        ("/Patient/1/Observation", "/[type]/[id]/[type]"),
        ("/Patient/1/*", "/[type]/[id]/[type]"),
        ("/Patient/1/$everything", "/Patient/[id]/$everything"),
        ("/Observation/$lastn", "/Observation/$lastn"),
        ("/Patient/1/Observation/_search", "/[type]/[id]/[type]/_search"),
    ],
)
def test_a_path_fits_one_template(path: str, template: str) -> None:
    assert template_of(segments_of(path), TYPES) == template
    assert template in ROUTES


def test_every_get_is_a_head_too() -> None:
    assert all("HEAD" in methods for methods in ROUTES.values() if "GET" in methods)
