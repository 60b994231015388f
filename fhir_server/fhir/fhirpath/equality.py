"""When two values are the same, alike, or in order: https://hl7.org/fhirpath/N1/#equality.

Each answer may be None: the less precise date or the unknown unit leaves it open.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any, TypeAlias

from fhir_server.fhir.fhirpath.distinctness import frozen
from fhir_server.fhir.fhirpath.errors import FhirPathError
from fhir_server.fhir.fhirpath.node import Node, Nodes
from fhir_server.fhir.fhirpath.quantity import Quantity, in_common_unit
from fhir_server.fhir.fhirpath.system import is_temporal, value_of
from fhir_server.fhir.fhirpath.temporal import Temporal, compare

Verdict: TypeAlias = bool | None

_MOST_UNORDERED = 1000
"""Without an order each item is compared with each."""


def collections_equal(left: Nodes, right: Nodes) -> Verdict:
    """Compare in order; None if one is empty, or an item's comparison leaves it open."""
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    verdicts = [equal(a, b) for a, b in zip(left, right, strict=True)]
    return False if False in verdicts else None if None in verdicts else True


def equal_to_text(nodes: Nodes, text: str) -> Verdict:
    """Return the verdict of `nodes = 'text'`, the commonest comparison."""
    if len(nodes) == 1 and type(nodes[0].value) is str and not is_temporal(nodes[0].type):
        return bool(nodes[0].value == text)
    return collections_equal(nodes, [Node("System.String", text)])


def equal(left: Node, right: Node) -> Verdict:
    """Tell whether two values are the same."""
    a, b = value_of(left), value_of(right)
    if a is None and b is None:
        return frozen(left.element) == frozen(right.element)
    return _equal_values(a, b)


def _equal_values(a: Any, b: Any) -> Verdict:
    if _is_number(a) and _is_number(b):
        return bool(a == b)
    if isinstance(a, Temporal) and isinstance(b, Temporal):
        return _equal_moments(a, b)
    if isinstance(a, Quantity) or isinstance(b, Quantity):
        return _equal_quantities(as_quantity(a), as_quantity(b))
    return frozen(a) == frozen(b)


def _equal_moments(a: Temporal, b: Temporal) -> Verdict:
    if (a.kind == "Time") != (b.kind == "Time"):
        return False
    order = compare(a, b)
    return None if order is None else order == 0


def as_quantity(value: Any) -> Quantity | None:
    """Return a quantity, or a number as one without a unit."""
    if isinstance(value, Quantity):
        return value
    return Quantity(Decimal(value), "1") if _is_number(value) else None


def _equal_quantities(a: Quantity | None, b: Quantity | None) -> Verdict:
    if a is None or b is None:
        return False
    if a == b:
        return True
    numbers = in_common_unit(a, b)
    return None if numbers is None else numbers[0] == numbers[1]


def collections_equivalent(left: Nodes, right: Nodes) -> bool:
    """Compare without regard to order."""
    if len(left) != len(right):
        return False
    if len(left) > _MOST_UNORDERED:
        raise FhirPathError(f"`~` compares up to {_MOST_UNORDERED} items, not {len(left)}")
    remaining = list(right)
    for a in left:
        match = next((i for i, b in enumerate(remaining) if equivalent(a, b)), None)
        if match is None:
            return False
        del remaining[match]
    return True


def equivalent(left: Node, right: Node) -> bool:
    """Tell whether two values are alike: without case, in the precision of the less precise."""
    return _equivalent_values(value_of(left), value_of(right))


def _equivalent_values(a: Any, b: Any) -> bool:
    if isinstance(a, str) and isinstance(b, str):
        return _folded(a) == _folded(b)
    if _is_number(a) and _is_number(b):
        return _equivalent_numbers(Decimal(a), Decimal(b))
    if isinstance(a, Temporal) and isinstance(b, Temporal):
        return (a.kind == "Time") == (b.kind == "Time") and compare(a, b) == 0
    if isinstance(a, Quantity) or isinstance(b, Quantity):
        return _equivalent_quantities(as_quantity(a), as_quantity(b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_equivalent_values(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return collections_equivalent(
            [Node("", each) for each in a], [Node("", each) for each in b]
        )
    return type(a) is type(b) and bool(a == b)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _equivalent_numbers(a: Decimal, b: Decimal) -> bool:
    places = min(_places(a), _places(b))
    return _rounded(a, places) == _rounded(b, places)


def _equivalent_quantities(a: Quantity | None, b: Quantity | None) -> bool:
    if a is None or b is None:
        return False
    numbers = in_common_unit(a, b)
    if numbers is None:
        return False
    (a_size, _), (b_size, _) = a.measure, b.measure
    # The one that was not converted says how precise the comparison is.
    places = min(_places(each.value) for each in (a, b) if each.measure[0] == max(a_size, b_size))
    return round(numbers[0], places) == round(numbers[1], places)


def _places(number: Decimal) -> int:
    exponent = number.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _rounded(number: Decimal, places: int) -> Decimal:
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or -exponent <= places:
        return number
    with localcontext(prec=max(28, number.adjusted() + places + 2)):
        return number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def ordering(left: Node, right: Node) -> int | None:
    """Return -1, 0 or 1, None where it is open; raise FhirPathError for what has no order."""
    a, b = value_of(left), value_of(right)
    if (_is_number(a) and _is_number(b)) or (isinstance(a, str) and isinstance(b, str)):
        return int(a > b) - int(a < b)
    if (
        isinstance(a, Temporal)
        and isinstance(b, Temporal)
        and (a.kind == "Time") == (b.kind == "Time")
    ):
        return compare(a, b)
    one, other = as_quantity(a), as_quantity(b)
    if one is not None and other is not None:
        numbers = in_common_unit(one, other)
        return None if numbers is None else (numbers[0] > numbers[1]) - (numbers[0] < numbers[1])
    raise FhirPathError(f"{left.type} and {right.type} have no order")
