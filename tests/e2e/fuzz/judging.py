"""What every answer has to be, whatever was asked."""

from __future__ import annotations

import gzip
import json

from lxml import etree

from tests.support.raw_http import Ask, Told

_BODILESS = frozenset({204, 304})
_UNREADABLE = "unreadable"


def faults_of(ask: Ask, told: Told) -> list[str]:
    """Return what is wrong with an answer."""
    faults = []
    if told.status >= 500:
        faults.append(f"it answers {told.status}")
    if not told.headers.get("X-Request-Id"):
        faults.append("the answer has no request id")
    if ask.method == b"HEAD" or told.status in _BODILESS:
        return [*faults, "the answer has a body"] if told.body else faults
    kind = _kind_of(told)
    if told.status >= 400 and kind != "OperationOutcome":
        faults.append(f"{told.status} with {kind}")
    if kind.startswith(_UNREADABLE):
        faults.append(kind)
    return faults


def _kind_of(told: Told) -> str:
    """Return the type of the resource in the body, or what there is instead."""
    media_type = told.headers.get_content_type()
    packed = told.headers.get("Content-Encoding") == "gzip"
    try:
        body = gzip.decompress(told.body) if packed else told.body
        if media_type == "application/fhir+json":
            resource = json.loads(body)
            if resource["resourceType"] == "OperationOutcome":
                assert all(each["diagnostics"] for each in resource["issue"])
            return str(resource["resourceType"])
        if media_type == "application/fhir+xml":
            return etree.QName(etree.fromstring(body)).localname
    except (ValueError, KeyError, AssertionError, etree.XMLSyntaxError) as error:
        return f"{_UNREADABLE} {media_type} ({error!r})"
    return f"{media_type}: {told.body[:80]!r}"
