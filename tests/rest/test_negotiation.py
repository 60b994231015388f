"""Formats: what is asked for, what is sent."""

from __future__ import annotations

import pytest

from fhir_server.fhir.errors import NotAcceptable, UnsupportedMediaType
from fhir_server.rest.negotiation import (
    Format,
    content_format,
    is_resource,
    media_type,
    names_fhir,
    negotiate,
)

JSON, XML = Format.JSON, Format.XML


@pytest.mark.parametrize(
    ("accept", "asked"),
    [
        ("text/turtle", ""),
        ("application/pdf, image/*", ""),
        ("application/fhir+json;q=0", ""),
        ("application/fhir+json;q=none", ""),
        ("application/fhir+json;fhirVersion=3.0", ""),
        ("application/fhir+json", "ttl"),
        ("", "application/fhir+turtle"),
        ("", "application/fhir+json;fhirVersion=5.0"),
    ],
)
def test_a_format_that_is_not_written_is_refused(accept: str, asked: str) -> None:
    with pytest.raises(NotAcceptable, match="this server writes"):
        negotiate(accept, asked)


@pytest.mark.parametrize(
    ("accept", "asked", "wanted"),
    [
        ("", "", JSON),
        ("*/*", "", JSON),
        ("application/*", "", JSON),
        ("application/json", "", JSON),
        ("text/json", "", JSON),
        ("application/fhir+json", "", JSON),
        ("application/fhir+json; fhirVersion=4.0", "", JSON),
        ("application/fhir+xml", "", XML),
        ("application/fhir+xml; charset=utf-8", "", XML),
        ("APPLICATION/FHIR+XML", "", XML),
        ("application/xml", "", XML),
        ("text/xml", "", XML),
        ("application/fhir+xml, application/fhir+json", "", XML),
        ("application/fhir+xml;q=0.5, application/fhir+json;q=0.9", "", JSON),
        ("application/fhir+json;q=0.1, application/fhir+xml", "", XML),
        ("application/fhir+json;q=0, */*;q=0.1, application/fhir+xml;q=0.2", "", XML),
        ("text/turtle, application/fhir+xml;q=0.3", "", XML),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "", JSON),
        ("application/fhir+xml", "json", JSON),
        ("application/fhir+json", "xml", XML),
        ("text/turtle", "xml", XML),
        ("", "application/fhir+xml", XML),
        ("", "application/fhir xml", XML),
        ("", "application/fhir json", JSON),
        ("", "text/xml", XML),
        ("", "text/html", JSON),
        ("", "application/fhir+xml; fhirVersion=4.0", XML),
    ],
)
def test_the_format_is_the_one_that_is_ranked_highest(
    accept: str, asked: str, wanted: Format
) -> None:
    assert negotiate(accept, asked) is wanted


@pytest.mark.parametrize(
    ("content_type", "message"),
    [
        ("", "is missing"),
        ("text/plain", "text/plain"),
        ("application/x-www-form-urlencoded", "application/fhir"),
        ("application/fhir+json; charset=iso-8859-1", "UTF-8"),
        ("application/fhir+json; charset=utf-16", "utf-16"),
        ("application/fhir+xml; fhirVersion=3.0", "4.0"),
    ],
)
def test_a_body_that_is_not_read_here_is_refused(content_type: str, message: str) -> None:
    with pytest.raises(UnsupportedMediaType, match=message):
        content_format(content_type)


@pytest.mark.parametrize(
    ("content_type", "wanted"),
    [
        ("application/fhir+json", JSON),
        ("application/json; charset=UTF-8", JSON),
        ('application/fhir+json; charset="utf-8"', JSON),
        ("application/fhir+json; fhirVersion=4.0.1", JSON),
        ("text/xml", XML),
    ],
)
def test_a_body_is_read_by_its_content_type(content_type: str, wanted: Format) -> None:
    assert content_format(content_type) is wanted


def test_a_media_type_has_no_parameters_left() -> None:
    assert media_type("Application/JSON-Patch+JSON; charset=utf-8") == "application/json-patch+json"


@pytest.mark.parametrize(
    ("accept", "asked", "named"),
    [
        ("", "", False),
        ("*/*", "", False),
        ("image/png", "", False),
        ("application/fhir+json", "", True),
        ("image/png, application/fhir+xml;q=0.1", "", True),
        ("image/png", "json", True),
    ],
)
def test_a_binary_is_a_resource_where_fhir_is_named(
    accept: str, asked: str, *, named: bool
) -> None:
    assert names_fhir(accept, asked) is named


def test_content_that_is_no_fhir_is_told_apart() -> None:
    assert is_resource("application/fhir+json")
    assert not is_resource("application/pdf")
