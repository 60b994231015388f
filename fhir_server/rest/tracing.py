"""By which names one request is found again in the logs of all servers that it passes: https://www.w3.org/TR/trace-context/.

They are told onwards by a hub, and told to nobody by a node. A `traceparent` that is none is as good as absent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from fhir_server.rest.naming import is_name, is_padded_number, tells_a_number

_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_TRACESTATE = re.compile(rb"[\x20-\x7e]{1,512}")
_NO_TRACE = b"0" * 32
_NO_PARENT = b"0" * 16
_NOT_SAMPLED = "00"


def trace_of(headers: Mapping[bytes, bytes]) -> str:
    """Return the trace id and flags of a request, `<32 hex digits>-<2>`; nothing where it has none."""
    given = headers.get(b"traceparent")
    found = None if given is None else _TRACEPARENT.fullmatch(given)
    if found is None:
        return ""
    version, trace, parent, flags, more = found.groups()
    if (
        version == b"ff"
        or (version == b"00" and more)
        or trace == _NO_TRACE
        or parent == _NO_PARENT
        or is_padded_number(trace.decode())
    ):
        return ""
    return f"{trace.decode()}-{flags.decode()}"


def new_trace(new_hex: Callable[[int], str]) -> str:
    """Return a trace that begins here; `new_hex` gives random digits for so many bytes."""
    return f"{new_hex(16)}-{_NOT_SAMPLED}"


def names(headers: Mapping[bytes, bytes], trace: str) -> dict[str, str]:
    """Return by what names besides its id a request is logged."""
    found = {"trace_id": trace[:32]} if trace else {}
    correlation = headers.get(b"x-correlation-id")
    if correlation is not None and is_name(correlation):
        found["correlation_id"] = correlation.decode()
    return found


def forwarded(
    headers: Mapping[bytes, bytes], request_id: str, trace: str, new_hex: Callable[[int], str]
) -> dict[str, str]:
    """Return the headers by which a request that this one causes is found with it; each is a span of its own."""
    correlation = names(headers, "").get("correlation_id", request_id)
    found = {"x-request-id": request_id, "x-correlation-id": correlation}
    if trace:
        trace_id, _, flags = trace.partition("-")
        found["traceparent"] = f"00-{trace_id}-{new_hex(8)}-{flags}"
        state = headers.get(b"tracestate")
        if trace_of(headers) and state is not None and _is_state(state):
            found["tracestate"] = state.decode()
    return found


def _is_state(state: bytes) -> bool:
    return _TRACESTATE.fullmatch(state) is not None and not tells_a_number(state)
