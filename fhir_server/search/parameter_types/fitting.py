"""Which FHIR types a search parameter of each type can be made of: https://hl7.org/fhir/R4/search.html#ptypes."""

from __future__ import annotations

FITTING = {
    "string": frozenset(
        [
            "string",
            "markdown",
            "code",
            "id",
            "HumanName",
            "Address",
            "CodeableConcept",
            "System.String",
        ]
    ),
    "token": frozenset(
        [
            "Coding",
            "CodeableConcept",
            "Identifier",
            "ContactPoint",
            "code",
            "boolean",
            "id",
            "string",
            "uri",
            "System.Boolean",
            "System.String",
        ]
    ),
    "reference": frozenset(["Reference", "canonical", "uri"]),
    "uri": frozenset(["uri", "url", "canonical", "oid", "uuid", "System.String"]),
    "date": frozenset(["date", "dateTime", "instant", "Period", "Timing"]),
    "number": frozenset(
        [
            "integer",
            "decimal",
            "positiveInt",
            "unsignedInt",
            "Range",
            "System.Integer",
            "System.Decimal",
        ]
    ),
    "quantity": frozenset(
        [
            "Quantity",
            "SimpleQuantity",
            "MoneyQuantity",
            "Age",
            "Count",
            "Distance",
            "Duration",
            "Money",
            "Range",
        ]
    ),
}
"""By type of search parameter, what its expression may yield; anything else could not be found by it."""
