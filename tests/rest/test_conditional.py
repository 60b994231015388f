"""Headers that make a request conditional."""

from __future__ import annotations

import pytest

from fhir_server.fhir.errors import BadRequest, NotSupported
from fhir_server.fhir.resource import Key, Stored
from fhir_server.rest.conditional import (
    Preferences,
    expected_version,
    not_modified,
    preferences,
    refuse_if_none_match,
)
from fhir_server.rest.content import Given
from fhir_server.rest.request import Request

STORED = Stored(Key("Patient", "ada"), 3, 1_700_000_000_400_000, "PUT", b"{}")
"""Written at 22:13:20.4 on 14 November 2023."""


def a_request(**headers: str) -> Request:
    encoded = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return Request("GET", ("Patient", "ada"), "", encoded, "http://here/fhir", Given(None))


@pytest.mark.parametrize(
    "value",
    ["3", "*", "W/3", 'W/"x"', 'W/""', '"3", "4"', "W/'3'", 'W/"-1"', 'W/"' + "9" * 16 + '"'],
)
def test_an_if_match_that_names_no_version_is_refused(value: str) -> None:
    with pytest.raises(BadRequest, match="names one version"):
        expected_version(a_request(if_match=value))


@pytest.mark.parametrize(("value", "version"), [('W/"3"', 3), ('"12"', 12), (' W/"7" ', 7)])
def test_if_match_names_a_version(value: str, version: int) -> None:
    assert expected_version(a_request(if_match=value)) == version


def test_without_if_match_any_version_is_expected() -> None:
    assert expected_version(a_request()) is None


def test_if_none_match_on_a_write_is_refused() -> None:
    refuse_if_none_match(a_request())
    with pytest.raises(NotSupported, match="If-None-Exist"):
        refuse_if_none_match(a_request(if_none_match="*"))


@pytest.mark.parametrize(
    ("headers", "same"),
    [
        ({}, False),
        ({"if_none_match": 'W/"2"'}, False),
        ({"if_none_match": "3"}, False),
        ({"if_none_match": 'W/"3"'}, True),
        ({"if_none_match": '"3"'}, True),
        ({"if_none_match": 'W/"1", W/"3"'}, True),
        ({"if_none_match": "*"}, True),
        ({"if_modified_since": "Tue, 14 Nov 2023 22:13:19 GMT"}, False),
        ({"if_modified_since": "Tue, 14 Nov 2023 22:13:20 GMT"}, True),
        ({"if_modified_since": "Tue, 14 Nov 2023 22:13:21 GMT"}, True),
        ({"if_modified_since": "yesterday"}, False),
        (
            {"if_none_match": 'W/"2"', "if_modified_since": "Tue, 14 Nov 2023 22:13:21 GMT"},
            False,
        ),
    ],
)
def test_a_version_that_the_client_has_is_not_sent(headers: dict[str, str], *, same: bool) -> None:
    assert not_modified(a_request(**headers), STORED) is same


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("", Preferences()),
        ("return=minimal", Preferences("minimal")),
        ("return=representation", Preferences()),
        ("return=OperationOutcome", Preferences("OperationOutcome")),
        ("handling=lenient", Preferences(lenient=True)),
        ("handling=strict", Preferences(strict=True)),
        ("return=minimal; handling=lenient", Preferences("minimal", lenient=True)),
        ("handling=lenient, return=minimal", Preferences("minimal", lenient=True)),
        ("respond-async", Preferences()),
    ],
)
def test_preferences_are_read(header: str, wanted: Preferences) -> None:
    assert preferences(header) == wanted
