"""What a request goes by in logs: never by an NHS number."""

from __future__ import annotations

import pytest

from fhir_server.rest.naming import is_name
from fhir_server.rest.tracing import forwarded, names, trace_of

PARENT = "00f067aa0ba902b7"
GOOD = f"00-4bf92f3577b34da6a3ce929d0e0e4736-{PARENT}-01".encode()


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"9434765919",
        b"943-476-5919",
        b"943.476.5919",
        b"patient:9434765919",
        b"nhs-9434765919-1",
        b"943_476_5919",
        b"Ada Lovelace",
        b"a" * 65,
        b"a\r\nx-evil:1",
        b"https://a/Patient?name=ada",
    ],
)
def test_what_is_no_name_of_a_request_is_not_taken(given: bytes) -> None:
    assert not is_name(given)
    assert names({b"x-correlation-id": given}, "") == {}


@pytest.mark.parametrize(
    "given",
    [
        b"a",
        b"c-1",
        b"4505ee2c273b-7",
        b"60E0B220-8136-4CA5-AE46-1D97EF59D068",
        b"12345678-1234-4123-8123-123456789012",
        b"01ARZ3NDEKTSV4RRFFQ69G5FAV",
        b"1750000000000",
    ],
)
def test_what_systems_call_their_requests_is_taken(given: bytes) -> None:
    assert is_name(given)


@pytest.mark.parametrize(
    "trace", ["9434765919" + "0" * 22, "0" * 22 + "9434765919", "0" * 11 + "9434765919" + "0" * 11]
)
def test_a_number_padded_to_a_trace_is_no_trace(trace: str) -> None:
    assert trace_of({b"traceparent": f"00-{trace}-{PARENT}-01".encode()}) == ""


def test_a_state_with_a_number_goes_no_further_and_its_trace_does() -> None:
    headers = {b"traceparent": GOOD, b"tracestate": b"nhs=943 476 5919"}
    told = forwarded(headers, "r-1", trace_of(headers), lambda size: "ab" * size)

    assert "tracestate" not in told
    assert "traceparent" in told
