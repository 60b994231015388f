"""A large synthetic population for measurements: any number of resources, streamed, with the skew of real data.

About thirty resources a patient, unevenly; one patient with very many; a third of the observations one code;
few common and many rare names; ten years of dates. Each reference points back.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import count, islice

from fhir_server.demonstration.bulk.frame import frame
from fhir_server.demonstration.bulk.patients import BUSIEST, patient
from fhir_server.demonstration.bulk.records import records
from fhir_server.demonstration.bulk.source import Source
from fhir_server.demonstration.trust import dice
from fhir_server.fhir.resource import Resource

_MOST_OF_ONE_PATIENT = 20_000
_SMALLEST_STRIDE = 15
_PER_PATIENT = 30
# How many records the patients have, in turn. With the Patient and the busiest one's share, 30 on average.
_SIZES = (2, 5, 9, 15, 22, 32, 48, 83)
_ORDINARY = 5


def population(*, seed: int, resources: int, today: date) -> Iterator[Resource]:
    """Yield so many resources.

    They share their constant parts: change a copy, never what is yielded.
    """
    return islice(_endless(Source(dice(seed, "population"), today), resources), resources)


def busy_stride(resources: int) -> int:
    """Return how many resources there are for each one of the busiest patient: 15, or more past 300,000."""
    return max(_SMALLEST_STRIDE, resources // _MOST_OF_ONE_PATIENT)


def ordinary_patient(resources: int) -> int:
    """Return the number of a patient with 32 records, about halfway through so many resources."""
    rounds = resources // (2 * _PER_PATIENT * len(_SIZES))
    return rounds * len(_SIZES) + _ORDINARY


def _endless(source: Source, resources: int) -> Iterator[Resource]:
    yield from frame()
    yield patient(source, BUSIEST)
    busy = records(source, BUSIEST)
    others = busy_stride(resources) - 1
    # Spread over the whole load, as a long illness is: not one block of neighbours.
    for position, resource in enumerate(_ordinary(source), 1):
        yield resource
        if position % others == 0:
            yield next(busy)


def _ordinary(source: Source) -> Iterator[Resource]:
    for number in count(1):
        yield patient(source, number)
        yield from islice(records(source, number), _SIZES[number % len(_SIZES)])
