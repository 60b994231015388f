"""What a large population has measured: one code in a third of all observations, a few in most of the rest."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from random import Random

from fhir_server.demonstration.codes import (
    BLOOD_PRESSURE,
    DIASTOLIC,
    HBA1C,
    LABORATORY,
    SYSTOLIC,
    VITAL_SIGNS,
    WEIGHT,
    measured,
    quantity,
)
from fhir_server.fhir.resource import Resource


@dataclass(frozen=True, slots=True)
class Measure:
    """A thing that is measured: its category, its usual values in tenths of a unit, and its share in percent."""

    code: Resource
    category: Resource
    mean: int
    spread: int
    unit: str
    share: float


HEART_RATE = measured("364075005", "8867-4", "Heart rate")
TEMPERATURE = measured("386725007", "8310-5", "Body temperature")
SATURATION = measured("103228002", "2708-6", "Haemoglobin saturation with oxygen")
RESPIRATION = measured("86290005", "9279-1", "Respiratory rate")

_MEASURES = (
    Measure(HBA1C, LABORATORY, 550, 130, "mmol/mol", 33.3),
    Measure(BLOOD_PRESSURE, VITAL_SIGNS, 1350, 150, "mm[Hg]", 22),
    Measure(WEIGHT, VITAL_SIGNS, 800, 150, "kg", 16),
    Measure(HEART_RATE, VITAL_SIGNS, 780, 120, "/min", 14),
    Measure(TEMPERATURE, VITAL_SIGNS, 368, 6, "Cel", 9),
    Measure(SATURATION, VITAL_SIGNS, 965, 20, "%", 5.5),
    Measure(RESPIRATION, VITAL_SIGNS, 160, 30, "/min", 0.2),
)
_SHARES = list(accumulate(measure.share for measure in _MEASURES))
# Each tenth once: a quantity of the same value is the same Decimal.
_TENTHS = [Decimal(tenth) / 10 for tenth in range(3000)]


def measurement(draw: Random) -> Resource:
    """Return the category, the code and the value of an Observation."""
    measure = draw.choices(_MEASURES, cum_weights=_SHARES)[0]
    found: Resource = {"category": [measure.category], "code": measure.code}
    value = _value(measure, draw.gauss(measure.mean, measure.spread))
    if measure.code is not BLOOD_PRESSURE:
        return found | {"valueQuantity": value}
    diastolic = _value(measure, draw.gauss(800, 90))
    return found | {
        "component": [
            {"code": SYSTOLIC, "valueQuantity": value},
            {"code": DIASTOLIC, "valueQuantity": diastolic},
        ]
    }


def _value(measure: Measure, tenths: float) -> Resource:
    return quantity(_TENTHS[max(1, min(int(tenths), len(_TENTHS) - 1))], measure.unit)
