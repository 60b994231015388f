"""What every answer has to be, whatever was asked."""

from __future__ import annotations

import json

from lxml import etree

from tests.support.raw_http import Ask, Told

_BODILESS = frozenset({204, 304})


def faults_of(ask: Ask, told: Told) -> list[str]:
    """Return what is wrong with an answer."""
    faults = []
    if told.status >= 500:
        faults.append(f"it answers {told.status}")
    if not told.headers.get("X-Request-Id"):
        faults.append("the answer has no request id")
    if ask.method == b"HEAD" or told.status in _BODILESS:
        return [*faults, "the answer has a body"] if told.body else faults
    if told.status >= 400 and "OperationOutcome" not in (kind := _kind_of(told)):
        faults.append(f"{told.status} with {kind}, no OperationOutcome")
    return faults


def _kind_of(told: Told) -> str:
    """Return the type of the resource in the body, or what there is instead."""
    media_type = told.headers.get_content_type()
    try:
        if media_type == "application/fhir+json":
            outcome = json.loads(told.body)
            assert outcome["issue"][0]["diagnostics"]
            return str(outcome["resourceType"])
        if media_type == "application/fhir+xml":
            return etree.QName(etree.fromstring(told.body)).localname
    except (ValueError, KeyError, AssertionError, etree.XMLSyntaxError) as error:
        return f"unreadable {media_type} ({error})"
    return f"{media_type}: {told.body[:80]!r}"
