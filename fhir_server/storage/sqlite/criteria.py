"""The criteria of scopes as a function of SQL, `meets(criteria, type, record, body)`."""

from __future__ import annotations

from typing import Any

from fhir_server.fhir.json import parse_resource
from fhir_server.policy.criteria import Criteria
from fhir_server.search.record import unpacked


def meets(criteria: Any, kind: Any, record: Any, body: Any) -> bool:
    """Tell whether a version satisfies what is asked of its type, by its record or else its body; a deletion has neither."""
    assert isinstance(criteria, Criteria)
    if criteria.of(kind) is None:
        return True
    if record is not None:
        return criteria.meets(kind, unpacked(record))
    return body is not None and criteria.meets(kind, criteria.extract(parse_resource(body)))
