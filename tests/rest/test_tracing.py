"""A request goes by the same names in the logs of all servers that it passes; what is no trace is none."""

from __future__ import annotations

import pytest

from fhir_server.rest.tracing import forwarded, names, new_trace, trace_of

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{PARENT}-01".encode()


def hexadecimal(size: int) -> str:
    return "ab" * size


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"00",
        GOOD + b"-more",
        GOOD.upper(),
        GOOD.replace(b"00-", b"ff-", 1),
        GOOD.replace(TRACE.encode(), b"0" * 32),
        GOOD.replace(PARENT.encode(), b"0" * 16),
        GOOD + b"\r\nx-evil: 1",
        GOOD + b", " + GOOD,
    ],
)
def test_what_is_no_trace_is_as_good_as_absent(given: bytes) -> None:
    assert trace_of({b"traceparent": given}) == ""


def test_a_trace_is_known_by_its_id_and_flags() -> None:
    assert trace_of({b"traceparent": GOOD}) == f"{TRACE}-01"
    assert trace_of({b"traceparent": GOOD.replace(b"00-", b"cc-", 1) + b"-later"}) == f"{TRACE}-01"


def test_the_log_has_the_trace_and_the_correlation_and_nothing_a_client_made_up() -> None:
    headers = {b"x-correlation-id": b"c 1", b"traceparent": GOOD}
    assert names(headers, trace_of(headers)) == {"trace_id": TRACE}
    assert names({b"x-correlation-id": b"c-1"}, "") == {"correlation_id": "c-1"}


def test_what_is_caused_goes_by_the_same_names_as_a_span_of_its_own() -> None:
    headers = {b"x-correlation-id": b"c-1", b"traceparent": GOOD, b"tracestate": b"a=1"}
    assert forwarded(headers, "r-1", trace_of(headers), hexadecimal) == {
        "x-request-id": "r-1",
        "x-correlation-id": "c-1",
        "traceparent": f"00-{TRACE}-{'ab' * 8}-01",
        "tracestate": "a=1",
    }


def test_a_state_without_its_trace_goes_nowhere() -> None:
    told = forwarded({b"tracestate": b"a=1"}, "r-1", new_trace(hexadecimal), hexadecimal)
    assert told == {
        "x-request-id": "r-1",
        "x-correlation-id": "r-1",
        "traceparent": f"00-{'ab' * 16}-{'ab' * 8}-00",
    }
