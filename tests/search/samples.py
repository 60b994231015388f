"""What a value of a type looks like in a resource and in a search: https://hl7.org/fhir/R4/search.html#ptypes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple


class Value(NamedTuple):
    """A value in JSON, the search value that finds it, and search values that do not.

    `at_root` is what the resource must have besides.
    """

    json: Any
    found: str
    missed: tuple[str, ...]
    at_root: dict[str, Any] = {}  # noqa: RUF012 - never changed


_SYSTEM = "http://example.org/system"
_CODING = {"system": _SYSTEM, "code": "alpha"}
_UCUM = "http://unitsofmeasure.org"
_MG = {"value": Decimal("5.4"), "system": _UCUM, "code": "mg"}
_DAY = "2024-06-01"
_MOMENT = "2024-06-01T12:00:00Z"
"""Also when the current version of every sample was made."""

_TRUE = True
_ADDRESS = "http://example.org/alpha"


def _all(json: Any, found: str, *missed: str, types: str) -> dict[str, Value]:
    """Return one value for several types."""
    return dict.fromkeys(types.split(), Value(json, found, missed))


_VALUES: dict[str, dict[str, Value]] = {
    "token": {
        "boolean": Value(_TRUE, "true", ("false",)),
        "CodeableConcept": Value({"coding": [_CODING]}, "alpha", ("omega", "alph")),
        "Coding": Value(_CODING, "alpha", ("omega", "alph")),
        "ContactPoint": Value({"value": "alpha"}, "alpha", ("omega", "alph")),
        "Identifier": Value({"system": _SYSTEM, "value": "alpha"}, "alpha", ("omega", "alph")),
        **_all("alpha", "alpha", "omega", "alph", types="code id string uri"),
    },
    "string": {
        "Address": Value({"city": "Alpha"}, "alph", ("omega", "lpha")),
        "HumanName": Value({"given": ["Alpha"]}, "alph", ("omega", "lpha")),
        **_all("Alpha", "alph", "omega", "lpha", types="markdown string"),
    },
    "date": {
        "Period": Value({"start": _DAY, "end": _DAY}, "ge2024-06", ("2023", "lt2024-06")),
        "Timing": Value({"event": [_DAY]}, "ge2024-06", ("2023", "lt2024-06")),
        "date": Value(_DAY, _DAY, ("2023", "gt2024-06")),
        **_all(_MOMENT, _MOMENT, "2023", "gt2024-06", types="dateTime instant"),
    },
    "number": {
        "Range": Value({"low": _MG, "high": _MG}, "5.4", ("5.5", "lt5")),
        **_all(Decimal("5.4"), "5.4", "5.5", "lt5", types="decimal"),
        **_all(5, "5", "6", "lt5", types="integer unsignedInt"),
    },
    "quantity": {
        "Money": Value({"value": Decimal("5.4"), "currency": "GBP"}, "5.4||GBP", ("5.4||EUR",)),
        "Range": Value({"low": _MG, "high": _MG}, "5.4", ("5.5", "lt5", "5.4||g")),
        **_all(
            _MG, "5.4", "5.5", "lt5", "5.4||g",
            types="Age Count Distance Duration MoneyQuantity Quantity SimpleQuantity",
        ),
    },
    "uri": _all(_ADDRESS, _ADDRESS, f"{_ADDRESS}/1", _ADDRESS[:-1], types="canonical oid uri url"),
    "reference": _all(_ADDRESS, _ADDRESS, f"{_ADDRESS}/1", types="canonical uri"),
    "special": {
        "Location.position": Value(
            {"latitude": Decimal("54.0"), "longitude": Decimal("-1.9")},
            "54|-1.8999|1|km",
            ("54|-1.8|1|km", "54|1.9|1|km"),
        ),
    },
}  # fmt: skip


def values(kind: str, type_name: str, target: str) -> list[Value]:
    """Return the values of a type that a search parameter of this kind can have: one, or none."""
    match kind, type_name:
        case "reference", "Reference":
            json = {"reference": f"{target}/alpha"}
        case "reference", "Resource":
            json = {"resourceType": target, "id": "alpha"}
        case _:
            found = _VALUES.get(kind, {}).get(type_name)
            return [] if found is None else [found]
    return [Value(json, f"{target}/alpha", (f"{target}/omega",))]
